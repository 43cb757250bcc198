"""How cost grows with length, batch, depth and threads, and what many such machines would do.

    python benchmarks/scaling.py

Rates are measured; what a machine would do in a day is projected from them.
"""

from dataclasses import replace

import torch
from machine import description
from models import BASE, without_tokenizer
from turns import sequences_per_second

from fnet_registry.engine.engine import Engine

LENGTHS = (64, 128, 256, 512)
BATCHES = (1, 4, 8, 32)
OTHER_DEPTHS = (6, 24)
TYPICAL = (8, 512)
ROUNDS = 3
SECONDS_PER_DAY = 86_400


def main() -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    threads = torch.get_num_threads()
    batch, length = TYPICAL
    print(description(), "\n")
    print("| layers | length | batch | threads | rows/s (measured) | rows/day (projected) |")
    print("|---|---|---|---|---|---|")
    engine = make_engine(BASE.num_layers, device)
    for each_length in LENGTHS:
        for each_batch in BATCHES:
            show(engine, each_length, each_batch)
    for fewer in range(1, threads if device == "cpu" else 1):
        torch.set_num_threads(fewer)
        show(engine, length, batch)
    torch.set_num_threads(threads)
    for depth in OTHER_DEPTHS:
        show(make_engine(depth, device), length, batch)
    print(
        "\nOne machine is full where a larger batch is no faster. Texts wait for nothing but their"
        " own products,\nso N machines do N times the rows of one as long as reading and writing"
        " keep up; a billion rows cost\n`1e9 / (rows/s * 3600) * price of one machine per hour`."
    )


def make_engine(depth: int, device: str) -> Engine:
    return Engine(without_tokenizer(replace(BASE, num_layers=depth)), device=device)


def show(engine: Engine, length: int, batch: int) -> None:
    [speed] = sequences_per_second([engine], length=length, batch=batch, rounds=ROUNDS)
    cells = (engine.config.num_layers, length, batch, torch.get_num_threads(), f"{speed:.2f}")
    print(f"| {' | '.join(map(str, cells))} | {speed * SECONDS_PER_DAY:,.0f} |", flush=True)


if __name__ == "__main__":
    main()
