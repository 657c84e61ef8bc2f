"""Time, commits, and the moment at which a reply may leave."""
