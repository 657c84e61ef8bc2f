"""Transcripts: what clients say to a server and what they hear, in virtual time.

    A> QPUSH mail hello                     client A says this; its reply follows
    (waits)                                 instead of a reply: there is none yet
    A<                                      the reply follows that A has been waiting for
    (closed)                                the server closes the connection
    ~ 5000 ms pass                          whatever is due happens at its own millisecond;
                                            also s, min and h
    ~ until 2024-03-31 00:59:59 UTC         the same, to an instant
    ~ crash                                 memory is lost, the journal stays; clients connect anew
    ~ crash, 60000 ms down                  the same, with a pause before the start
    ~ restart                               as a crash, for what everybody hears of it
    ~ B disconnects
    ~ B's next reply is lost                its transport closes before the reply is handed over
    ~ 8 lines of the next reply             the rest of a long one is left out
    ~ respq serve --password sesame         how this server was started; the first line, if at all
    -- a comment

A transcript begins with an empty server at `START_MS`, and a client connects when it is
first named. Clients speak RESP3, so that a map is shown as one (``redis-cli -3`` does the
same); in RESP2 it is a flat list of the same names and values, which the tests compare.
When one step gives replies to several clients, they are written in the order of their
letters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import hiredis

from respq.broker.call import Wait
from respq.broker.session import Pop
from respq.config import Settings
from respq.engine.state import AWAY
from respq.resp.encoder import encode
from respq.resp.inline import split_inline
from respq.resp.replies import Replies, Reply
from tests.harness import Client, Harness
from tests.rediscli import shown

_SAID = re.compile(r"([A-Z])> (.+)")
_MISSAID = re.compile(r"\w*> ?")
_TIME = re.compile(r"~ (\d+) (ms|s|min|h) pass")
_UNTIL = re.compile(r"~ until (\d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d(?:\.\d{3})?)?) UTC")
_CRASH = re.compile(r"~ (?:crash|restart)(?:, (\d+) ms down)?")
_GONE = re.compile(r"~ ([A-Z]) disconnects")
_LOST = re.compile(r"~ ([A-Z])'s next reply is lost")
_LONG = re.compile(r"~ (\d+) lines of the next reply")
_SERVE = re.compile(r"~ respq serve((?: --[a-z-]+(?: [^\s-]\S*)?)+)")
_FLAG = re.compile(r"--([a-z-]+)(?: ([^\s-]\S*))?")
_UNITS_MS = {"ms": 1, "s": 1_000, "min": 60_000, "h": 3_600_000}


class NotATranscript(Exception):
    """A line that means nothing, or nothing where it stands."""


def requests(transcript: str) -> Iterator[list[bytes]]:
    """Yield the words of every command that a transcript says."""
    for line in transcript.splitlines():
        if said := _SAID.fullmatch(line):
            yield _words(said[2])


class Replay:
    """A transcript, played again: what stands in `text` is what the server says now."""

    def __init__(self, transcript: str, protocol: int = 3, *, lets_go: bool = False) -> None:
        """Play a transcript; with ``lets_go`` no payload stays in memory behind a line."""
        self.protocol = protocol
        self._lets_go = lets_go
        self.replies: list[tuple[str, Any]] = []
        """Each client's replies, decoded as a client library does, maps flattened."""
        self._lines: list[str] = []
        self._clients: dict[str, Client] = {}
        self._harness = Harness(lets_go=lets_go)
        self._spare: Client | None = self._harness.default
        self._lossy = ""
        self._lines_max = 0
        for line in transcript.splitlines():
            self._step(line)

    @property
    def text(self) -> str:
        """The transcript with the replies that were really given."""
        return "\n".join(self._lines) + "\n"

    def _step(self, line: str) -> None:
        if said := _SAID.fullmatch(line):
            self._lines.append(line)
            self._say(said[1], _words(said[2]))
        elif line.startswith("-- "):
            self._lines.append(line)
        elif line.startswith("~"):
            self._lines.append(line)
            self._happen(line)
        elif _MISSAID.match(line):
            raise NotATranscript(f"{line}: a client is one capital letter")
        # Every other line is a reply, and is written anew.

    def _happen(self, line: str) -> None:
        harness = self._harness
        if match := _TIME.fullmatch(line):
            self._pass_until(harness.now_ms + int(match[1]) * _UNITS_MS[match[2]])
        elif match := _UNTIL.fullmatch(line):
            instant_ms = round(datetime.fromisoformat(f"{match[1]}+00:00").timestamp() * 1000)
            if instant_ms < harness.now_ms:
                raise NotATranscript(f"{line}: it is {harness.now_ms} already")
            self._pass_until(instant_ms)
        elif match := _CRASH.fullmatch(line):
            self._clients.clear()
            harness.crash(int(match[1] or 0))
            self._spare = harness.default
            self._pass_until(harness.now_ms)
        elif match := _GONE.fullmatch(line):
            if match[1] not in self._clients:
                raise NotATranscript(f"{line}: it is not connected")
            harness.broker.close_session(self._clients.pop(match[1]).session)
            harness.settle()
        elif match := _LOST.fullmatch(line):
            self._lossy = match[1]
        elif match := _LONG.fullmatch(line):
            self._lines_max = int(match[1])
        elif match := _SERVE.fullmatch(line):
            if self._lines != [line]:
                raise NotATranscript(f"{line}: it can only be the first line")
            flags = _FLAG.findall(match[1])
            chosen = {name.replace("-", "_"): value or "yes" for name, value in flags}
            self._harness = Harness(Settings.resolve(chosen), lets_go=self._lets_go)
            self._spare = self._harness.default
        else:
            raise NotATranscript(line)

    def _client(self, letter: str) -> Client:
        client = self._clients.get(letter)
        if client is None:
            # The harness comes with one client, which is whoever speaks first.
            client = self._spare or self._harness.client()
            self._spare = None
            client.session.protocol = self.protocol
            self._clients[letter] = client
        return client

    def _say(self, letter: str, request: list[bytes]) -> None:
        harness = self._harness
        self._pass_until(harness.now_ms)
        client = self._client(letter)
        if client.session.waiter is not None:
            raise NotATranscript(f"client {letter} waits, it cannot say {request}")
        reply = harness.broker.execute(client.session, request, harness.now_ms)
        assert not harness.errors, harness.errors
        pops = client.session.take_pops()
        if isinstance(reply, Wait) and reply.db == AWAY:
            reply, pops = self._read(client, reply)
        if isinstance(reply, Wait):
            self._lines.append("(waits)")
        elif letter == self._lossy:
            self._lose(pops)
        elif harness.broker.stop_wanted and not harness.broker.draining:
            # What the server does when it was told to stop: the caller hears nothing more.
            client.session.closing = True
            harness.broker.drain()
        else:
            self._hear(letter, reply)
        harness.settle()
        if client.session.closing:
            self._close(letter)
        self._deliver()

    def _read(self, client: Client, wait: Wait) -> tuple[Reply | Wait, list[Pop]]:
        """Return what a client hears when the payloads have been read that it needs."""
        self._harness.settle()
        if client.session.waiter is not None:
            return wait, []
        return client.inbox.pop(), client.pops

    def _lose(self, pops: list[Pop]) -> None:
        """Do what the runtime does with a reply whose transport has closed."""
        self._lossy = ""
        self._lines.append("(lost)")
        harness = self._harness
        for job, fence in reversed(pops):
            harness.engine.undo(harness.now_ms, job, fence)
        harness.broker.serve(harness.now_ms)

    def _pass_until(self, instant_ms: int) -> None:
        """Let time pass in steps: the server wakes at each instant at which something is due."""
        harness = self._harness
        while (due_ms := harness.broker.next_deadline_ms()) <= instant_ms:
            harness.pass_ms(max(0, due_ms - harness.now_ms))
            self._deliver()
        harness.pass_ms(instant_ms - harness.now_ms)

    def _deliver(self) -> None:
        """Write down what reaches clients that did not speak."""
        broker = self._harness.broker
        for letter, client in sorted(self._clients.items()):
            for reply in client.inbox:
                self._lines.append(f"{letter}<")
                self._hear(letter, reply)
            client.inbox.clear()
            if client.session in broker.closing:
                broker.closing.remove(client.session)
                self._lines.append(f"{letter}<")
                self._close(letter)

    def _close(self, letter: str) -> None:
        self._lines.append("(closed)")
        self._harness.broker.close_session(self._clients.pop(letter).session)

    def _hear(self, letter: str, reply: Reply) -> None:
        if isinstance(reply, Replies):
            for each in reply:
                self._hear(letter, each)
            return
        data = encode(reply, self._clients[letter].session.protocol)
        reader = hiredis.Reader()
        reader.feed(data)
        self.replies.append((letter, _flat(reader.gets())))
        # Trailing blanks, which some of Redis' messages have, would not survive an editor.
        lines = [line.rstrip() for line in shown(data).splitlines()] or [""]
        if self._lines_max:
            lines[self._lines_max :] = ["..."]
            self._lines_max = 0
        self._lines += lines


def _words(command: str) -> list[bytes]:
    words = split_inline(command.encode())
    if not words:
        raise NotATranscript(f"redis-cli cannot read: {command}")
    return words


def _flat(reply: Any) -> Any:
    """Return what a reply says, whether it came as RESP2 or as RESP3."""
    match reply:
        case dict():
            return [_flat(each) for pair in reply.items() for each in pair]
        case list():
            return [_flat(each) for each in reply]
        case float():  # In RESP2 a double is its digits.
            return repr(reply).removesuffix(".0").encode()
        case Exception():
            return str(reply)
    return reply
