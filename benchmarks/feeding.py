"""What keeps GPUs fed: texts read and tokenized by one core, and what a driver holds of shards.

    python benchmarks/feeding.py [--corpus FILE.parquet …] [--rows 40000]

Without a corpus, the docstrings of the Python standard library are taken. The cores that GPUs need
are projected from one core's rate.
"""

import argparse
import math
import os
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from machine import description
from texts import sample
from watched import in_own_process, watched

from fnet_ray.corpus.files import InputFile, find_inputs
from fnet_ray.corpus.formats import PARQUET
from fnet_ray.corpus.shards import Input, Sharding
from fnet_ray.options import Columns
from fnet_ray.stages.message import unpack
from fnet_ray.stages.read import ReadShard
from fnet_ray.stages.requests import ShardRequests
from fnet_ray.stages.tokens import Windowing
from fnet_registry.shown import counted

TOKENIZER = "f_net_mini_docs_en"
TEXTS_OF_A_GPU = 7000
GPUS = (1, 8, 64)
SHARD_ROWS = 2000
LENGTH = 512
SHARDS = (10_000, 100_000, 1_000_000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, nargs="*", default=[None])
    parser.add_argument("--column", default="text")
    parser.add_argument("--rows", type=int, default=40_000)
    args = parser.parse_args()
    print(description(), "\n")
    heads = [f"cores for {counted(count, 'GPU')} (projected)" for count in GPUS]
    names = ["texts", "tokens a text", "read, texts/s", "tokenize, texts/s", "both, texts/s"]
    print(f"| {' | '.join([*names, *heads])} |")
    print(f"|{'---|' * (len(names) + len(heads))}")
    for corpus in args.corpus:
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / "corpus.parquet"
            write_different(path, sample(corpus, args.column, 3000), args.rows)
            tokens, read, tokenize = in_own_process(rates, path, args.rows)
        both = 1 / (1 / read + 1 / tokenize)
        cores = [math.ceil(TEXTS_OF_A_GPU * count / both) for count in GPUS]
        name = corpus.stem if corpus else "docstrings"
        cells = [f"{tokens:.0f}", *(f"{rate:,.0f}" for rate in (read, tokenize, both)), *cores]
        print(f"| {name} | {' | '.join(map(str, cells))} |", flush=True)
    print(f"\nTexts are cut at {LENGTH} tokens; a GPU is taken for {TEXTS_OF_A_GPU:,} texts/s.")
    print("\n| shards | handed to Ray Data in, s | driver's peak MB |")
    print("|---|---|---|")
    for count in SHARDS:
        seconds, peak = in_own_process(hand_over, count)
        print(f"| {count:,} | {seconds:.1f} | {peak:,.0f} |", flush=True)


def write_different(path: Path, texts: list[str], rows: int) -> None:
    """Writes texts again and again, each made another one: equal ones are tokenized once."""
    numbered = [f"{texts[row % len(texts)]} {row}" for row in range(rows)]
    pq.write_table(pa.table({"text": numbered}), path, row_group_size=10_000)


def rates(path: Path, rows: int) -> tuple[float, float, float]:
    """Tokens a text, and the texts per second that a core reads and tokenizes."""
    from fnet_registry.presets.builtin import packaged_folder
    from fnet_registry.presets.checkpoint import read_checkpoint

    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # and so the tokenizer's process
    read = ReadShard(
        columns=Columns(text="text"),
        carried=pa.schema([("text", pa.string())]),
        reject_empty=False,
        windowing=Windowing(sequence_length=LENGTH),
        tokenizer_proto=read_checkpoint(packaged_folder(TOKENIZER), weights=False).tokenizer_proto
        or b"",
    )
    [file] = find_inputs(path)
    sharding = Sharding(
        inputs=(Input(file=file, parquet=str(path), rows=rows),), rows=rows, shard_rows=SHARD_ROWS
    )
    requests = ShardRequests([sharding], {})
    first, *others = [pa.Table.from_pylist([each]) for each in requests]
    read(first)
    tokens = seconds_to_read = seconds_to_tokenize = 0.0
    for request in others:
        _, tables = unpack(read(request))
        [took] = tables["reading"].to_pylist()
        seconds_to_read += took["read_seconds"]
        seconds_to_tokenize += took["tokenize_seconds"]
        tokens += pc.sum(pc.list_value_length(tables["windows"]["ids"])).as_py()
    count = rows - SHARD_ROWS
    return tokens / count, count / seconds_to_read, count / seconds_to_tokenize


def hand_over(shards: int) -> tuple[float, float]:
    """The seconds that the requests take to get to Ray Data, and the driver's peak MB."""
    import ray
    from ray.data import from_items

    ray.init(address="local", include_dashboard=False, log_to_driver=False)
    file = InputFile(path="corpus.parquet", format=PARQUET, size=1, version="1")
    rows = shards * SHARD_ROWS
    inputs = (Input(file=file, parquet=file.path, rows=rows),)
    with watched("EncodeShard") as peaks:
        started = time.perf_counter()
        requests = ShardRequests([Sharding(inputs=inputs, rows=rows, shard_rows=SHARD_ROWS)], {})
        dataset = from_items(requests, override_num_blocks=1000)  # type: ignore[arg-type]
        seconds = time.perf_counter() - started
        assert dataset.count() == shards
    ray.shutdown()
    return seconds, peaks.driver


if __name__ == "__main__":
    main()
