"""The `aftertake` command: data on stdout, progress on stderr, one meaning per exit code."""
