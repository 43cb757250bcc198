"""Pairs of texts that belong together, made of docstrings."""

import multiprocessing
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from docstrings import Docstring, fold, held_out, read_archive
from standard_library import parts

SHORTEST = 20  # characters of a docstring
SHORTEST_HALVED, HALF = 24, 80  # words
_SCHEMA = pa.schema(dict.fromkeys(("anchor", "positive", "kind", "archive"), pa.string()))
_MOST = 2000  # characters of a text: far more than a model of 256 pieces reads


def write_pairs(archives: Iterable[Path], target: Path) -> int:
    """Write the pairs of all archives, and return of how many docstrings they are."""
    seen: set[str] = set()
    processes = multiprocessing.get_context("spawn")  # a fork of a process with threads may hang
    with pq.ParquetWriter(target, _SCHEMA) as writer, processes.Pool() as readers:
        for archive, docstrings in readers.imap(_docstrings, archives):
            new = [each for each in docstrings if _is_new(each, seen)]
            rows = [{**pair, "archive": archive} for each in new for pair in pairs(each)]
            if rows:
                writer.write_table(pa.Table.from_pylist(rows, _SCHEMA))
    return len(seen)


def pairs(docstring: Docstring) -> Iterator[dict[str, str]]:
    """Pair a docstring's first paragraph, or else its name, with the rest, and its two halves."""
    text = docstring.text
    words = text.split()
    summary = parts(text)
    made = [("summary", *summary) if summary else ("name", _in_words(docstring.name), text)]
    if len(words) >= SHORTEST_HALVED:
        middle = len(words) // 2
        halves = words[max(0, middle - HALF) : middle], words[middle : middle + HALF]
        made.append(("halves", " ".join(halves[0]), " ".join(halves[1])))
    for kind, anchor, positive in made:
        if held_out().isdisjoint((fold(anchor), fold(positive))):
            yield {"anchor": anchor[:_MOST], "positive": positive[:_MOST], "kind": kind}


def _docstrings(archive: Path) -> tuple[str, list[Docstring]]:
    return archive.name, list(read_archive(archive))


def _is_new(docstring: Docstring, seen: set[str]) -> bool:
    key = fold(docstring.text)
    new = len(key) >= SHORTEST and key not in seen and key not in held_out()
    if new:
        seen.add(key)
    return new


def _in_words(name: str) -> str:
    """Return `decoder JSON Decoder decode` for `decoder.JSONDecoder.decode`."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    return re.sub(r"[._]+", " ", spaced).strip()
