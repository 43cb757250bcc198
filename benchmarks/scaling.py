"""How cost grows with length, batch and depth on this machine, and what many such would do.

    python benchmarks/scaling.py

Rates are measured; what several machines would do in a day is projected from them.
"""

import statistics
import time
from dataclasses import replace

import torch
from machine import description
from models import BASE, random_weights

from fnet_registry import Checkpoint
from fnet_registry.engine.engine import Engine

LENGTHS = (64, 128, 256, 512)
DEPTHS = (6, 12, 24)
BATCHES = (1, 8, 32)
ROUNDS = 3
SECONDS_PER_DAY = 86_400


def main() -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    print(description(), "\n")
    print("| layers | length | batch | rows/s (measured) | rows/day (projected) |")
    print("|---|---|---|---|---|")
    for depth in DEPTHS:
        config = replace(BASE, num_layers=depth)
        checkpoint = Checkpoint(
            config=config, arrays=random_weights(config), tokenizer_proto=None, dtype="float32"
        )
        engine = Engine(checkpoint, device=device)
        for length in LENGTHS:
            for batch in BATCHES if (depth, length) == (12, 512) else (8,):
                speed = rate(engine, length, batch)
                per_day = speed * SECONDS_PER_DAY
                print(
                    f"| {depth} | {length} | {batch} | {speed:.2f} | {per_day:,.0f} |", flush=True
                )
    print(
        "\nRows wait for nothing but their own products, so N machines do N times the rows of one"
        " as long as reading and writing keep up; a billion rows cost"
        " `1e9 / (rows/s * 3600) * price of one machine per hour`."
    )


def rate(engine: Engine, length: int, batch: int) -> float:
    ids = torch.randint(engine.config.vocabulary_size, (batch, length))
    engine.sequence_outputs(ids)
    seconds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        engine.sequence_outputs(ids).cpu()
        seconds.append(time.perf_counter() - started)
    return batch / statistics.median(seconds)


if __name__ == "__main__":
    main()
