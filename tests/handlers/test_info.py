from __future__ import annotations

from typing import Any

import pytest
from redis._parsers.helpers import parse_info

from respq import __version__
from respq.broker.broker import Figures
from respq.config import Settings
from respq.errors import RespqError
from respq.resp.encoder import encode
from tests.harness import Harness


def parsed(harness: Harness, line: str = "INFO") -> dict[str, Any]:
    """Return what redis-py makes of the text."""
    info: dict[str, Any] = parse_info(harness.say(line).text)
    return info


def titles(harness: Harness, line: str) -> list[str]:
    lines = harness.say(line).text.decode().split("\r\n")
    return [each for each in lines if each.startswith("#")]


def figures() -> Figures:
    return {
        "server": {"run_id": "f00", "tcp_port": 6479, "uptime_in_seconds": 7},
        "memory": {"used_memory": 900, "used_memory_peak": 1_572_864},
        "persistence": {"respq_durability": "always"},
        "stats": {"total_connections_received": 12},
        "cpu": {"used_cpu_user": "0.25"},
    }


def test_info_says_what_clients_look_for() -> None:
    info = parsed(Harness())

    expected = {
        "redis_version": "7.2.4",
        "redis_mode": "standalone",
        "arch_bits": 64,
        "loading": 0,
        "maxmemory": 0,
        "maxmemory_human": "0B",
        "maxmemory_policy": "noeviction",
        "role": "master",
        "connected_slaves": 0,
        "cluster_enabled": 0,
    }
    assert {name: info[name] for name in expected} == expected
    assert info["respq_version"] == __version__
    assert not {"valkey_version", "dragonfly_version"} & info.keys()


def test_the_limit_of_the_memory_is_told_to_people_too() -> None:
    info = parsed(Harness(Settings(maxmemory=3 << 20)), "INFO memory")

    assert (info["maxmemory"], info["maxmemory_human"]) == (3_145_728, "3.00M")


def test_what_the_process_knows_stands_in_the_same_sections() -> None:
    harness = Harness()
    harness.broker.figures = figures

    info = parsed(harness)

    assert (info["run_id"], info["tcp_port"], info["uptime_in_seconds"]) == ("f00", 6479, 7)
    assert (info["used_memory"], info["used_memory_human"]) == (900, "900B")
    assert (info["used_memory_peak"], info["used_memory_peak_human"]) == (1_572_864, "1.50M")
    assert info["respq_durability"] == "always"
    assert info["total_connections_received"] == 12
    assert info["used_cpu_user"] == 0.25
    assert titles(harness, "INFO").count("# Memory") == 1


@pytest.mark.parametrize(
    ("size_bytes", "shown"),
    [
        (0, "0B"),
        (1023, "1023B"),
        (1024, "1.00K"),
        (1619880, "1.54M"),
        (25276514304, "23.54G"),
        (3 * 2**40, "3.00T"),
        (2**50, "1024.00T"),
    ],
)
def test_sizes_are_told_to_people_as_redis_tells_them(size_bytes: int, shown: str) -> None:
    harness = Harness()
    harness.broker.figures = lambda: {"memory": {"used_memory_rss": size_bytes}}

    assert f"used_memory_rss_human:{shown}\r\n" in harness.say("INFO memory").text.decode()


def test_info_counts_clients_and_those_that_wait() -> None:
    harness = Harness(Settings(maxclients=123))
    harness.client().say("QPOP mail BLOCK 0")

    info = parsed(harness, "INFO clients")

    assert info == {"connected_clients": 2, "blocked_clients": 1, "maxclients": 123}


def test_info_counts_commands_and_refusals() -> None:
    harness = Harness()
    harness.say("QPUSH mail hello")
    harness.say("QSHOW nothing 1-1")
    harness.say("CLIENT ID")

    info = parsed(harness, "INFO stats commandstats")

    assert info["total_commands_processed"] == 4
    assert info["total_error_replies"] == 1
    assert info["cmdstat_qpush"] == {"calls": 1, "failed_calls": 0}
    assert info["cmdstat_qshow"] == {"calls": 1, "failed_calls": 1}
    assert info["cmdstat_client|id"] == {"calls": 1, "failed_calls": 0}
    assert "cmdstat_qpop" not in info


def test_the_keyspace_counts_keys_by_database() -> None:
    harness = Harness()
    assert titles(harness, "INFO keyspace") == ["# Keyspace"]
    harness.say("QPUSH mail hello")
    harness.say("QPUSH post hello")
    harness.say("SELECT 3")
    harness.say("QPUSH mail hello")

    info = parsed(harness, "INFO keyspace")

    assert info == {
        "db0": {"keys": 2, "expires": 0, "avg_ttl": 0},
        "db3": {"keys": 1, "expires": 0, "avg_ttl": 0},
    }


def test_the_queues_are_summed_up_over_all_databases() -> None:
    harness = Harness()
    harness.say("QPUSH mail hello")
    harness.say("QPUSH mail later DELAY 1000")
    harness.say("SELECT 3")
    harness.say("QPUSH post hello")
    harness.say("QPOP post")
    harness.pass_ms(500)

    info = parsed(harness, "INFO queues")

    assert (info["queues"], info["ready"], info["delayed"], info["leased"]) == (2, 1, 1, 1)
    assert (info["pushed_total"], info["popped_total"], info["oldest_ready_ms"]) == (3, 1, 500)


def test_the_sums_over_many_queues_are_made_only_for_who_asks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("respq.handlers.info.SUMMED_QUEUES_MAX", 2)
    harness = Harness()
    for name in "abc":
        harness.say(f"QPUSH {name} x")

    assert "# Queues" not in titles(harness, "INFO")
    for line in ("INFO queues", "INFO everything", "INFO default"):
        assert parsed(harness, line)["queues"] == 3
    harness.say("DEL c")
    assert parsed(harness)["pushed_total"] == 2


def test_sections_are_asked_for_in_any_case_and_come_in_one_order() -> None:
    harness = Harness()

    assert titles(harness, "INFO server") == titles(harness, "INFO SERVER") == ["# Server"]
    assert titles(harness, "INFO keyspace Clients") == ["# Clients", "# Keyspace"]
    assert titles(harness, "INFO nothing queues") == ["# Queues"]


def test_all_is_the_default_and_the_command_figures() -> None:
    harness = Harness()
    default = titles(harness, "INFO")

    assert titles(harness, "INFO default") == titles(harness, "INFO Default server") == default
    assert default == [
        "# Server",
        "# Clients",
        "# Memory",
        "# Persistence",
        "# Stats",
        "# Replication",
        "# CPU",
        "# Cluster",
        "# Keyspace",
        "# Queues",
    ]
    for line in ("INFO all", "INFO everything", "INFO default commandstats", "INFO queues ALL"):
        assert set(titles(harness, line)) - set(default) == {"# Commandstats"}


def test_the_text_is_laid_out_as_redis_lays_it_out() -> None:
    text = Harness().say("INFO clients cluster").text.decode()

    assert text == (
        "# Clients\r\nconnected_clients:1\r\nmaxclients:10000\r\nblocked_clients:0\r\n"
        "\r\n# Cluster\r\ncluster_enabled:0\r\n"
    )


def test_the_text_is_verbatim_in_resp3_and_a_bulk_string_in_resp2() -> None:
    reply = Harness().say("INFO cluster")

    text = b"# Cluster\r\ncluster_enabled:0\r\n"
    assert encode(reply, 3) == b"=%d\r\ntxt:%b\r\n" % (len(text) + 4, text)
    assert encode(reply, 2) == b"$%d\r\n%b\r\n" % (len(text), text)


def test_while_loading_the_state_is_not_looked_at() -> None:
    harness = Harness()
    harness.say("QPUSH mail hello")
    harness.broker.loading = True

    info = parsed(harness)

    assert info["loading"] == 1
    assert not {"db0", "queues", "ready"} & info.keys()


def test_whoever_has_not_given_the_password_is_told_nothing() -> None:
    harness = Harness(Settings(password="sesame"))

    assert isinstance(harness.say("INFO"), RespqError)
