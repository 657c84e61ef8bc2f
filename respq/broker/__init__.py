"""Requests to replies, without sockets: declaration, dispatch, waiting, transactions. Pure."""
