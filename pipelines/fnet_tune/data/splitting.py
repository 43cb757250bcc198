"""Pairs of a text's own parts: its first paragraph, or else its first sentence, and the rest."""

from __future__ import annotations

import re

import pyarrow as pa

SHORTEST = 10
"""Characters of a part. A beginning that is shorter, such as `Dr.`, is no part of its own."""

_BOUNDARIES = (
    re.compile(r"\n[^\S\n]*\n"),
    re.compile(r"[.!?…][\"'”’»)\]]*(\s)|[。！？][\"'”’」』]*()"),  # noqa: RUF001
)


def split_texts(texts: pa.Array) -> pa.RecordBatch:
    """Return the parts of texts as `anchor` and `positive`; nulls for a text without two."""
    parts = [(None, None) if text is None else split_text(text) for text in texts.to_pylist()]
    columns = list(zip(*parts, strict=True)) or [(), ()]
    arrays = [pa.array(column, pa.string()) for column in columns]
    return pa.RecordBatch.from_arrays(arrays, ["anchor", "positive"])


def split_text(text: str) -> tuple[str, str] | tuple[None, None]:
    """Part a text at the end of its first paragraph or sentence that leaves two parts."""
    text = text.strip()
    for boundary in _BOUNDARIES:
        for found in boundary.finditer(text, SHORTEST - 1):
            place = found.start(found.lastindex or 0)
            first, rest = text[:place].rstrip(), text[place:].lstrip()
            if len(rest) < SHORTEST:
                break
            if len(first) >= SHORTEST:
                return first, rest
    return None, None
