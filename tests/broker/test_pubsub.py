"""Who hears what: in which order, how often, and what is remembered of it."""

from __future__ import annotations

import pytest

from respq.broker import pubsub
from respq.broker.pubsub import channel_of
from respq.broker.session import Session
from respq.resp.replies import Push
from tests.harness import Harness


@pytest.fixture
def sessions(harness: Harness) -> list[Session]:
    return [harness.client().session for _ in range(3)]


def heard(harness: Harness, *channels: bytes) -> dict[int, list[tuple[object, ...]]]:
    """Return what each session hears when something is said on channels, by its place."""
    rows = harness.broker.pubsub.heard((channel, b"x") for channel in channels)
    places = {session: place for place, session in enumerate(harness.broker.sessions.values())}
    told: dict[int, list[tuple[object, ...]]] = {}
    for session, row in rows.items():
        assert all(isinstance(each, Push) for each in row)
        told[places[session]] = [tuple(each.items) for each in row if isinstance(each, Push)]
    return told


def test_names_are_heard_before_patterns_and_each_in_its_order(
    harness: Harness, sessions: list[Session]
) -> None:
    first, second, _ = sessions
    channels = harness.broker.pubsub
    channels.subscribe_pattern(first, b"b*")
    channels.subscribe(first, b"b")
    channels.subscribe(first, b"a")
    channels.subscribe(second, b"b")

    assert heard(harness, b"b", b"c", b"a") == {
        1: [(b"message", b"b", b"x"), (b"pmessage", b"b*", b"b", b"x"), (b"message", b"a", b"x")],
        2: [(b"message", b"b", b"x")],
    }


def test_all_who_listen_in_the_same_way_are_told_the_same_message(
    harness: Harness, sessions: list[Session]
) -> None:
    for session in sessions:
        harness.broker.pubsub.subscribe_pattern(session, b"a*")

    rows = harness.broker.pubsub.heard([(b"a", b"x"), (b"ab", b"y")])

    assert rows.keys() == {*sessions}
    # It is encoded once for all of them.
    assert len({id(each) for row in rows.values() for each in row}) == 2


def test_who_subscribes_twice_hears_once(harness: Harness, sessions: list[Session]) -> None:
    for _ in range(2):
        harness.broker.pubsub.subscribe(sessions[0], b"a")
        harness.broker.pubsub.subscribe_pattern(sessions[0], b"b")

    assert [len(row) for row in heard(harness, b"a", b"b").values()] == [2]
    harness.broker.pubsub.unsubscribe(sessions[0], b"a")
    harness.broker.pubsub.unsubscribe_pattern(sessions[0], b"b")
    assert heard(harness, b"a", b"b") == {}


def test_a_change_is_heard_on_channels_that_were_used_before(
    harness: Harness, sessions: list[Session]
) -> None:
    channels = harness.broker.pubsub
    assert heard(harness, b"a") == {}

    channels.subscribe(sessions[0], b"a")
    assert list(heard(harness, b"a")) == [1]
    channels.subscribe_pattern(sessions[1], b"?")
    assert list(heard(harness, b"a")) == [1, 2]
    channels.forget(sessions[0])
    assert list(heard(harness, b"a")) == [2]
    channels.forget(sessions[1])
    assert heard(harness, b"a") == {}


def test_the_end_of_one_subscription_leaves_those_of_others(
    harness: Harness, sessions: list[Session]
) -> None:
    channels = harness.broker.pubsub
    for session in sessions:
        channels.subscribe(session, b"q:mail:dead")
        channels.subscribe_pattern(session, b"q:*")

    channels.forget(sessions[0])

    assert list(heard(harness, b"q:mail:dead")) == [2, 3]
    assert harness.engine.listening


def test_what_is_remembered_of_channels_has_a_limit(
    harness: Harness, sessions: list[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pubsub, "ROUTES_MAX", 10)
    harness.broker.pubsub.subscribe_pattern(sessions[0], b"*")

    for number in range(25):
        assert len(heard(harness, b"%d" % number)[1]) == 1

    assert len(harness.broker.pubsub._routes) <= 10


def test_nothing_is_left_of_a_session_that_is_gone(
    harness: Harness, sessions: list[Session]
) -> None:
    channels = harness.broker.pubsub
    channels.subscribe(sessions[0], b"a")
    channels.subscribe_pattern(sessions[0], b"q*")
    heard(harness, b"a", b"q")

    harness.broker.close_session(sessions[0])

    assert (channels.channels, channels.patterns, channels._matches) == ({}, {}, {})
    assert channels._routes == {}
    assert not harness.engine.listening


def test_the_channel_of_an_event_names_the_database_unless_it_is_the_first() -> None:
    assert channel_of((0, b"a:b", b"dead", b"7")) == (b"q:a:b:dead", b"7")
    assert channel_of((12, b"a:b", b"dead", b"7")) == (b"q@12:a:b:dead", b"7")
