"""A run that reuses an older output after small edits, beside fresh runs and reading alone.

    python benchmarks/reuse.py [--rows 1000000] [--folder /tmp]

The vectors have 768 numbers; the model is a small one, so that what reusing costs by itself shows.
"""

import argparse
import logging
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from machine import description
from watched import in_own_process, watched

import fnet_ray
from fnet_ray.output.stores import open_store
from fnet_ray.reuse.hashes import TEXT_HASH
from fnet_ray.reuse.older import open_older
from fnet_ray.stages.commit import to_parquet
from fnet_registry.presets.config import FNetConfig
from fnet_registry.presets.writing import write_checkpoint

WIDE = FNetConfig(
    vocabulary_size=8000,
    num_layers=2,
    hidden_dim=768,
    intermediate_dim=768,
    max_sequence_length=32,
)
FILES = 10
EVERY = 100
"""One row of so many is edited."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", help="where outputs are written; 15 kB a row")
    args = parser.parse_args()
    # Here, for it loads torch, which the processes of the job must not find loaded.
    from models import random_checkpoint

    print(description(), "\n")
    with tempfile.TemporaryDirectory(dir=args.folder) as scratch:
        folder = Path(scratch)
        write_checkpoint(random_checkpoint(WIDE), folder / "model")
        compare(folder, write_corpora(folder, args.rows))


def write_corpora(folder: Path, rows: int) -> int:
    """Write the corpus, its edited form in other files and another order, and the edits alone."""
    numbers = np.random.default_rng(0).integers(1000, size=(rows, 12))
    texts = np.array([" ".join(f"word{n}" for n in row) for row in numbers], dtype=object)
    write(folder / "before", "part", texts)
    texts[::EVERY] = [f"{text} edited" for text in texts[::EVERY]]
    write(folder / "edits", "part", texts[::EVERY])
    write(folder / "after", "renamed", np.concatenate([texts[rows // 3 :], texts[: rows // 3]]))
    write(folder / "shuffled", "part", np.random.default_rng(1).permutation(texts))
    return rows


def write(folder: Path, name: str, texts: np.ndarray) -> None:
    folder.mkdir()
    for number, part in enumerate(np.array_split(texts, FILES)):
        table = pa.table({"text": pa.array(part, pa.string())})
        pq.write_table(table, folder / f"{name}-{number:02d}.parquet", row_group_size=10_000)


def compare(folder: Path, rows: int) -> None:
    print(f"### {rows:,} rows, of which 1 in {EVERY} is edited\n")
    print("| | s | driver's peak MB | largest worker's peak MB | vectors reused |")
    print("|---|---|---|---|---|")
    old = folder / "old"
    row("all rows, fresh", folder, "before", old)
    for name, copy in (("read", None), ("read and write", folder / "copy")):
        started = time.perf_counter()
        read_all([folder / "after", old / "embeddings"], copy)
        seconds = time.perf_counter() - started
        print(f"| {name} the texts and the older output, pyarrow | {seconds:.1f} | | | |")
    row("the edited rows alone, fresh", folder, "edits", folder / "edited")
    row("`--reuse`, files moved and renamed", folder, "after", folder / "new", old)
    row("`--reuse`, all rows shuffled", folder, "shuffled", folder / "mixed", old)
    check(old, folder / "new")
    known, seconds = in_own_process(index, old)
    print(f"\nThe index: {known:.1f} bytes for each known text, made in {seconds:.1f} s.")


def row(name: str, folder: Path, corpus: str, output: Path, reuse: Path | None = None) -> None:
    figures = in_own_process(watch_job, folder / "model", folder / corpus, output, reuse)
    seconds, driver, worker, reused = figures
    print(f"| {name} | {seconds:.1f} | {driver:,.0f} | {worker:,.0f} | {reused:,} |", flush=True)


def watch_job(preset: Path, corpus: Path, output: Path, reuse: Path | None) -> tuple[float, ...]:
    """The seconds, the driver's and the largest worker's peak MB, and the rows reused."""
    started = time.perf_counter()
    workers = fnet_ray.WorkerRequest(cpus_per_worker=1)
    with watched("ray::") as peaks:
        report = fnet_ray.embed(
            preset, corpus, output, tracking=False, workers=workers, reuse=reuse
        )
        seconds = time.perf_counter() - started
    return seconds, peaks.driver, peaks.worker, report.reused


def index(output: Path) -> tuple[float, float]:
    """The bytes of a known text, and the seconds to make the index."""
    started = time.perf_counter()
    known = open_older(output, None).known_texts()
    size = known.first.nbytes + known.second.nbytes + known.place.nbytes
    return size / len(known.first), time.perf_counter() - started


def read_all(folders: list[Path], copy: Path | None) -> None:
    for file in sorted(path for folder in folders for path in folder.glob("*.parquet")):
        table = pq.read_table(file)
        if copy:
            copy.mkdir(exist_ok=True)
            (copy / file.name).write_bytes(to_parquet(table, table.schema))
    if copy:
        shutil.rmtree(copy)


def check(old: Path, new: Path) -> None:
    """Make sure that vectors taken over are equal to the last bit, by samples."""
    held: dict[bytes, Any] = {}
    for output in (old, new):
        store = open_store(output)
        for name in store.names("embeddings"):
            hashes = pq.read_table(store.path(f"run/texts/{name}"))[TEXT_HASH].to_pylist()
            vectors = pq.read_table(store.path(f"embeddings/{name}"))["embedding"].combine_chunks()
            values = vectors.flatten().to_numpy().reshape(len(hashes), -1)
            for text, vector in zip(hashes, values, strict=True):
                if text[0] == 0:  # one of 256
                    assert held.setdefault(text, vector.tobytes()) == vector.tobytes()


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    logging.getLogger("ray").setLevel(logging.ERROR)
    main()
