"""Replies from the wire, printed as redis-cli prints them on a terminal."""

from __future__ import annotations

_ESCAPES = {
    ord("\\"): "\\\\",
    ord('"'): '\\"',
    ord("\n"): "\\n",
    ord("\r"): "\\r",
    ord("\t"): "\\t",
    ord("\a"): "\\a",
    ord("\b"): "\\b",
}
_EMPTY = {"*": "(empty array)", "%": "(empty hash)", "~": "(empty set)", ">": "(empty push)"}
_MARKS = {"*": ")", "%": "#", "~": "~", ">": ")"}


def shown(data: bytes) -> str:
    """Return one whole reply as redis-cli prints it."""
    wire = _Wire(data)
    text = _shown(wire, "")
    assert wire.is_at_end, data
    return text


class _Wire:
    """Reads the bytes of a reply from front to back."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.place = 0

    @property
    def is_at_end(self) -> bool:
        return self.place == len(self.data)

    def line(self) -> tuple[str, bytes]:
        """Return the type and the rest of the next line."""
        end = self.data.index(b"\r\n", self.place)
        line = self.data[self.place : end]
        self.place = end + 2
        return chr(line[0]), line[1:]

    def bulk(self, length: int) -> bytes:
        start, end = self.place, self.place + length
        assert self.data[end : end + 2] == b"\r\n", self.data
        self.place = end + 2
        return self.data[start:end]


def _shown(wire: _Wire, prefix: str) -> str:
    kind, rest = wire.line()
    match kind:
        case "+":
            return rest.decode()
        case "-":
            return f"(error) {rest.decode()}"
        case ":":
            return f"(integer) {int(rest)}"
        case ",":
            return f"(double) {rest.decode()}"
        case "#":
            return "(true)" if rest == b"t" else "(false)"
        case "_":
            return "(nil)"
        case "$" | "*" if rest == b"-1":
            return "(nil)"
        case "$":
            return _quoted(wire.bulk(int(rest)))
        case "=":
            return wire.bulk(int(rest))[4:].decode()
        case "*" | "%" | "~" | ">":
            return _aggregate(wire, kind, int(rest), prefix)
    raise ValueError(f"not a reply: {kind}{rest!r}")


def _aggregate(wire: _Wire, kind: str, count: int, prefix: str) -> str:
    if not count:
        return _EMPTY[kind]
    width = len(str(count))
    inner = prefix + " " * (width + 2)
    items = []
    for index in range(1, count + 1):
        item = f"{index:{width}}{_MARKS[kind]} {_shown(wire, inner)}"
        if kind == "%":
            value = _shown(wire, inner)
            # A value of several lines begins on a line of its own.
            item += f" => \n{inner}{value}" if "\n" in value else f" => {value}"
        items.append(item)
    return f"\n{prefix}".join(items)


def _quoted(data: bytes) -> str:
    return '"' + "".join(_ESCAPES.get(byte) or _plain(byte) for byte in data) + '"'


def _plain(byte: int) -> str:
    return chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}"
