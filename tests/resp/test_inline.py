import pytest

from respq.resp.inline import split_inline


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"", []),
        (b" \t\r\n\x0b\x0c ", []),
        (b"PING", [b"PING"]),
        (b"  SET\ta  b ", [b"SET", b"a", b"b"]),
        (b"\"a b\" 'c d'", [b"a b", b"c d"]),
        (b"\"\" ''", [b"", b""]),
        (b'pre"fix"', [b"prefix"]),
        (b"pre'fix'", [b"prefix"]),
        (b'"it\'s" \'"x"\'', [b"it's", b'"x"']),
        (b'"\\x41\\x0a\\xff"', [b"A\n\xff"]),
        (b'"\\n\\r\\t\\b\\a"', [b"\n\r\t\b\a"]),
        (b'"\\"\\\\\\q"', [b'"\\q']),
        (b'"\\x4\\xg1\\X41"', [b"x4xg1X41"]),
        (b"'\\'\\n\\\\x'", [b"'\\n\\\\x"]),
        (b'back\\slash \\"x"', [b"back\\slash", b"\\x"]),
        (b'"x"\x0b"y"', [b"x", b"y"]),
        (b"a\x0bb\x0cc", [b"a\x0bb\x0cc"]),
        (b'\x0b"a"', [b"a"]),
        (b"a\0b \xff", [b"a\0b", b"\xff"]),
        (b'"a\nb"', [b"a\nb"]),
    ],
)
def test_a_line_is_split_by_the_rules_of_redis(line: bytes, words: list[bytes]) -> None:
    assert split_inline(line) == words


@pytest.mark.parametrize(
    "line",
    [
        b'"',
        b"'",
        b'"a',
        b"'a",
        b'a"b',
        b'"a"b',
        b"'a'b",
        b'"a""b"',
        b"'a'\"b\"",
        b'"a\\"',
        b"'a\\'",
    ],
)
def test_a_quote_that_is_not_closed_properly_is_refused(line: bytes) -> None:
    assert split_inline(line) is None
    assert split_inline(b"SET x " + line) is None
    assert split_inline(b"'x' " * 1_000 + line) is None


def test_a_line_of_the_greatest_length_is_split() -> None:
    assert split_inline(b'"' + b"\\n" * 30_000 + b'"') == [b"\n" * 30_000]
    assert split_inline(b"'x' " * 16_000) == [b"x"] * 16_000
