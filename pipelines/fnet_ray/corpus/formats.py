"""The input formats, as one table: a file's ending says how it is read."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, overload

from fnet_registry.errors import InputError


class Format(StrEnum):
    """How a file holds its rows. Only Parquet counts them; the others are staged to it first."""

    PARQUET = "parquet"
    JSON_LINES = "jsonl"
    CSV = "csv"
    TSV = "tsv"
    TEXT = "txt"


ENDINGS = {
    ".parquet": Format.PARQUET,
    ".pq": Format.PARQUET,
    ".jsonl": Format.JSON_LINES,
    ".ndjson": Format.JSON_LINES,
    ".json": Format.JSON_LINES,
    ".csv": Format.CSV,
    ".tsv": Format.TSV,
    ".txt": Format.TEXT,
    ".text": Format.TEXT,
}
"""A file's ending → its format."""

COMPRESSIONS = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2"}
"""A second ending → the codec's name in Arrow. Parquet compresses inside the file instead."""


@overload
def recognise(path: str) -> Format: ...
@overload
def recognise(path: str, *, strict: Literal[False]) -> Format | None: ...
def recognise(path: str, *, strict: bool = True) -> Format | None:
    """Return a file's format by its name.

    Raises:
        InputError: An unknown ending, unless `strict` is off.
    """
    name = path.lower()
    outer = next((ending for ending in COMPRESSIONS if name.endswith(ending)), "")
    inner = name.removesuffix(outer)
    for ending, kind in ENDINGS.items():
        if inner.endswith(ending) and not (outer and kind is Format.PARQUET):
            return kind
    if strict:
        raise InputError(f"An input file must end in {known_endings()}. Received: {path}")
    return None


def compression(path: str) -> str | None:
    """Return the codec that a file is wrapped in, by its name."""
    return next((c for ending, c in COMPRESSIONS.items() if path.lower().endswith(ending)), None)


def known_endings() -> str:
    """Return the endings as a person would list them."""
    return f"{', '.join(ENDINGS)} (all but Parquet also with {', '.join(COMPRESSIONS)})"
