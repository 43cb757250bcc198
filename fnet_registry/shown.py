"""What came from a file, as a message or a terminal may show it."""

from __future__ import annotations

import reprlib

_LONGEST_LINE = 1000
_LONGEST_MESSAGE = 10_000
_LONGEST_VALUE = 200
_MOST_BITS = 10_000


class _Repr(reprlib.Repr):
    def repr_int(self, x: int, level: int) -> str:
        if x.bit_length() > _MOST_BITS:  # Python writes out at most 4,300 digits
            return f"an integer of {x.bit_length():,} bits"
        return super().repr_int(x, level)


_values = _Repr()
_values.maxlevel = 2
_values.maxstring = _values.maxlong = _values.maxother = _LONGEST_VALUE


def shown(value: object) -> str:
    """Return a value as Python writes it, cut short however large or deep it is."""
    return _values.repr(value)


def bounded(text: str) -> str:
    """Return a text without its middle where it is so long that searching it would take time."""
    return _cut(text, _LONGEST_MESSAGE)


def one_line(text: str) -> str:
    """Return a text as one line of bounded length: its middle is left out where it is long."""
    return _cut(printable(_cut(text)))


def printable(text: str) -> str:
    """Return a text as one line.

    What a terminal would obey and what no encoding takes, such as an escape character or a lone
    surrogate, stands there escaped.
    """
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """Return a number with what it counts, such as `1 row` and `2,000 rows`."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"


def _cut(text: str, longest: int = _LONGEST_LINE) -> str:
    half = longest // 2
    return text if len(text) <= longest else f"{text[:half]} … {text[-half:]}"


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()
