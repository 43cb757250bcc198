"""Figures as a person would say them, and texts as a page can show them."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime

LONGEST = 280
_UNSHOWN = ("Cc", "Cs")


def amount(number: float) -> str:
    """Return a number with as many digits as one reads."""
    return f"{number:,.0f}" if number >= 10 or number == int(number) else f"{number:.2g}"


def share(part: float, whole: float) -> str:
    """Return a share in percent; one that is neither none nor all is not rounded to these."""
    percent = 100 * part / whole if whole else 0.0
    if 0 < percent < 0.1:
        return "under 0.1 %"
    if 99.9 < percent < 100:
        return "over 99.9 %"
    return f"{percent:.1f} %" if percent % 1 and not 10 <= percent < 99 else f"{percent:.0f} %"


def size(count: float) -> str:
    """Return a number of bytes."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.3g} TB" if count < 1000 else f"{count:,.0f} TB"


def time_taken(seconds: float) -> str:
    """Return a length of time."""
    for unit, length in (("days", 86400 * 2), ("hours", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / (86400 if unit == 'days' else length):,.1f} {unit}"
    return f"{seconds:.3g} s" if seconds >= 0.001 else "0 s"


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
