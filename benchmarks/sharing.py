"""What a further worker on a node costs in memory, and what sharing weights costs in speed.

    python benchmarks/sharing.py

All engines stand on the same arrays, as the workers of a job do, and take turns.
"""

import ctypes
import statistics
import time

import psutil
import torch
from machine import description
from models import BASE, without_tokenizer

from fnet_registry import Checkpoint
from fnet_registry.engine.engine import Engine
from fnet_registry.engine.layout import laid_out_for_engine

LENGTHS = (64, 128, 256, 512)
BATCH = 8
ROUNDS = 11


def main() -> None:
    as_stored = without_tokenizer(BASE)
    shared = laid_out_for_engine(as_stored)
    engines: dict[str, tuple[Engine, float]] = {
        "float32, shared": with_its_memory(shared),
        "float32, packed by each worker": with_its_memory(as_stored),
        "int8, packed by each worker": with_its_memory(shared, quantised=True),
    }
    print(description(), "\n")
    lengths = " | ".join(f"sequences/s at {length}" for length in LENGTHS)
    print(f"| weights | a worker's own, MB | {lengths} |")
    print(f"|---|---|{'---|' * len(LENGTHS)}")
    speeds = [rates([engine for engine, _ in engines.values()], length) for length in LENGTHS]
    for row, (name, (_, memory)) in enumerate(engines.items()):
        cells = [f"{speed[row]:.2f}" for speed in speeds]
        print(f"| {name} | {memory:,.0f} | {' | '.join(cells)} |")
    print(f"\nBatches of {BATCH}, median of {ROUNDS}.")


def with_its_memory(checkpoint: Checkpoint, *, quantised: bool = False) -> tuple[Engine, float]:
    """An engine, and the megabytes by which it made the process grow."""
    before = resident()
    engine = Engine(checkpoint, quantised=quantised)
    return engine, (resident() - before) / 2**20


def resident() -> int:
    """Bytes in use, without those that were freed but not given back."""
    ctypes.CDLL(None).malloc_trim(0)
    return psutil.Process().memory_info().rss


def rates(engines: list[Engine], length: int) -> list[float]:
    ids = torch.randint(BASE.vocabulary_size, (BATCH, length))
    taken: list[list[float]] = [[] for _ in engines]
    for _ in range(1 + ROUNDS):
        for engine, seconds in zip(engines, taken, strict=True):
            started = time.perf_counter()
            engine.sequence_outputs(ids)
            seconds.append(time.perf_counter() - started)
    return [BATCH / statistics.median(seconds[1:]) for seconds in taken]


if __name__ == "__main__":
    main()
