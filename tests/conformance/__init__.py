"""One suite that every object store passes."""
