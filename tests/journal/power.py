"""What a disk may hold when the power fails: the calls of a process, and any part of what it
had not synced.

strace writes down the calls (`trace`). A `Disk` takes them in their order; `left` gives what may
be there after the power failed at that moment: of each file everything that was written before its
last sync, of the rest any writes, whole, torn at a sector or not at all, in no order; of names
what was done in a directory before its last sync, and of the rest a beginning, in each directory
another one.
"""

from __future__ import annotations

import random
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

SECTOR_BYTES = 512
CALLS = (
    "openat,write,pwrite64,ftruncate,truncate,rename,unlink,unlinkat,mkdir,rmdir,fsync,fdatasync"
)


@dataclass(frozen=True)
class Call:
    """One call that succeeded: its name, its words as strace shows them, and its result."""

    name: str
    words: tuple[str, ...]
    began: int
    """How many calls had ended when it began."""


def trace(log: Path, *command: str) -> None:
    """Run a Python module, and have every call that changes files written down."""
    options = ("-f", "-y", "-xx", "-s", "100000000", "-e", f"trace={CALLS}", "-o", str(log))
    subprocess.run(
        ["strace", *options, sys.executable, "-m", *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        check=True,
        timeout=120,
    )


def calls(log: Path) -> Iterator[Call]:
    """Yield the calls of a trace in the order in which they ended."""
    began: dict[str, tuple[str, int]] = {}
    ended = 0
    for line in log.read_text().splitlines():
        pid, _, text = line.partition(" ")
        text = text.strip()
        if text.endswith("<unfinished ...>"):
            began[pid] = text.removesuffix("<unfinished ...>"), ended
            continue
        start = ended
        if resumed := re.match(r"<\.\.\. \w+ resumed>(.*)", text):
            before, start = began.pop(pid)
            text = before + resumed[1]
        if found := re.fullmatch(r"(\w+)\((.*)\)\s+= (\d+)(<.*>)?", text):
            name, words, result, path = found.groups()
            ended += 1
            yield Call(name, (*_words(words), result + (path or "")), start)


def _words(text: str) -> list[str]:
    # With -xx no byte of a string or path is shown as itself, so no comma is part of one.
    return [word.strip() for word in text.split(",")]


def _bytes(word: str) -> bytes:
    """Return the bytes of a string, or of the path of a descriptor."""
    shown = word[word.index("<") + 1 : -1] if "<" in word else word.strip('"')
    return bytes.fromhex(shown.replace("\\x", ""))


def _path(word: str) -> str:
    return _bytes(word).decode()


@dataclass(eq=False)
class File:
    """What was done to a file; the first ``synced`` of it is on the disk."""

    steps: list[tuple[int, bytes | None]] = field(default_factory=list)
    """Bytes from an offset on, or None: cut there."""
    synced: int = 0


@dataclass(eq=False)
class Directory:
    """What lies in a directory now, whatever its own name is."""

    entries: dict[str, Node] = field(default_factory=dict)


Node = File | Directory


@dataclass(frozen=True)
class Naming:
    """A name in a directory stands for something else from now on: None for nothing any more.

    A move is two at once, in one directory.
    """

    directory: Directory
    nodes: dict[str, Node | None]

    def apply(self, entries: dict[str, Node]) -> None:
        """Change the names of its directory."""
        for name, node in self.nodes.items():
            if node is None:
                entries.pop(name, None)
            else:
                entries[name] = node


class Disk:
    """Everything that a process did to the files under a directory."""

    def __init__(self, root: Path) -> None:
        self.root = str(root)
        self.said: list[bytes] = []
        """What it wrote to its standard output."""
        self.syncs = 0
        self.namings: list[Naming] = []
        """What was done to names, in order."""
        self._above = Directory()
        """The directory in which the root lies."""
        self._durable: set[int] = set()
        self._ended: list[tuple[File | None, int]] = []
        """For each call, the file that it wrote to, and how many steps that had then."""
        self._named: list[int] = []
        """For each call, how many namings there were behind it."""

    def take(self, call: Call) -> None:
        """Let a call have happened."""
        file: File | None = None
        words = call.words
        match call.name:
            case "write" if words[0].startswith("1<"):
                self.said.append(_bytes(words[1]))
            case "pwrite64" if (file := self._file(words[0])) is not None:
                file.steps.append((int(words[3]), _bytes(words[1])))
            case "ftruncate" | "truncate" if (file := self._file(words[0])) is not None:
                file.steps.append((int(words[1]), None))
            case "write":
                assert self._file(words[0]) is None or words[0].endswith("lock>"), call
            case "openat" if "O_CREAT" in words[2]:
                if self._is_ours(path := _path(words[-1])) and self._find(path) is None:
                    self._name(path, File())
            case "mkdir":
                if self._is_ours(path := _path(words[0])):
                    self._name(path, Directory())
            case "rename":
                if self._is_ours(path := _path(words[0])):
                    self._move(path, _path(words[1]))
            case "unlink" | "rmdir":
                self._drop(_path(words[0]))
            case "unlinkat":
                above = _path(words[0]) if "<" in words[0] else ""
                self._drop(str(Path(above) / _path(words[1])))
            case "fsync" | "fdatasync":
                self._sync(_path(words[0]), call.began)
        self._ended.append((file, len(file.steps) if file is not None else 0))
        self._named.append(len(self.namings))

    def names(self) -> list[str]:
        """Return what lies in the root now."""
        root = self._find(self.root)
        return sorted(root.entries) if isinstance(root, Directory) else []

    def left(self, chance: random.Random, share: float) -> dict[str, bytes | None]:
        """Return what may be there if the power fails now: bytes of files, None for directories.

        ``share`` is how likely it is that something that was not synced is there all the same.
        """
        entries: dict[int, dict[str, Node]] = {}
        lost: dict[int, list[int]] = {}
        for at, naming in enumerate(self.namings):
            if at not in self._durable:
                lost.setdefault(id(naming.directory), []).append(at)
        kept = {
            at
            for others in lost.values()
            for at in others[: round(len(others) * chance.random()) if share else 0]
        }
        for at, naming in enumerate(self.namings):
            if at in self._durable or at in kept:
                naming.apply(entries.setdefault(id(naming.directory), {}))
        return _files(
            str(Path(self.root).parent),
            self._above,
            lambda directory: entries.get(id(directory), {}),
            lambda file: self._content(file, chance, share),
        )

    def written(self) -> dict[str, bytes | None]:
        """Return what is there now, as another process sees it: all that was written."""
        return _files(
            str(Path(self.root).parent),
            self._above,
            lambda directory: directory.entries,
            self._as_written,
        )

    @staticmethod
    def _as_written(file: File) -> bytes:
        content = bytearray()
        for offset, data in file.steps:
            _write(content, offset, data)
        return bytes(content)

    @staticmethod
    def _content(file: File, chance: random.Random, share: float) -> bytes:
        content = bytearray()
        for at, (offset, data) in enumerate(file.steps):
            written = data
            if at >= file.synced:
                if chance.random() >= share:
                    continue
                if data is not None and chance.random() < 0.2:
                    sectors = chance.randrange(len(data) // SECTOR_BYTES + 1)
                    written = data[: sectors * SECTOR_BYTES]
            _write(content, offset, written)
        return bytes(content)

    def _is_ours(self, path: str) -> bool:
        return path == self.root or path.startswith(self.root + "/")

    def _find(self, path: str) -> Node | None:
        """Return what is there now under a path."""
        if path == str(Path(self.root).parent):
            return self._above
        if not self._is_ours(path):
            return None
        above = self._find(str(Path(path).parent))
        return above.entries.get(Path(path).name) if isinstance(above, Directory) else None

    def _file(self, word: str) -> File | None:
        node = self._find(_path(word))
        return node if isinstance(node, File) else None

    def _name(self, path: str, node: Node | None, moved: str = "") -> None:
        """Have a path stand for something else; what was ``moved`` has its old name no more."""
        directory = self._find(str(Path(path).parent))
        assert isinstance(directory, Directory), path
        gone: dict[str, Node | None] = {Path(moved).name: None} if moved else {}
        naming = Naming(directory, gone | {Path(path).name: node})
        self.namings.append(naming)
        naming.apply(directory.entries)

    def _move(self, path: str, to: str) -> None:
        assert Path(path).parent == Path(to).parent
        self._name(to, self._find(path), moved=path)

    def _drop(self, path: str) -> None:
        if self._find(path) is not None:
            self._name(path, None)

    def _sync(self, path: str, began: int) -> None:
        """Have on the disk what had been done when the sync began."""
        node = self._find(path)
        if node is None:
            return
        self.syncs += 1
        if isinstance(node, File):
            before = (steps for other, steps in self._ended[:began] if other is node)
            node.synced = max(node.synced, *before, 0)
            return
        count = self._named[began - 1] if began else 0
        for at, naming in enumerate(self.namings[:count]):
            if naming.directory is node:
                self._durable.add(at)


def _files(
    place: str,
    directory: Directory,
    entries_of: Callable[[Directory], dict[str, Node]],
    content_of: Callable[[File], bytes],
) -> dict[str, bytes | None]:
    """Return the bytes of all files below a directory, and None for directories."""
    found: dict[str, bytes | None] = {}
    places = [(place, directory)]
    while places:
        place, directory = places.pop()
        for name, node in entries_of(directory).items():
            path = f"{place}/{name}"
            if isinstance(node, Directory):
                found[path] = None
                places.append((path, node))
            else:
                found[path] = content_of(node)
    return found


def _write(content: bytearray, offset: int, data: bytes | None) -> None:
    if data is None:
        del content[offset:]
        data = b""
    content.extend(bytes(max(0, offset + len(data) - len(content))))
    content[offset : offset + len(data)] = data


def put(files: dict[str, bytes | None], root: str, to: Path) -> None:
    """Make files and directories anew elsewhere; what SQLite keeps in memory alone is left out."""
    for path, content in sorted(files.items()):
        place = to / Path(path).relative_to(root)
        if content is None:
            place.mkdir(parents=True, exist_ok=True)
        elif not path.endswith("-shm") and place.parent.is_dir():
            place.write_bytes(content)


def moments(disk: Disk, log: Path) -> Iterable[int]:
    """Replay a trace into a disk; yield its number at each call that changed something."""
    for number, call in enumerate(calls(log)):
        disk.take(call)
        yield number
