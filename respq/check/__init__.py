"""Checks what clients recorded against what the server promises.

It believes nobody: it knows commands, replies and times, as docs/checking.md describes them,
and nothing of the server's code.
"""

from __future__ import annotations

SLACK_MS = 1_000.0
"""How much shorter a lease may be than it should: a server reads its clock once for all that
arrives at a time, and may be held up before it comes to a request."""
