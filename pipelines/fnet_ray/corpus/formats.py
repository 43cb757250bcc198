"""The input formats, as one table: a file's ending says how it is read.

A new format is one more entry here, and its reader in `fnet_ray.corpus.readers`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from fnet_ray.corpus.readers import delimited, json_lines, text_lines
from fnet_ray.corpus.readers.rows import Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """How a file holds its rows.

    Args:
        name: What it is called in the manifest.
        endings: The endings of its files.
        read: What reads its rows, so that they can be written as Parquet, which alone counts its
            rows; None for Parquet itself.
    """

    name: str
    endings: tuple[str, ...]
    read: Reader | None


PARQUET = Format(name="parquet", endings=(".parquet", ".pq"), read=None)
FORMATS = [
    PARQUET,
    Format(name="jsonl", endings=(".jsonl", ".ndjson", ".json"), read=json_lines.read),
    Format(name="csv", endings=(".csv",), read=partial(delimited.read, delimiter=",")),
    Format(name="tsv", endings=(".tsv",), read=partial(delimited.read, delimiter="\t")),
    Format(name="txt", endings=(".txt", ".text"), read=text_lines.read),
]

COMPRESSIONS = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2"}
"""A second ending → the codec's name in Arrow. Parquet compresses inside the file instead."""


def format_named(name: str) -> Format:
    """Return the format of a name. Raises KeyError."""
    return {each.name: each for each in FORMATS}[name]


def recognise(path: str) -> Format | None:
    """Return a file's format by its name, or None for an unknown ending."""
    name = path.lower()
    outer = next((ending for ending in COMPRESSIONS if name.endswith(ending)), "")
    inner = name.removesuffix(outer)
    found = next((each for each in FORMATS if inner.endswith(each.endings)), None)
    return None if outer and found == PARQUET else found


def compression(path: str) -> str | None:
    """Return the codec that a file is wrapped in, by its name."""
    return next((c for ending, c in COMPRESSIONS.items() if path.lower().endswith(ending)), None)


def known_endings() -> str:
    """Return the endings as a person would list them."""
    endings = ", ".join(ending for each in FORMATS for ending in each.endings)
    return f"{endings} (all but Parquet also with {', '.join(COMPRESSIONS)})"
