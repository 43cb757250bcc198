"""What a further worker on a node costs in memory, and what sharing weights costs in speed.

    python benchmarks/sharing.py

All engines stand on the same arrays, as the workers of a job do, and take turns.
"""

import ctypes

import psutil
from machine import description
from models import BASE, without_tokenizer
from turns import sequences_per_second

from fnet_registry import Checkpoint
from fnet_registry.engine.engine import Engine
from fnet_registry.engine.layout import laid_out_for_engine

LENGTHS = (64, 128, 256, 512)
BATCH = 8
ROUNDS = 7


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
    speeds = [
        sequences_per_second(
            [engine for engine, _ in engines.values()], length=length, batch=BATCH, rounds=ROUNDS
        )
        for length in LENGTHS
    ]
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


if __name__ == "__main__":
    main()
