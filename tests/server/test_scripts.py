"""Scripts in a server process: what it logs, and how it ends for one that does not end."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.server.wire import Wire
from tests.server_process import ServerProcess

PUSH = "redis.call('QPUSH', 'q', ARGV[1]) "
FOREVER = "while true do end"
HASTY = ("--script-ms-max", "200", "--script-written-ms-max", "400")


def test_a_script_that_has_written_and_does_not_end_ends_the_server_and_leaves_nothing(
    tmp_path: Path,
) -> None:
    with ServerProcess(tmp_path / "data", *HASTY) as server:
        with Wire(server.port) as client:
            assert client.ask("EVAL", f"{PUSH} return 'kept'", "0", "kept") == b"kept"
            with pytest.raises(ConnectionError):
                client.ask("EVAL", PUSH + FOREVER, "0", "lost")
        assert server.wait() == 1
        assert any("a script that has written did not end in 400 ms" in each for each in server.log)

        server.start()
        with Wire(server.port) as client:
            assert client.say("QLEN q") == 1


def test_a_script_that_does_not_end_gets_an_error_and_others_go_on(tmp_path: Path) -> None:
    with ServerProcess(None, *HASTY) as server, Wire(server.port) as client:
        reply = client.ask("EVAL", FOREVER, "0")

        assert reply.startswith("ERR the script was stopped after 200 ms")
        assert client.say("QLEN q") == 0


def test_what_scripts_log_is_in_the_log_of_the_server(tmp_path: Path) -> None:
    with ServerProcess(None) as server:
        with Wire(server.port) as client:
            client.ask("EVAL", "redis.log(redis.LOG_WARNING, 'look', 'here')", "0")
        server.stop()

        assert any("a script says" in each and "look here" in each for each in server.log)
