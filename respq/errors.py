"""Every error that a client can see, in one tree.

    RespqError                 ERR        base; also internal errors
    ├─ SyntaxFault             ERR        syntax, arity, unknown words, bad integers
    ├─ NoQueue                 NOQUEUE    no queue of that name
    ├─ NoJob                   NOJOB      no job of that id
    ├─ BadReceipt              BADRECEIPT a receipt whose delivery is over
    ├─ WrongState              STATE      the object is not in a state that allows it
    ├─ Cancelled               CANCELLED  the job is not wanted any more
    ├─ Paused                  PAUSED     the queue takes no jobs, or the worker gets none, now
    ├─ MaxLen                  MAXLEN     the queue is full
    ├─ Duplicate               DUPLICATE  its key, or its payload, is held; the holder's id follows
    ├─ RateLimited             RATELIMIT  too many in a time; how long to wait follows
    ├─ TooBig                  TOOBIG     a payload or a transaction over its limit
    ├─ UnreadablePayload       ERR        the journal is damaged where a payload is
    ├─ MemoryShort             OOM        memory is short, and the command would take more
    ├─ DiskShort               MISCONF    the disk is nearly full, and the command would take more
    ├─ Exists                  EXISTS     the name is taken
    ├─ Immutable               IMMUTABLE  a setting that cannot change any more
    ├─ Cycle                   CYCLE      a job that would wait for itself
    ├─ BadPriority             BADPRIORITY
    ├─ BadCron                 BADCRON    a schedule expression or a zone that cannot be used
    ├─ NoSchedule              NOSCHED
    ├─ ShuttingDown            SHUTDOWN   the server is draining, or the worker is to stop
    ├─ Loading                 LOADING    the journal is being replayed
    ├─ NoAuth                  NOAUTH
    ├─ WrongPass               WRONGPASS
    ├─ NoProto                 NOPROTO    a protocol version other than 2 and 3
    ├─ ExecAbort               EXECABORT  a transaction with a refused command in it
    ├─ WrongType               WRONGTYPE
    ├─ Unblocked               UNBLOCKED  CLIENT UNBLOCK … ERROR
    ├─ NoScript                NOSCRIPT   EVALSHA of a script that the server does not have
    ├─ NotBusy                 NOTBUSY    SCRIPT KILL while no script runs
    ├─ ScriptError             any        what a script says; its first word is the prefix
    └─ ProtocolFault           ERR        bytes that are no request: the connection is closed

    StartRefused               not for clients: why the server cannot start
    ├─ BadSetting              a flag, a variable or a line of respq.toml that cannot be used
    ├─ DataDirectoryHeld       another process holds the data directory
    ├─ JournalBroken           the journal is damaged; carries the position
    └─ NewerJournal            a newer respq wrote the journal; carries the position
    JournalRefused             not for clients: why a journal cannot be copied, repaired or replayed
    CommitFailed               not for clients: the journal took no batch; the process must stop

A refusal leaves no trace: these are raised before the first record of a command is
emitted. Messages are lower case, name the value and say what to do; where Redis has a
text for the case, it is Redis' text.
"""

from __future__ import annotations


class RespqError(Exception):
    """An error reply; ``prefix`` is its first word on the wire."""

    prefix = "ERR"


class SyntaxFault(RespqError):
    """A request that the command does not know how to read."""


class UnreadablePayload(RespqError):
    """The journal is damaged where the payload of a job is."""


class NoQueue(RespqError):
    """There is no queue of that name."""

    prefix = "NOQUEUE"


class NoJob(RespqError):
    """There is no job of that id in the queue."""

    prefix = "NOJOB"


class BadReceipt(RespqError):
    """The delivery that a receipt proves is over."""

    prefix = "BADRECEIPT"


class WrongState(RespqError):
    """The object exists, but is not in a state that allows this."""

    prefix = "STATE"


class Cancelled(RespqError):
    """Somebody cancelled the job while it was in work."""

    prefix = "CANCELLED"


class Paused(RespqError):
    """The queue takes no jobs for a while, or the worker gets none: somebody wants it so."""

    prefix = "PAUSED"


class MaxLen(RespqError):
    """The queue holds as many jobs as it may."""

    prefix = "MAXLEN"


class Duplicate(RespqError):
    """What a push brings is there already; ``holder`` is the id of that job."""

    prefix = "DUPLICATE"

    def __init__(self, holder: bytes, reason: str) -> None:
        super().__init__(f"{holder.decode('ascii', 'backslashreplace')} {reason}")
        self.holder = holder


class RateLimited(RespqError):
    """More would come in a time than the queue takes; try again in ``retry_ms``."""

    prefix = "RATELIMIT"

    def __init__(self, retry_ms: int, reason: str) -> None:
        super().__init__(f"{retry_ms} {reason}")
        self.retry_ms = retry_ms


class TooBig(RespqError):
    """A payload, a name or a transaction is over its limit."""

    prefix = "TOOBIG"


class MemoryShort(RespqError):
    """Memory is short, and the command would make the state grow."""

    prefix = "OOM"


class DiskShort(RespqError):
    """The disk of the journal is nearly full, and the command would make the state grow."""

    prefix = "MISCONF"


class Exists(RespqError):
    """The name is taken."""

    prefix = "EXISTS"


class Immutable(RespqError):
    """The setting was fixed when the queue was made."""

    prefix = "IMMUTABLE"


class Cycle(RespqError):
    """A job would wait for itself."""

    prefix = "CYCLE"


class BadPriority(RespqError):
    """A priority that is out of range or of the wrong kind for its queue."""

    prefix = "BADPRIORITY"


class BadCron(RespqError):
    """A cron expression that never fires or cannot be read, or an unknown time zone."""

    prefix = "BADCRON"


class NoSchedule(RespqError):
    """There is no schedule of that name in the queue."""

    prefix = "NOSCHED"


class ShuttingDown(RespqError):
    """The server drains and takes no new work, or the worker that asks for some is to stop."""

    prefix = "SHUTDOWN"


class Loading(RespqError):
    """The journal is still being replayed."""

    prefix = "LOADING"


class NoAuth(RespqError):
    """The connection has not given the password yet."""

    prefix = "NOAUTH"


class WrongPass(RespqError):
    """The password or the user name is wrong."""

    prefix = "WRONGPASS"


class NoProto(RespqError):
    """HELLO asked for a protocol other than 2 or 3."""

    prefix = "NOPROTO"


class ExecAbort(RespqError):
    """EXEC after a command of the transaction was refused."""

    prefix = "EXECABORT"


class WrongType(RespqError):
    """The key holds another kind of value."""

    prefix = "WRONGTYPE"


class Unblocked(RespqError):
    """Another client ended this wait by CLIENT UNBLOCK … ERROR."""

    prefix = "UNBLOCKED"


class NoScript(RespqError):
    """The server has no script of that SHA-1."""

    prefix = "NOSCRIPT"


class NotBusy(RespqError):
    """No script runs that could be killed."""

    prefix = "NOTBUSY"


class ScriptError(RespqError):
    """An error that a script raised or returned: ``line`` is what its caller reads."""

    def __init__(self, line: str) -> None:
        self.prefix, _, text = line.partition(" ")
        super().__init__(text)


class ProtocolFault(RespqError):
    """Bytes that are no request; after the reply the connection is closed."""


class StartRefused(Exception):
    """Why the server cannot start; the message says what to do."""


class BadSetting(StartRefused):
    """A setting that cannot be used as given."""


class DataDirectoryHeld(StartRefused):
    """Another process holds the data directory."""


class JournalBroken(StartRefused):
    """The journal is damaged at ``position``; starting would lose answered work silently."""

    def __init__(self, position: int, reason: str) -> None:
        super().__init__(
            f"the journal is broken at position {position}: {reason}; "
            "look with `respq journal verify`"
        )
        self.position = position
        self.reason = reason


class NewerJournal(StartRefused):
    """The batch at ``position`` is whole, and written in a way that this version does not know."""

    def __init__(self, position: int, reason: str) -> None:
        super().__init__(
            f"the batch at position {position} is of a newer respq: {reason}; start that one"
        )
        self.position = position
        self.reason = reason


class JournalRefused(Exception):
    """Why a journal cannot be copied, repaired or replayed as asked; nothing was changed."""


class CommitFailed(Exception):
    """The journal did not take a batch: memory is ahead of it, so the process must stop."""


class ScriptOverdue(Exception):
    """A script that has written did not end: only a restart brings its half away."""
