"""Sockets: listeners, connections, start and stop of the whole server."""
