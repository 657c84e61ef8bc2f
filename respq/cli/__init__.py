"""The `respq` command line."""
