"""What it costs that a text's vector is the same in any batch, by length.

    python benchmarks/equality.py

Beside the engine as it is, an engine that runs each batch as a whole, as if no text minded its
company. Both take turns.
"""

from collections.abc import Sequence

import torch
from machine import description
from models import BASE, without_tokenizer
from turns import sequences_per_second

from fnet_registry.engine.engine import Engine

LENGTHS = (64, 128, 256, 512)
BATCH = 8
ROUNDS = 7


class WholeBatches(Engine):
    """The engine without its promise: a batch is one group."""

    def _groups(self, ids: torch.Tensor) -> Sequence[torch.Tensor]:
        return [ids.to(self.device)]


def main() -> None:
    checkpoint = without_tokenizer(BASE)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    print(description(), "\n")
    print("| weights | length | equal bits, sequences/s | whole batches | equality costs |")
    print("|---|---|---|---|---|")
    for quantised in (False, True) if device == "cpu" else (False,):
        engines = [
            kind(checkpoint, device=device, quantised=quantised) for kind in (Engine, WholeBatches)
        ]
        for length in LENGTHS:
            equal, whole = sequences_per_second(engines, length=length, batch=BATCH, rounds=ROUNDS)
            cells = ("int8" if quantised else "float32", length, f"{equal:.2f}", f"{whole:.2f}")
            print(f"| {' | '.join(map(str, cells))} | {1 - equal / whole:+.1%} |", flush=True)
    print(f"\nBatches of {BATCH}, device {device}, median of {ROUNDS}; below zero, equality gains.")


if __name__ == "__main__":
    main()
