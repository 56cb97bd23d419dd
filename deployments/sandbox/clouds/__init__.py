"""The three clouds of the sandbox: object stores on loopback, written from their documents."""
