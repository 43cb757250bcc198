"""Small data of each kind, the same in every format."""

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

Table = Mapping[str, Sequence[Any]]

WORDS = [f"word{number}" for number in range(200)]


def random_texts(count: int, *, words: int = 6, seed: int = 0) -> list[str]:
    random = np.random.default_rng(seed)
    return [" ".join(random.choice(WORDS, words)) for _ in range(count)]


def write_parquet(path: Path, table: Table) -> Path:
    pq.write_table(pa.table(dict(table)), path)
    return path


def write_json_lines(path: Path, table: Table) -> Path:
    rows = pa.table(dict(table)).to_pylist()
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def write_csv(path: Path, table: Table) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(table)
        writer.writerows(zip(*table.values(), strict=True))
    return path


WRITERS: dict[str, Callable[[Path, Table], Path]] = {
    "data.parquet": write_parquet,
    "data.jsonl": write_json_lines,
    "data.csv": write_csv,
}
"""A file's name → what writes it."""


def scored_pairs(count: int = 40) -> Table:
    """Pairs that share the more words the higher their score is."""
    first = random_texts(count)
    scores = [place % 6 for place in range(count)]
    others = random_texts(count, seed=1)
    second = [
        " ".join([*a.split()[:score], *b.split()[score:]])
        for a, b, score in zip(first, others, scores, strict=True)
    ]
    return {"text_a": first, "text_b": second, "score": [score / 2 for score in scores]}


def pairs(count: int = 40) -> Table:
    """Anchors that share half their words with their positives."""
    found = random_texts(count)
    halves = [" ".join(text.split()[:3]) for text in found]
    return {"anchor": halves, "positive": found}


def labels(count: int = 60) -> Table:
    """Texts of three labels, each with a word of its own."""
    names = [f"label{place % 3}" for place in range(count)]
    texts = [f"{name} {text}" for name, text in zip(names, random_texts(count), strict=True)]
    return {"text": texts, "label": names}


def plain(count: int = 30) -> Table:
    return {"text": random_texts(count)}


KINDS: dict[str, Callable[[], Table]] = {
    "scored_pairs": scored_pairs,
    "retrieval": pairs,
    "labels": labels,
    "texts": plain,
}
"""A kind's name → data of it."""


def write_beir(folder: Path, *, documents: int = 40, splits: Sequence[str] = ("test",)) -> Path:
    """A BEIR folder whose query `q3` is to find `d3`, which is judged 1 or 2."""
    (folder / "qrels").mkdir(parents=True)
    data = pairs(documents)
    rows = [
        {"_id": f"d{place}", "title": "a title", "text": text, "metadata": {}}
        for place, text in enumerate(data["positive"])
    ]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    queries = [
        {"_id": f"q{place}", "text": text, "metadata": {}}
        for place, text in enumerate(data["anchor"])
    ]
    (folder / "queries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in queries))
    for place, split in enumerate(splits):
        lines = [f"q{row}\td{row}\t{1 + row % 2}\n" for row in range(place, documents, 2)]
        (folder / "qrels" / f"{split}.tsv").write_text(
            "query-id\tcorpus-id\tscore\n" + "".join(lines)
        )
    return folder


@pytest.fixture
def beir(tmp_path: Path) -> Path:
    return write_beir(tmp_path / "scifact")
