"""Numbers as Redis on x86 has them in INCRBYFLOAT: the long double of C, exactly.

Such a number has 64 bits of mantissa and is written with 17 decimals. Sums are computed without
loss, and rounded once, to even: so the texts are those of Redis to the last digit.
"""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction
from typing import Final

_MANTISSA_BITS: Final = 64
_EXPONENT_MAX: Final = 16_384
_EXPONENT_MIN: Final = -16_445
_DECIMALS: Final = 17
_TEXT_BYTES_MAX: Final = 5 * 1024
_NUMBER: Final = re.compile(rb"[+-]?(\d+\.?\d*|\.\d+)([eE]([+-]?\d+))?")
_HEX: Final = re.compile(
    rb"([+-]?)0x([0-9a-f]+\.?[0-9a-f]*|\.[0-9a-f]+)(?:p([+-]?\d+))?", re.IGNORECASE
)
_INFINITY: Final = re.compile(rb"([+-]?)inf(?:inity)?", re.IGNORECASE)

LongDouble = Fraction | float
"""A float is an infinity."""


def parse_long_double(text: bytes) -> LongDouble | None:
    """Return the number that C's strtold makes of all of ``text``; None if it is none."""
    if not text or len(text) >= _TEXT_BYTES_MAX:
        return None
    infinite = _INFINITY.fullmatch(text)
    if infinite is not None:
        return float("-inf" if infinite[1] == b"-" else "inf")
    exact = _exact(text)
    if exact is None:
        return None
    rounded = _rounded(exact)
    # Redis refuses what is too large, and what is too small to be told from 0.
    is_lost = isinstance(rounded, float) or (rounded == 0) != (exact == 0)
    return None if is_lost else rounded


def _exact(text: bytes) -> Fraction | None:
    decimal = _NUMBER.fullmatch(text)
    if decimal is not None:
        if decimal[3] is not None and (len(decimal[3]) > 6 or abs(int(decimal[3])) > 20_000):
            return None
        return Fraction(Decimal(text.decode()))  # Not at once: `int` reads 4,300 digits at most.
    hexadecimal = _HEX.fullmatch(text)
    if hexadecimal is None:
        return None
    sign, digits, power = hexadecimal.groups()
    if power is not None and (len(power) > 6 or abs(int(power)) > 40_000):
        return None
    whole, _, part = digits.partition(b".")
    number = Fraction(int(whole + part, 16), 16 ** len(part)) * Fraction(2) ** int(power or 0)
    return -number if sign == b"-" else number


def round_to_long_double(first: LongDouble, second: LongDouble) -> Fraction | None:
    """Return the sum of two numbers; None where it is not finite."""
    if isinstance(first, float) or isinstance(second, float):
        return None
    total = _rounded(first + second)
    return None if isinstance(total, float) else total


def show_long_double(number: Fraction) -> bytes:
    """Return a number as Redis writes it: without an exponent, without zeros at the end."""
    scaled = round(number * 10**_DECIMALS)  # Half to even, as printf.
    digits = str(Decimal(abs(scaled))).rjust(_DECIMALS + 1, "0")
    text = f"{digits[:-_DECIMALS]}.{digits[-_DECIMALS:]}".rstrip("0").rstrip(".")
    return ("-" if scaled < 0 else "").encode() + text.encode()


def _rounded(number: Fraction) -> LongDouble:
    """Return the nearest number that has a mantissa of 64 bits."""
    if not number:
        return number
    size = abs(number)
    exponent = size.numerator.bit_length() - size.denominator.bit_length()
    if size < Fraction(2) ** exponent:
        exponent -= 1
    unit = Fraction(2) ** max(exponent - _MANTISSA_BITS + 1, _EXPONENT_MIN)
    rounded = round(number / unit) * unit
    if abs(rounded) >= Fraction(2) ** _EXPONENT_MAX:
        return float("inf" if number > 0 else "-inf")
    return rounded
