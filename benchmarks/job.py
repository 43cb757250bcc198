"""The embedding job against the bare encoder on the same worker, and its memory as rows grow.

python benchmarks/job.py [--rows 20000] [--memory-rows 10000 100000 1000000]
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from machine import description
from models import random_checkpoint

import fnet_ray
from fnet_registry import TextEncoder
from fnet_registry.presets.config import FNetConfig
from fnet_registry.presets.writing import write_checkpoint

SMALL = FNetConfig(
    vocabulary_size=8000,
    num_layers=4,
    hidden_dim=256,
    intermediate_dim=1024,
    max_sequence_length=128,
)
TINY = FNetConfig(
    vocabulary_size=8000,
    num_layers=1,
    hidden_dim=16,
    intermediate_dim=16,
    max_sequence_length=16,
)
ONE_WORKER = fnet_ray.WorkerRequest(workers=(1, 1), cpus_per_worker=1)
BARE_ROWS = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--memory-rows", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    args = parser.parse_args()
    print(description(), "\n")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_checkpoint(random_checkpoint(SMALL), folder / "small")
        write_checkpoint(random_checkpoint(TINY), folder / "tiny")
        rate(folder, args.rows)
        memory(folder, args.memory_rows)


def rate(folder: Path, rows: int) -> None:
    texts = write_corpus(folder / "corpus.parquet", rows)
    torch.set_num_threads(1)
    encoder = TextEncoder.from_preset(folder / "small")
    encoder.encode(texts[:32])
    started = time.perf_counter()
    encoder.encode(texts[:BARE_ROWS])
    bare = BARE_ROWS / (time.perf_counter() - started)

    started, done = time.perf_counter(), []
    fnet_ray.embed(
        folder / "small",
        folder / "corpus.parquet",
        folder / "rate",
        workers=ONE_WORKER,
        tracking=False,
        on_progress=lambda progress: done.append((time.perf_counter(), progress.done)),
    )
    (first_time, first_rows), (last_time, last_rows) = done[0], done[-1]
    steady = (last_rows - first_rows) / (last_time - first_time)
    print("| one worker of one thread | rows/s | of the bare encoder |")
    print("|---|---|---|")
    print(f"| bare encoder, {BARE_ROWS} rows | {bare:.0f} | 1.00 |")
    print(f"| job, steady | {steady:.0f} | {steady / bare:.2f} |")
    print(f"\nFirst shard ({first_rows} rows) after {first_time - started:.1f} s.\n")


def memory(folder: Path, counts: list[int]) -> None:
    print("| rows | driver's peak MB | rows/s |")
    print("|---|---|---|")
    for count in counts:
        write_corpus(folder / f"{count}.parquet", count)
        started = time.perf_counter()
        fnet_ray.embed(
            folder / "tiny", folder / f"{count}.parquet", folder / f"out{count}", tracking=False
        )
        seconds = time.perf_counter() - started
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"| {count:,} | {peak:,.0f} | {count / seconds:.0f} |", flush=True)


def write_corpus(path: Path, rows: int) -> list[str]:
    numbers = np.random.default_rng(0).integers(1000, size=(rows, 12))
    texts = [" ".join(f"word{n}" for n in row) for row in numbers]
    pq.write_table(pa.table({"text": texts}), path, row_group_size=10_000)
    return texts


if __name__ == "__main__":
    main()
