"""Runs a workload, and prints its outcome as the last line, in JSON.

    python -m tests.compat.frameworks.program NAME story|outlive PORT PROTOCOL [durable]

It is a program of its own because each framework wants its own version of redis-py.
"""

from __future__ import annotations

import importlib
import json
import os
import sys

from tests.compat.frameworks.workload import URL, Place

name, part, port, protocol, *rest = sys.argv[1:]
place = Place(int(port), int(protocol), durable="durable" in rest)
os.environ[URL] = place.url
module = importlib.import_module(f"tests.compat.frameworks.{name}_workload")
outcome = getattr(module, part)(place)
print(json.dumps(outcome), flush=True)  # noqa: T201
