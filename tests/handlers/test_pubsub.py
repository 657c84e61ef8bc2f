"""Channels: what Redis answers and tells, and what is ours about them."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from respq.broker.glob import glob
from respq.config import (
    CHANNEL_BYTES_MAX,
    CHANNELS_MAX,
    PATTERN_BYTES_MAX,
    PATTERNS_MAX,
    Settings,
)
from respq.engine.jobs.job import Job
from respq.errors import RespqError, TooBig
from respq.handlers import command_table
from respq.resp.encoder import encode
from respq.resp.replies import OK, Push, Simple
from tests.handlers.real_redis import RealRedis, RedisConnection, Tree, tree_from
from tests.harness import Client, Harness

MARK = "PING mark"
MARKS = (("$", b"mark"), ("*", [("$", b"pong"), ("$", b"mark")]))


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRedis]:
    redis = RealRedis(Path(tmp_path_factory.mktemp("redis")))
    yield redis
    redis.close()


def theirs(connection: RedisConnection) -> list[Tree]:
    """Return what a connection has been sent so far."""
    found = [connection.say(MARK)]
    while found[-1] not in MARKS:
        found.append(connection.read())
    return found[:-1]


def ours(client: Client, line: str | None) -> list[Tree]:
    """Run a command, if any; return what a client is sent by it, or has been sent."""
    protocol = client.session.protocol
    sent = b"" if line is None else encode(client.say(line), protocol)
    sent += b"".join(encode(each, client.session.protocol) for each in client.inbox)
    client.inbox.clear()
    stream = io.BytesIO(sent)
    found = []
    while stream.tell() < len(sent):
        found.append(tree_from(stream))
    return found


STORIES = {
    "channels": "A> SUBSCRIBE a b a|B> PUBLISH a x|B> PUBLISH c x|A> SUBSCRIBE c|B> PUBLISH c y|"
    "A> UNSUBSCRIBE b a never|B> PUBLISH a x|A> UNSUBSCRIBE|A> UNSUBSCRIBE|B> PUBLISH c x",
    "patterns": "A> SUBSCRIBE n.a|A> PSUBSCRIBE n.[ab]* m.*|B> PUBLISH n.a x|B> PUBLISH n.c y|"
    "A> PUNSUBSCRIBE n.[ab]* x|B> PUBLISH n.a z|A> UNSUBSCRIBE|A> PUNSUBSCRIBE|A> PUNSUBSCRIBE",
    "several clients": "A> SUBSCRIBE a|B> SUBSCRIBE a|C> PSUBSCRIBE a*|D> PUBLISH a x|"
    "A> UNSUBSCRIBE a|D> PUBLISH a y|D> PUBSUB NUMSUB a b|D> PUBSUB NUMPAT|D> PUBSUB CHANNELS",
    "asking": "A> SUBSCRIBE a1|B> SUBSCRIBE a1 b1|C> PSUBSCRIBE a* b*|D> PSUBSCRIBE a*|"
    "E> PUBSUB NUMSUB|E> PUBSUB NUMSUB a1 b1 c1|E> PUBSUB NUMPAT|E> PUBSUB CHANNELS b*|"
    "E> PUBSUB CHANNELS c*|E> PUBSUB NOTHING x|E> PUBSUB|E> SUBSCRIBE|"
    "E> PSUBSCRIBE|E> PUBLISH a",
    "what may be said": "A> SUBSCRIBE a|A> PING|A> PING x|A> ECHO x|"
    "A> GET|A> NOTHING|A> PSUBSCRIBE p*|A> UNSUBSCRIBE|A> ECHO x|A> PUNSUBSCRIBE|"
    "A> ECHO x|A> PING",
    "reset": "A> SUBSCRIBE a|A> PSUBSCRIBE b*|A> RESET|B> PUBLISH a x|B> PUBLISH b x|A> PING|"
    "B> PUBSUB NUMPAT|A> UNSUBSCRIBE",
    "published in a transaction": "A> SUBSCRIBE a|B> MULTI|B> PUBLISH a x|B> PUBLISH a y|B> EXEC",
}
WORDED_OTHERWISE = ("GET", "NOTHING", "PUBSUB NOTHING x")
"""There is no GET here, and the errors of what is unknown are tested elsewhere."""


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("story", STORIES.values(), ids=list(STORIES))
def test_everything_that_is_sent_is_what_redis_sends(
    redis: RealRedis, story: str, protocol: int
) -> None:
    harness = Harness()
    letters = sorted({line[0] for line in story.split("|") if line[1] == ">"})
    with contextlib.ExitStack() as stack:
        real = {letter: stack.enter_context(closing(redis.connect())) for letter in letters}
        mine = {letter: harness.client() for letter in letters}
        for letter in letters:
            assert real[letter].say(f"HELLO {protocol}")
            mine[letter].say(f"HELLO {protocol}")

        listeners = [each for each in letters if re.search(f"{each}> P?SUBSCRIBE", story)]
        for line in story.split("|"):
            speaker, _, command = line.partition("> ")
            expected: dict[str, list[Tree]] = {letter: [] for letter in letters}
            expected[speaker].append(real[speaker].say(command))
            sent: dict[str, list[Tree]] = {letter: [] for letter in letters}
            sent[speaker] += ours(mine[speaker], command)
            for letter in listeners:
                expected[letter] += theirs(real[letter])
                sent[letter] += ours(mine[letter], None)
            if command not in WORDED_OTHERWISE:
                assert sent == expected, line


def test_in_resp3_a_listener_may_ask_anything(harness: Harness) -> None:
    client = harness.client()
    client.say("HELLO 3")
    client.say("SUBSCRIBE q:mail:pushed")

    job_id = client.say("QPUSH mail x")

    assert client.messages() == [(b"message", b"q:mail:pushed", job_id)]
    assert client.say("PING") == Simple(b"PONG")


def test_a_listener_that_goes_back_to_resp2_only_listens(harness: Harness) -> None:
    client = harness.client()
    client.say("HELLO 3")
    client.say("SUBSCRIBE a")

    client.say("HELLO 2")

    assert client.session.guarded
    assert isinstance(client.say("QLEN mail"), RespqError)
    assert client.say("PING") == [b"pong", b""]


def test_a_session_is_guarded_while_it_only_listens(harness: Harness) -> None:
    client = harness.client()
    assert not client.session.guarded

    client.say("SUBSCRIBE a")
    assert client.session.guarded
    client.say("UNSUBSCRIBE a")
    assert not client.session.guarded


@pytest.mark.parametrize("line", ["SUBSCRIBE a", "UNSUBSCRIBE", "PSUBSCRIBE a*", "PUNSUBSCRIBE"])
def test_subscriptions_have_no_place_in_a_transaction(harness: Harness, line: str) -> None:
    harness.say("MULTI")

    reply = harness.say(line)

    assert str(reply) == "Command not allowed inside a transaction"
    assert not harness.default.session.is_subscribed


def test_what_happened_before_a_subscription_is_not_heard_in_the_same_pipeline(
    harness: Harness,
) -> None:
    client = harness.client()
    client.say("HELLO 3")
    client.say("SUBSCRIBE q:other:pushed")

    (before, told, after) = client.pipeline(
        "QPUSH mail x ID a", "SUBSCRIBE q:mail:pushed", "QPUSH mail x ID b"
    )

    assert (before, after) == (b"a", b"b")
    assert told == [b"subscribe", b"q:mail:pushed", 2]
    assert client.messages() == [(b"message", b"q:mail:pushed", b"b")]


def test_what_happened_before_the_end_of_a_subscription_is_heard_before_its_reply(
    harness: Harness,
) -> None:
    client, other = harness.client(), harness.client()
    for each in (client, other):
        each.say("HELLO 3")
        each.say("SUBSCRIBE q:mail:pushed")

    harness.broker.execute(client.session, [b"QPUSH", b"mail", b"x", b"ID", b"a"], harness.now_ms)
    reply = client.say("UNSUBSCRIBE")

    assert reply == [
        Push((b"message", b"q:mail:pushed", b"a")),
        Push((b"unsubscribe", b"q:mail:pushed", 0)),
    ]
    assert client.messages() == []
    assert other.messages() == [(b"message", b"q:mail:pushed", b"a")]


@pytest.mark.parametrize("line", ["RESET", "QUIT"])
def test_nothing_is_heard_after_the_end_of_all_subscriptions(harness: Harness, line: str) -> None:
    client = harness.client()
    client.say("HELLO 3")
    client.say("PSUBSCRIBE q:*")

    harness.broker.execute(client.session, [b"QPUSH", b"mail", b"x"], harness.now_ms)
    client.say(line)

    assert client.messages() == []
    assert not harness.engine.listening
    assert harness.broker.pubsub.patterns == {}


def test_what_is_published_stands_among_events_in_its_order(harness: Harness) -> None:
    client = harness.client()
    client.say("PSUBSCRIBE *")

    harness.default.pipeline("QPUSH mail x ID a", "PUBLISH news hello", "QPUSH mail x ID b")

    assert [message[2:] for message in client.messages()] == [
        (b"q:mail:pushed", b"a"),
        (b"news", b"hello"),
        (b"q:mail:pushed", b"b"),
    ]


def test_a_client_may_listen_to_so_many_channels_and_patterns(harness: Harness) -> None:
    client = harness.client()
    names = [b"%d" % number for number in range(CHANNELS_MAX)]
    assert len(client.ask(b"SUBSCRIBE", *names)) == CHANNELS_MAX
    patterns = [b"%d*" % number for number in range(PATTERNS_MAX)]
    assert len(client.ask(b"PSUBSCRIBE", *patterns)) == PATTERNS_MAX

    reply = client.say("SUBSCRIBE 7 one-more")
    assert isinstance(reply, TooBig)
    assert str(reply) == (
        "a connection listens to 10000 channels at most, these would make it 10001"
    )
    reply = client.say("PSUBSCRIBE one-more*")
    assert isinstance(reply, TooBig)
    assert "1000 patterns" in str(reply)

    assert len(client.session.channels) == CHANNELS_MAX
    assert len(client.session.patterns) == PATTERNS_MAX
    assert len(client.say("SUBSCRIBE 7 8")) == 2
    assert harness.say("PUBSUB NUMSUB one-more") == [b"one-more", 0]


@pytest.mark.parametrize(
    ("command", "what", "most"),
    [
        ("SUBSCRIBE", "channels", CHANNELS_MAX),
        ("UNSUBSCRIBE", "channels", CHANNELS_MAX),
        ("PUBSUB NUMSUB", "channels", CHANNELS_MAX),
        ("PSUBSCRIBE", "patterns", PATTERNS_MAX),
        ("PUNSUBSCRIBE", "patterns", PATTERNS_MAX),
    ],
)
def test_too_many_names_at_once_are_refused_before_one_is_read(
    harness: Harness, command: str, what: str, most: int
) -> None:
    client = harness.client()
    compiled = glob.cache_info().misses
    words = command.encode().split()

    reply = client.ask(*words, *(b"of-%d-too-many*" % number for number in range(most + 1)))

    assert isinstance(reply, RespqError)
    assert str(reply) == f"{most + 1} {what} at once are over the limit of {most}"
    assert glob.cache_info().misses == compiled
    assert not client.session.is_subscribed


def test_a_pattern_is_compiled_once_and_by_nobody_who_only_ends_it(harness: Harness) -> None:
    first, second = harness.client(), harness.client()
    patterns = [b"once-%d*" % number for number in range(PATTERNS_MAX)]
    before = glob.cache_info().misses

    first.ask(b"PSUBSCRIBE", *patterns)
    second.ask(b"PSUBSCRIBE", *patterns)
    second.ask(b"PUNSUBSCRIBE", *patterns)
    second.ask(b"PUNSUBSCRIBE", *(b"never-%d*" % number for number in range(PATTERNS_MAX)))

    assert glob.cache_info().misses == before + PATTERNS_MAX
    assert harness.say("PUBLISH once-7x hello") == 1


@pytest.mark.parametrize("command", ["SUBSCRIBE", "UNSUBSCRIBE", "PUBLISH", "PUBSUB NUMSUB"])
def test_the_name_of_a_channel_has_a_limit(harness: Harness, command: str) -> None:
    client = harness.client()
    name = b"c" * CHANNEL_BYTES_MAX
    more = [b"x"] if command == "PUBLISH" else []
    words = command.encode().split()

    assert not isinstance(client.ask(*words, name, *more), RespqError)
    client.say("RESET")
    reply = client.ask(*words, b"ok" if not more else name + b"c", *(more or [name + b"c"]))

    assert isinstance(reply, TooBig)
    assert str(reply) == "a channel's name is up to 4096 bytes long, not 4097"
    assert not client.session.is_subscribed


def test_a_pattern_has_a_limit(harness: Harness) -> None:
    reply = harness.default.ask(b"PSUBSCRIBE", b"a*", b"p" * (PATTERN_BYTES_MAX + 1))

    assert isinstance(reply, TooBig)
    assert not harness.default.session.is_subscribed


def test_the_client_list_and_info_show_who_listens(harness: Harness) -> None:
    client = harness.client()
    client.say("SUBSCRIBE a b")
    client.say("PSUBSCRIBE c*")

    listed = harness.say("CLIENT LIST TYPE pubsub").text
    others = harness.say("CLIENT LIST TYPE normal").text
    info = harness.say("INFO stats").text

    assert listed.count(b"\n") == 1
    assert b" flags=P " in listed
    assert b" sub=2 psub=1 ssub=0 " in listed
    assert b"flags=P" not in others
    assert b"pubsub_channels:2\r\npubsub_patterns:1\r\n" in info
    assert harness.say("CLIENT KILL TYPE pubsub") == 1
    assert client.session.killed
    assert b"pubsub_channels:0\r\npubsub_patterns:0\r\n" in harness.say("INFO stats").text


def test_channels_are_there_while_the_journal_is_read_and_while_the_server_drains(
    harness: Harness,
) -> None:
    client = harness.client()
    harness.broker.loading = True
    assert client.say("SUBSCRIBE a") == [Push((b"subscribe", b"a", 1))]
    harness.broker.loading = False
    harness.broker.draining = True

    assert harness.say("PUBLISH a x") == 1
    assert client.messages() == [(b"message", b"a", b"x")]
    assert client.say("UNSUBSCRIBE") == [Push((b"unsubscribe", b"a", 0))]


def test_nobody_listens_without_the_password() -> None:
    client = Harness(Settings(password="sesame")).default

    assert str(client.say("SUBSCRIBE a")) == "Authentication required."
    assert client.say("AUTH sesame") == OK
    client.say("SUBSCRIBE a")
    client.say("RESET")
    assert str(client.say("SUBSCRIBE a")) == "Authentication required."


def test_a_waiting_client_hears_messages_and_keeps_its_wait(harness: Harness) -> None:
    client = harness.client()
    client.say("HELLO 3")
    client.say("SUBSCRIBE q:mail:pushed q:mail:leased")
    client.say("QPOP mail BLOCK 0")

    harness.say("PUBLISH q:mail:pushed z")
    assert client.messages() == [(b"message", b"q:mail:pushed", b"z")]
    assert client.session.waiter is not None

    harness.say("QPUSH mail x ID a")
    assert [message[1] for message in client.messages()] == [b"q:mail:pushed", b"q:mail:leased"]
    assert [reply[0] for reply in client.inbox] == [b"a"]
    assert [job.id for job, _ in client.pops if isinstance(job, Job)] == [b"a"]


def test_no_command_of_shards_is_there(harness: Harness) -> None:
    names = {command.name for command in command_table() if command.group == "pubsub"}

    assert not any("SHARD" in name or name.startswith("SSUB") for name in names)
