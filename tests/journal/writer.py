"""A process that appends to a journal until it is killed: ``python -m tests.journal.writer``.

It prints each position when its append has returned, `sync` after each sync, and at the end
`failed` with the cause, or `done`; then it waits with the journal open.
"""

import argparse
import resource
import signal
import sys

from respq.errors import CommitFailed
from respq.journal.disk import DiskJournal
from respq.journal.recovery import Chain, read_batches
from tests.journal.history import History


def tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def write(options: argparse.Namespace) -> None:
    journal = DiskJournal(
        options.data_dir, fsync=options.fsync, segment_bytes=options.segment_bytes
    )
    history = History(options.body_bytes)
    for _ in read_batches(journal, tell, Chain()):
        history.next()
    if options.file_bytes_max:
        # What a full disk does: a write fails, here of the file that grows over the limit.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        limit = (options.file_bytes_max, resource.RLIM_INFINITY)
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    tell("open")
    for _ in range(options.count):
        position, blob, checksum = history.next()
        journal.append(position, blob, checksum)
        tell(str(position))
        if options.sync:
            journal.sync()
            tell("sync")
        if position == options.hold:
            journal._segments[-1].hold()
    journal._keeper.submit(int).result()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data_dir")
    parser.add_argument("--fsync", default="always")
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--body-bytes", type=int, default=100)
    parser.add_argument("--segment-bytes", type=int, default=1 << 26)
    parser.add_argument("--file-bytes-max", type=int, default=0)
    parser.add_argument("--sync", action="store_true")
    parser.add_argument("--hold", type=int, help="read on from there: that segment keeps its log")
    try:
        write(parser.parse_args())
    except CommitFailed as error:
        tell(f"failed {type(error.__cause__).__name__}")
    else:
        tell("done")
    sys.stdin.read()


if __name__ == "__main__":
    main()
