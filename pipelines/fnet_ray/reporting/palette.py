"""The pictures' colours, which the page replaces by those of its light or dark dress."""

from __future__ import annotations

INK, LINE, MAIN, MARK = "#3a4250", "#d9dde3", "#3f6fb5", "#c2553c"
STAGES = ["#8fb3d9", "#6a97ca", "#3f6fb5", "#b9c3cf"]

GROUPS = [
    "#4e79a7",
    "#f28e2b",
    "#59a14f",
    "#e15759",
    "#b07aa1",
    "#4fb0a5",
    "#d4a72c",
    "#9c755f",
    "#e88aa0",
    "#8d95a1",
]
BANDS = ["#c9b458", "#7fb069", "#3f9c8f", "#3f6fb5", "#5b3f8f", "#8d95a1"]
"""From low to high, and for what has no value."""

_ON_THE_PAGE = {INK: "var(--ink)", LINE: "var(--line)", MAIN: "var(--main)", MARK: "var(--mark)"}


def as_on_the_page(drawing: str) -> str:
    """Return a drawing with the page's own colours in the place of the pictures'."""
    for colour, variable in _ON_THE_PAGE.items():
        drawing = drawing.replace(colour, variable)
    return drawing
