"""Redis' commands about channels: to listen, to say something, to ask who listens."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Annotated

from respq.broker.call import Call
from respq.broker.command import Arg, Flags
from respq.broker.glob import check_pattern, glob
from respq.broker.session import Session
from respq.broker.table import CommandTable
from respq.config import CHANNEL_BYTES_MAX, CHANNELS_MAX, PATTERNS_MAX
from respq.errors import TooBig
from respq.handlers.arguments import Bulk
from respq.resp.replies import Push, Replies, Reply

TABLE = CommandTable()
_ANY_TIME = Flags.PUBSUB | Flags.LOADING | Flags.DRAIN
# Of several replies none could stand for the command in what EXEC answers.
_CHANGES = _ANY_TIME | Flags.SUBSCRIBED | Flags.REFUSED_IN_MULTI | Flags.NOSCRIPT
_LOOKS = _ANY_TIME | Flags.STATELESS
_NOTHING = (None,)
"""As in Redis, to end all subscriptions has an answer where there are none."""


def _read_channel(raw: bytes) -> bytes:
    if len(raw) > CHANNEL_BYTES_MAX:
        raise TooBig(f"a channel's name is up to {CHANNEL_BYTES_MAX} bytes long, not {len(raw)}")
    return raw


_CHANNEL = Arg(_read_channel, values=("channel",))
# To compile a pattern takes long: what is only checked may be refused yet, or never be used.
_PATTERN = Arg(check_pattern, kind="pattern", values=("pattern",))
Channel = Annotated[bytes, _CHANNEL]
Channels = Annotated[bytes, replace(_CHANNEL, repeats_max=CHANNELS_MAX)]
MaybeChannels = Annotated[bytes, replace(_CHANNEL, repeats_max=CHANNELS_MAX, optional=True)]
Patterns = Annotated[bytes, replace(_PATTERN, repeats_max=PATTERNS_MAX)]
MaybePatterns = Annotated[bytes, replace(_PATTERN, repeats_max=PATTERNS_MAX, optional=True)]
OnePattern = Annotated[bytes | None, _PATTERN]


@TABLE.command("SUBSCRIBE", group="pubsub", since="0.1.0", flags=_CHANGES)
def subscribe(call: Call, *channel: Channels) -> Reply:
    """Listen to channels from now on."""
    pubsub = call.broker.pubsub
    pubsub.check(call.session, channels=channel)
    return _each(call, b"subscribe", channel, pubsub.subscribe)


@TABLE.command("UNSUBSCRIBE", group="pubsub", since="0.1.0", flags=_CHANGES)
def unsubscribe(call: Call, *channel: MaybeChannels) -> Reply:
    """Listen no more to channels, or to any."""
    names: Iterable[bytes | None] = channel or [*call.session.channels] or _NOTHING
    return _each(call, b"unsubscribe", names, call.broker.pubsub.unsubscribe)


@TABLE.command("PSUBSCRIBE", group="pubsub", since="0.1.0", flags=_CHANGES)
def psubscribe(call: Call, *pattern: Patterns) -> Reply:
    """Listen to all channels whose names match patterns from now on."""
    pubsub = call.broker.pubsub
    pubsub.check(call.session, patterns=pattern)
    return _each(call, b"psubscribe", pattern, pubsub.subscribe_pattern)


@TABLE.command("PUNSUBSCRIBE", group="pubsub", since="0.1.0", flags=_CHANGES)
def punsubscribe(call: Call, *pattern: MaybePatterns) -> Reply:
    """Listen no more to patterns, or to any."""
    names: Iterable[bytes | None] = pattern or [*call.session.patterns] or _NOTHING
    return _each(call, b"punsubscribe", names, call.broker.pubsub.unsubscribe_pattern)


@TABLE.command("PUBLISH", group="pubsub", since="0.1.0", flags=_ANY_TIME | Flags.FAST)
def publish(call: Call, channel: Channel, message: Bulk) -> Reply:
    """Say something on a channel; return how many hear it."""
    return call.broker.publish(channel, message)


@TABLE.command("PUBSUB CHANNELS", group="pubsub", since="0.1.0", flags=_LOOKS)
def pubsub_channels(call: Call, pattern: OnePattern = None) -> Reply:
    """List the channels that somebody listens to by name."""
    channels = call.broker.pubsub.channels
    return [*channels] if pattern is None else [*filter(glob(pattern), channels)]


@TABLE.command("PUBSUB NUMSUB", group="pubsub", since="0.1.0", flags=_LOOKS)
def pubsub_numsub(call: Call, *channel: MaybeChannels) -> Reply:
    """Count those who listen to channels by name."""
    channels = call.broker.pubsub.channels
    return [part for each in channel for part in (each, len(channels.get(each, ())))]


@TABLE.command("PUBSUB NUMPAT", group="pubsub", since="0.1.0", flags=_LOOKS)
def pubsub_numpat(call: Call) -> Reply:
    """Count the patterns that somebody listens to."""
    return len(call.broker.pubsub.patterns)


def _each(
    call: Call,
    word: bytes,
    names: Iterable[bytes | None],
    change: Callable[[Session, bytes], None],
) -> Replies:
    """Change a subscription to each of the names, and tell for each how many there are then."""
    session = call.session
    replies = call.broker.take_messages(session)
    for name in names:
        if name is not None:
            change(session, name)
        count = len(session.channels) + len(session.patterns)
        replies.append(Push((word, name, count)))
    return replies
