"""The wire: bytes to requests, replies to bytes. Sans-IO."""
