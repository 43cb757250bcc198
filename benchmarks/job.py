"""The embedding job against the bare encoder on the same worker, and its memory as rows grow.

python benchmarks/job.py [--rows 20000] [--memory-rows 10000 100000 1000000]
"""

import argparse
import logging
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from machine import description
from watched import in_own_process, watched

import fnet_ray
from fnet_ray.progress.tally import Progress
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
BARE_ROWS = 4000
ROUNDS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--memory-rows", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    args = parser.parse_args()
    # Here, for it loads torch, which the processes of the job must not find loaded.
    from models import random_checkpoint

    print(description(), "\n")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_checkpoint(random_checkpoint(SMALL), folder / "small")
        write_checkpoint(random_checkpoint(TINY), folder / "tiny")
        compare_rates(folder, args.rows)
        compare_memory(folder, args.memory_rows)


def compare_rates(folder: Path, rows: int) -> None:
    """One worker of one thread and the bare encoder of one thread, in turns."""
    corpus = write_corpus(folder / "corpus.parquet", rows)
    bare, steady, loading, first = [], [], [], []
    for number in range(ROUNDS):
        seconds, rate = in_own_process(encode_bare, folder / "small", corpus)
        loading.append(seconds)
        bare.append(rate)
        output = folder / f"rate{number}"
        seconds, rate = in_own_process(run_job, folder / "small", corpus, output)
        first.append(seconds)
        steady.append(rate)
    bare.append(in_own_process(encode_bare, folder / "small", corpus)[1])
    print("| one worker of one thread | rows/s | of the bare encoder |")
    print("|---|---|---|")
    print(f"| bare encoder, {BARE_ROWS:,} rows | {ranged(bare)} | 1.00 |")
    # Each job is held against the encoder just before and just after it.
    shares = [2 * rate / (bare[i] + bare[i + 1]) for i, rate in enumerate(steady)]
    print(f"| job, steady, {rows:,} rows | {ranged(steady)} | {ranged(shares, '.2f')} |")
    print(
        f"\nFirst batch encoded {ranged(first, '.1f')} s after the job's process began, its imports"
        f"\nincluded; by itself, the encoder is there after {ranged(loading, '.1f')} s.\n"
    )


def ranged(values: list[float], form: str = ".0f") -> str:
    """The median, with the least and the most."""
    return f"{np.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def encode_bare(preset: Path, corpus: Path) -> tuple[float, float]:
    """The seconds until the encoder is there, and its rows per second."""
    from fnet_registry import TextEncoder

    encoder = TextEncoder.from_preset(preset, num_threads=1)
    loaded = seconds_of_this_process()
    tokens = encoder.tokenize(pq.read_table(corpus)["text"].to_pylist()[:BARE_ROWS])
    encoder.encode_tokens(tokens[:64])
    started = time.perf_counter()
    encoder.encode_tokens(tokens)
    return loaded, BARE_ROWS / (time.perf_counter() - started)


def run_job(preset: Path, corpus: Path, output: Path) -> tuple[float, float]:
    """The seconds until the first batch, and the rows per second from the first shard on."""
    seen: list[tuple[float, Progress]] = []
    fnet_ray.embed(
        preset,
        corpus,
        output,
        workers=fnet_ray.WorkerRequest(workers=(1, 1), cpus_per_worker=1),
        tracking=False,
        on_progress=lambda progress: seen.append((seconds_of_this_process(), progress)),
    )
    first = next(moment for moment, progress in seen if progress.encoded)
    commits = [(moment, progress.done) for moment, progress in seen if progress.done]
    (begin, rows_before), (end, rows) = commits[0], commits[-1]
    return first, (rows - rows_before) / (end - begin)


def compare_memory(folder: Path, counts: list[int]) -> None:
    print("| rows | driver's peak MB | largest worker's peak MB | rows/s |")
    print("|---|---|---|---|")
    for count in counts:
        corpus = write_corpus(folder / f"{count}.parquet", count)
        driver, worker, rate = in_own_process(watch_job, folder / "tiny", corpus, folder / "out")
        print(f"| {count:,} | {driver:,.0f} | {worker:,.0f} | {rate:,.0f} |", flush=True)


def watch_job(preset: Path, corpus: Path, output: Path) -> tuple[float, float, float]:
    """The driver's and the largest worker's peak MB, and the rows per second."""
    with watched("EncodeShard") as peaks:
        report = fnet_ray.embed(preset, corpus, output / corpus.stem, tracking=False)
    return peaks.driver, peaks.worker, report.rows_per_second


def seconds_of_this_process() -> float:
    return time.time() - psutil.Process().create_time()


def write_corpus(path: Path, rows: int) -> Path:
    numbers = np.random.default_rng(0).integers(1000, size=(rows, 12))
    texts = [" ".join(f"word{n}" for n in row) for row in numbers]
    pq.write_table(pa.table({"text": texts}), path, row_group_size=10_000)
    return path


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    logging.getLogger("ray").setLevel(logging.ERROR)
    main()
