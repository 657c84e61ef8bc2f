from __future__ import annotations

import asyncio
import platform
import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families as read_plain_text

from respq import __version__
from respq.engine.jobs.queue import TOTALS
from respq.journal.memory import MemoryJournal
from respq.runtime.committer import BUCKETS_MS
from respq.runtime.traffic import BUCKETS_S, SAMPLE_EVERY
from tests.http.beside import OPENMETRICS, Beside, HungJournal

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_openmetrics_is_given_to_those_who_accept_it(server: Beside) -> None:
    answer = server.get("/metrics", accept=f"{OPENMETRICS},text/plain;version=0.0.4;q=0.5")

    assert answer.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert answer.body.endswith("# EOF\n")


@pytest.mark.parametrize("accept", ["", "*/*", "text/html", "text/plain;version=0.0.4"])
def test_others_get_the_plain_text(server: Beside, accept: str) -> None:
    server.say("QPUSH mail x")

    answer = server.get("/metrics", accept=accept)

    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    samples = [sample for family in read_plain_text(answer.body) for sample in family.samples]
    assert (
        "respq_jobs_pushed_total",
        {"db": "0", "queue": "mail"},
        1,
    ) in [(sample.name, sample.labels, sample.value) for sample in samples]


@pytest.mark.parametrize("version", ["new", "", "1", "1.0.0.0.0", "9" * 100])
def test_version_that_nobody_knows_is_no_failure(server: Beside, version: str) -> None:
    answer = server.get("/metrics", accept=f"application/openmetrics-text; version={version}")

    assert answer.status == 200
    assert "respq_ready 1.0" in answer.body


def test_jobs_are_counted_by_queue_and_phase(server: Beside) -> None:
    for line in (
        *("QPUSH mail a", "QPUSH mail b", "QPUSH mail c", "QPUSH mail d DELAY 1000"),
        *("QPUSH mail e ATTEMPTS 1", "QPUSH sms a", "QPOP mail"),
    ):
        server.say(line)
    _, receipt, _ = server.say("QPOP mail")
    server.ask(b"QNACK", b"mail", receipt, b"FATAL")

    metrics = server.metrics()

    phases = {
        phase: metrics.value("respq_jobs", db="0", queue="mail", phase=phase)
        for phase in ("ready", "delayed", "leased", "dead")
    }
    assert phases == {"ready": 2, "delayed": 1, "leased": 1, "dead": 1}
    assert metrics.value("respq_jobs", db="0", queue="sms", phase="ready") == 1
    assert metrics.value("respq_queues") == 2
    assert metrics.value("respq_queues_folded") == 0


def test_every_total_of_a_queue_is_what_the_engine_says(server: Beside) -> None:
    for number in range(12):
        server.say(f"QPUSH mail {number} ATTEMPTS 2")
    pops = server.say("QPOP mail COUNT 9")
    receipts = [receipt for _, receipt, _ in pops]
    server.ask(b"QACK", b"mail", *receipts[:4])
    server.ask(b"QNACK", b"mail", *receipts[4:6], b"DELAY", b"0")
    server.ask(b"QNACK", b"mail", receipts[6], b"FATAL")
    server.pass_ms(30_000)
    server.say("QPOP mail COUNT 9")
    server.say("QDLQ REDRIVE mail")
    server.say("QUEUE PURGE mail")

    metrics = server.metrics()

    totals = server.broker.engine.queue(0, b"mail").totals
    shown = [metrics.value(f"respq_jobs_{name}_total", db="0", queue="mail") for name in TOTALS]
    assert shown == totals.as_list()
    assert totals.pushed == 12
    for name in ("popped", "acked", "nacked", "expired", "dead", "redelivered", "redriven"):
        assert getattr(totals, name) > 0
    assert totals.purged > 0


def test_age_of_the_oldest_claimable_job_is_in_seconds(server: Beside) -> None:
    server.say("QPUSH mail a")
    server.pass_ms(1_500)
    server.say("QPUSH mail b")

    assert server.metrics().value("respq_oldest_ready_seconds", db="0", queue="mail") == 1.5
    server.say("QPOP mail")
    assert server.metrics().value("respq_oldest_ready_seconds", db="0", queue="mail") == 0
    server.say("QPOP mail")
    server.pass_ms(1_000)
    assert server.metrics().value("respq_oldest_ready_seconds", db="0", queue="mail") == 0


def test_clients_and_those_of_them_who_wait_are_counted(server: Beside) -> None:
    server.client()
    server.say("QPOP mail BLOCK 0", session=server.client())

    metrics = server.metrics()

    assert metrics.value("respq_clients") == 3
    assert metrics.value("respq_waiters") == 1


def test_memory_and_disk_and_what_they_refuse_are_shown() -> None:
    server = Beside(MemoryJournal())
    names = (
        *("memory_limit_bytes", "memory_used_bytes", "memory_level", "disk_free_bytes"),
        *("disk_free_min_bytes", "disk_short", "ballast_bytes"),
    )
    shown = []
    for used_bytes, free_bytes in ((800, 5_000), (900, 5_000), (0, 999)):
        server.look(used_bytes=used_bytes, free_bytes=free_bytes)
        server.say("QPUSH mail x")
        server.settle()
        metrics = server.metrics()
        shown.append([metrics.value(f"respq_{name}") for name in names])
    server.close()

    assert shown == [
        [1_000, 800, 1, 5_000, 1_000, 0, 0],
        [1_000, 900, 2, 5_000, 1_000, 0, 0],
        [1_000, 0, 0, 999, 1_000, 1, 0],
    ]
    refused = [metrics.value("respq_growth_refused_total", error=e) for e in ("OOM", "MISCONF")]
    assert refused == [1, 1]


def test_without_a_journal_nothing_is_said_of_the_disk(server: Beside) -> None:
    server.look(used_bytes=0)

    metrics = server.metrics()

    assert metrics.value("respq_memory_limit_bytes") == 1_000
    assert not [each for each in metrics.families if "disk" in each or "ballast" in each]


def test_workers_are_counted_by_state(server: Beside) -> None:
    for line in (
        *("QPOP mail CONSUMER w1", "QPOP mail CONSUMER w2", "QPOP mail CONSUMER w3"),
        *("QWORKER QUIET w1", "QWORKER STOP w4", "QWORKER STOP w5", "QWORKER QUIET w2"),
        "QWORKER RESUME w2",
    ):
        server.say(line)

    metrics = server.metrics()

    counts = {
        state: metrics.value("respq_workers", state=state) for state in ("active", "quiet", "stop")
    }
    assert counts == {"active": 2, "quiet": 1, "stop": 2}


def test_calls_and_failures_are_counted_by_command(server: Beside) -> None:
    for line in ("QPUSH mail a", "QPUSH mail b", "QUEUE GET mail", "QUEUE GET nobody", "QPUSH"):
        server.say(line)

    metrics = server.metrics()

    for command in server.broker.table:
        label = command.full_name
        assert metrics.value("respq_command_calls_total", command=label) == command.calls
        assert metrics.value("respq_command_failures_total", command=label) == command.failures
    assert metrics.value("respq_command_failures_total", command="qpush") == 1
    assert metrics.value("respq_command_failures_total", command="queue|get") == 1
    assert (metrics.value("respq_command_calls_total", command="queue|get") or 0) > 0
    assert metrics.value("respq_command_calls_total", command="qack") == 0


def test_durations_of_commands_are_a_histogram(server: Beside) -> None:
    durations = server.core.traffic.durations
    for elapsed_s in (0.000_004, 0.000_005, 0.000_06, 3.0):
        durations.add("QUEUE GET", elapsed_s)

    metrics = server.metrics()

    name, label = "respq_command_duration_seconds", "queue|get"
    bounds = metrics.labels(f"{name}_bucket", "le")
    assert [float(bound) for bound in bounds] == [*BUCKETS_S, float("inf")]
    buckets = [metrics.value(f"{name}_bucket", command=label, le=bound) for bound in bounds]
    assert buckets == [2, 2, 2, 2, 3, 3, 3, 3, 3, 4]
    assert metrics.value(f"{name}_count", command=label) == 4
    assert metrics.value(f"{name}_sum", command=label) == pytest.approx(3.000_069)
    assert f"one in {SAMPLE_EVERY} is timed" in metrics.families[name].documentation


def test_what_passed_through_the_server_is_counted(server: Beside) -> None:
    traffic = server.core.traffic
    traffic.commands_total, traffic.connections_total, traffic.rejected_total = 7, 5, 3
    traffic.cut_total = 2
    server.core.lag.last_ms, server.core.lag.max_ms = 1.5, 20.0

    metrics = server.metrics()

    assert metrics.value("respq_requests_total") == 7
    assert metrics.value("respq_connections_total") == 5
    assert metrics.value("respq_connections_rejected_total") == 3
    assert metrics.value("respq_connections_cut_total") == 2
    assert metrics.value("respq_loop_lag_seconds") == 0.0015
    assert metrics.value("respq_loop_lag_max_seconds") == 0.02


def test_long_turns_are_counted_by_how_long_they_were(server: Beside) -> None:
    for turn_s in (0.001_5, 0.002, 0.05, 3.0):
        server.core.stalls.add(turn_s)

    metrics = server.metrics()

    name = "respq_loop_stall_seconds"
    buckets = [metrics.value(f"{name}_bucket", le=le) for le in ("0.002", "0.02", "0.05", "1.0")]
    assert buckets == [2, 2, 3, 3]
    assert metrics.value(f"{name}_count") == 4
    assert metrics.value(f"{name}_sum") == pytest.approx(3.0535)
    assert metrics.value("respq_loop_stall_max_seconds") == 3.0


def test_commits_are_shown_where_a_journal_is_kept() -> None:
    server = Beside(MemoryJournal())
    server.ask(b"QPUSH", b"mail", b"a")
    server.settle()
    server.ask(b"QMPUSH", b"mail", b"2", b"b", b"c")
    server.settle()

    metrics = server.metrics()
    committer = server.core.committer
    server.close()

    assert committer is not None
    name = "respq_commit_duration_seconds"
    bounds = [float(bound) for bound in metrics.labels(f"{name}_bucket", "le")]
    assert bounds == [*(bound_ms / 1_000 for bound_ms in BUCKETS_MS), float("inf")]
    assert metrics.value(f"{name}_count") == 2
    assert metrics.value(f"{name}_sum") == committer.figures.total_ms / 1_000
    assert metrics.value("respq_committed_records_total") == 3  # One made the queue.
    assert metrics.value("respq_committed_bytes_total") == committer.figures.bytes > 0
    assert metrics.value("respq_journal_bytes") == committer.journal.size_bytes() > 0
    assert metrics.value("respq_journal_position") == 2
    assert metrics.value("respq_journal_live_bytes") == 0
    assert metrics.value("respq_compaction_running") == 0
    assert metrics.value("respq_compaction_passes_total") == 0
    assert metrics.value("respq_commit_inline") == committer.inline


def test_server_without_a_journal_shows_no_commits(server: Beside) -> None:
    server.say("QPUSH mail a")

    metrics = server.metrics()

    assert not [name for name in metrics.families if "commit_" in name or "journal" in name]


def test_replies_that_wait_for_a_commit_are_counted() -> None:
    journal = HungJournal()
    server = Beside(journal)
    server.say("QPUSH mail a")
    server.metrics()  # The loop runs, and the commit begins.
    other = server.client()
    server.say("QPUSH mail b", session=other)
    server.core.received([server.core.clients[other.id]], 40)

    during = server.metrics()
    journal.let_go.set()
    server.settle()
    after = server.metrics()
    server.close()

    assert during.value("respq_held_replies") == 2
    assert during.value("respq_uncommitted_bytes") == 40
    assert after.value("respq_held_replies") == 0
    assert after.value("respq_uncommitted_bytes") == 0


@pytest.mark.parametrize("state", ["loading", "draining"])
def test_state_of_the_server_is_a_gauge_each(server: Beside, state: str) -> None:
    well = server.metrics()
    setattr(server.broker, state, True)
    metrics = server.metrics()

    assert (well.value(f"respq_{state}"), well.value("respq_ready")) == (0, 1)
    assert (metrics.value(f"respq_{state}"), metrics.value("respq_ready")) == (1, 0)


def test_loading_server_shows_itself_but_no_queue(server: Beside) -> None:
    server.say("QPUSH mail a")
    server.broker.loading = True

    metrics = server.metrics()

    assert metrics.value("respq_queues") == 0
    assert metrics.labels("respq_jobs", "queue") == []
    assert metrics.value("respq_clients") == 1


def test_build_and_process_are_shown(server: Beside) -> None:
    metrics = server.metrics()

    [build] = metrics.families["respq_build"].samples
    assert build.labels["version"] == __version__
    assert build.labels["python"] == platform.python_version()
    assert build.labels["hiredis"][0].isdigit()
    assert build.labels["uvloop"] == "none"  # The loop of this test is asyncio's own.
    assert (metrics.value("process_open_fds") or 0) > 0
    assert (metrics.value("process_resident_memory_bytes") or 0) > 1_000_000


def test_scrapes_at_the_same_time_all_succeed(server: Beside) -> None:
    server.say("QPUSH mail a")

    async def together() -> list[int]:
        answers = await asyncio.gather(
            *(server.fetch("/metrics", "GET", OPENMETRICS) for _ in range(5))
        )
        return [answer.status for answer in answers]

    assert server.run(together()) == [200] * 5


def test_documentation_names_every_metric_and_no_other() -> None:
    documented = set(re.findall(r"`(respq_\w+)", DOCUMENTATION.read_text(encoding="utf-8")))
    server = Beside(MemoryJournal())
    server.say("QPUSH mail a")
    server.settle()

    metrics = server.metrics()
    server.close()

    suffixes = {"counter": "_total", "info": "_info"}
    shown = {name + suffixes.get(each.type, "") for name, each in metrics.families.items()}
    assert {name for name in shown if not name.startswith("process_")} == documented
