"""respq: a durable queue server that speaks the Redis protocol."""

__version__ = "0.1.0"
