"""Replies of a connection come in the order of its requests, however these came in."""

from __future__ import annotations

import operator
import random
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from tests.server.wire import Wire, request
from tests.server_process import ServerProcess

CLIENTS, ROUNDS = 8, 40


def conversation(port: int, seed: int, faults: list[str]) -> None:
    """Send pipelines of all lengths in pieces of all sizes, and check each reply."""
    rnd = random.Random(seed)
    asked = 0
    with Wire(port) as client:
        for _ in range(ROUNDS):
            data = b""
            wanted: list[Callable[[Any], bool]] = []
            for _ in range(rnd.choice([1, 1, 2, 5, 30, 400])):
                asked += 1
                match rnd.randrange(3):
                    case 0:
                        data += request("ECHO", asked)
                        wanted.append(partial(operator.eq, b"%d" % asked))
                    case 1:
                        data += request("QPUSH", f"q{seed}", asked)
                        wanted.append(lambda reply: reply is not None and b"-" in reply)
                    case _:
                        data += request("QPOP", f"nothing{seed}", "BLOCK", "1ms")
                        wanted.append(lambda reply: reply is None)
            while data:
                size = rnd.choice([1, 7, 100, 10_000])
                client.socket.sendall(data[:size])
                data = data[size:]
            for place, is_due in enumerate(wanted):
                reply = client.read()
                if not is_due(reply):
                    faults.append(f"client {seed}: {reply!r} at {place} of {len(wanted)}")
                    return


def test_replies_come_in_order_while_pipelines_of_others_are_long() -> None:
    faults: list[str] = []
    with ServerProcess(None) as server:
        clients = [
            threading.Thread(target=conversation, args=(server.port, seed, faults))
            for seed in range(CLIENTS)
        ]
        for each in clients:
            each.start()
        for each in clients:
            each.join(60)

    assert not any(each.is_alive() for each in clients)
    assert faults == []
