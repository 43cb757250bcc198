"""Figures as a person would say them, and texts as a page can show them."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime

LONGEST = 280
_SMALL, _THOUSAND = 10, 1000
_SIZES = ("bytes", "kB", "MB", "GB", "TB")
_TIMES = {"days": 86400, "hours": 3600, "min": 60}
_UNSHOWN = ("Cc", "Cs")


def amount(number: float) -> str:
    """Return a number in whole ones, but for what is small and no whole one."""
    return f"{number:,.0f}" if abs(number) >= _SMALL or number % 1 == 0 else f"{number:.2g}"


def share(part: float, whole: float) -> str:
    """Return a share in percent; one that is neither none nor all never reads as if it were."""
    percent = f"{100 * part / whole if whole else 0:.1f}"
    if percent == "0.0" and part:
        return "under 0.1 %"
    if percent == "100.0" and part < whole:
        return "over 99.9 %"
    return f"{percent.removesuffix('.0')} %"


def size(count: float) -> str:
    """Return a number of bytes."""
    power = 0
    while count >= _THOUSAND and power < len(_SIZES) - 1:
        count, power = count / _THOUSAND, power + 1
    return f"{count:,.1f}".removesuffix(".0") + f" {_SIZES[power]}"


def time_taken(seconds: float) -> str:
    """Return a length of time."""
    for unit, length in _TIMES.items():
        if seconds >= 2 * length:
            return f"{seconds / length:,.1f} {unit}"
    return f"{seconds:.2f} s" if seconds < _SMALL else f"{seconds:.0f} s"


def moment(seconds: float) -> str:
    """Return a moment, given in seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def readable(text: str) -> str:
    """Return a text without what no page shows or no encoding takes."""
    return "".join(
        "\N{REPLACEMENT CHARACTER}"
        if unicodedata.category(character) in _UNSHOWN and character not in "\n\t"
        else character
        for character in text
    )


def excerpt(value: object, longest: int = LONGEST) -> str:
    """Return the beginning of a text, in one line."""
    text = value if isinstance(value, str) else str(value)
    line = " ".join(text[: 4 * longest].split())
    return line if len(line) <= longest and len(text) <= 4 * longest else f"{line[: longest - 1]}…"
