"""Small corpora in every format the job reads."""

import csv
import gzip
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

TEXTS = [
    "the quick brown fox",
    "jumps over the lazy dog",
    "a line, with a comma",
    "naïve café — 東京 🚀",
    "a much longer text " * 40,
    "the quick brown fox",
]


def table(texts: Sequence[str | None]) -> pa.Table:
    """The columns `id`, `label` and `text`."""
    count = len(texts)
    return pa.table(
        {
            "id": [f"row-{i}" for i in range(count)],
            "label": pa.array(range(count), pa.int64()),
            "text": pa.array(texts, pa.string()),
        }
    )


def write_parquet(path: Path, texts: Sequence[str | None], **options) -> Path:
    pq.write_table(table(texts), path, **options)
    return path


def write_json_lines(path: Path, texts: Sequence[str | None]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in table(texts).to_pylist()))
    return path


def write_zstd_json_lines(path: Path, texts: Sequence[str | None]) -> Path:
    plain = write_json_lines(path.with_suffix(""), texts)
    with pa.CompressedOutputStream(str(path), "zstd") as file:
        file.write(plain.read_bytes())
    plain.unlink()
    return path


def write_gzip_json_lines(path: Path, texts: Sequence[str | None]) -> Path:
    plain = write_json_lines(path.with_suffix(""), texts)
    path.write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    return path


def write_csv(path: Path, texts: Sequence[str | None]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["id", "label", "text"])
        writer.writeheader()
        writer.writerows(table(texts).to_pylist())
    return path


WRITERS: dict[str, Callable[[Path, Sequence[str | None]], Path]] = {
    "corpus.parquet": write_parquet,
    "corpus.jsonl": write_json_lines,
    "corpus.jsonl.gz": write_gzip_json_lines,
    "corpus.jsonl.zst": write_zstd_json_lines,
    "corpus.csv": write_csv,
}
"""A file's name → what writes it."""
