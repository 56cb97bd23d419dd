"""What is answered over HTTP. It starts flows by the name of their deployment, and imports none."""
