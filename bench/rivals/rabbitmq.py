"""rabbitmq-server from Debian: a broker of its own on loopback, without plugins.

When it syncs is not configured but follows from the queue: a persistent job in a durable queue is
confirmed when it is on the disk, one that is transient as soon as the queue has it. An ack has no
answer, whatever happens to it. So durable queues stand beside an fsync before each reply, and a
transient one beside memory.

Erlang needs a name server, and would leave it behind as a daemon; here it is started beside the
broker, in the same session.
"""

from __future__ import annotations

import struct
from enum import StrEnum
from pathlib import Path

from generator import Workload
from server import CONFIGURATION, Mode, Rival, free_port, program_output
from wire import ask_amqp

_PACKAGE = "rabbitmq-server"
_SCRIPT = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
"""Not the one in the path, which becomes another user."""
_QUEUE = b"\x04jobs"
_DECLARE, _DELETE = (50, 10), (50, 40)
_PASSIVE, _DURABLE = 1, 2


class Kind(StrEnum):
    """Of a queue."""

    CLASSIC = "classic"
    QUORUM = "quorum"


class RabbitMQ(Rival):
    """A broker of one node; the same for every mode, for its queues differ."""

    name = "rabbitmq"
    program = "sh"
    install = f"apt-get install {_PACKAGE}"

    def executable(self) -> str | None:
        """Return the path of the shell, which starts the broker and the name server."""
        return super().executable() if _SCRIPT.exists() else None

    def version(self) -> str:
        """Return the version of the package."""
        return program_output("dpkg-query", "--show", "--showformat", "${Version}", _PACKAGE)

    def arguments(self, mode: Mode, port: str, directory: str) -> list[str]:  # noqa: ARG002
        """Return what the shell does."""
        return ["-c", f"epmd -port $ERL_EPMD_PORT & exec {_SCRIPT}"]

    def environment(self, mode: Mode, port: int, directory: str) -> dict[str, str]:  # noqa: ARG002
        """Return what keeps it apart from any other broker of this machine."""
        return {
            "HOME": directory,
            "ERL_EPMD_PORT": str(free_port()),
            "RABBITMQ_CONFIG_FILE": f"{directory}/{CONFIGURATION}",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{directory}/plugins",
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_MNESIA_BASE": directory,
            "RABBITMQ_NODENAME": "bench@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(port),
            "RABBITMQ_PID_FILE": f"{directory}/pid",
        }

    def configuration(self, mode: Mode) -> str:  # noqa: ARG002
        """Return how much it logs; all else are its defaults."""
        return "log.console.level = error\n"

    def is_ready(self, port: int) -> bool:
        """Tell whether it answers in a channel."""
        return bool(self.ask(port, "delete"))

    def ask(self, port: int, command: str) -> bytes:
        """Do what one or two words say to the queue ``jobs``: delete, or declare a KIND."""
        verb, _, kind = command.partition(" ")
        if verb == "delete":
            return ask_amqp(port, _DELETE, b"\0\0" + _QUEUE + b"\0")
        is_durable, kind = kind.startswith("durable "), kind.rpartition(" ")[2]
        return ask_amqp(port, _DECLARE, _declaration(_DURABLE if is_durable else 0, kind))

    def facts(self, port: int) -> dict[str, str]:
        """Return how many jobs are left: acked ones are gone."""
        answer = ask_amqp(port, _DECLARE, _declaration(_PASSIVE, ""))
        return {"jobs_left": str(struct.unpack(">I", answer[len(_QUEUE) :][:4])[0])}


SERVER = RabbitMQ()


def _declaration(flags: int, kind: str) -> bytes:
    name = b"x-queue-type"
    value = struct.pack(">cI", b"S", len(kind)) + kind.encode()
    table = bytes([len(name)]) + name + value if kind else b""
    return b"\0\0" + _QUEUE + bytes([flags]) + struct.pack(">I", len(table)) + table


def _cycle(kind: Kind, *, durable: bool) -> Workload:
    return Workload(
        protocol="amqp",
        prepare=("delete", f"declare {'durable' if durable else 'transient'} {kind}"),
        steps=(
            f"push=publish jobs {'persistent' if durable else 'transient'} {{payload}}",
            "take=consume jobs",
            "ack=ack {taken}",
        ),
    )


CLASSIC_CYCLE = _cycle(Kind.CLASSIC, durable=True)
QUORUM_CYCLE = _cycle(Kind.QUORUM, durable=True)
TRANSIENT_CYCLE = _cycle(Kind.CLASSIC, durable=False)
"""Publish and wait for the confirm; jobs come to a consumer that prefetches as many as it has in
flight; an ack is one frame for each job, and has no answer."""
