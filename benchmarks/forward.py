"""Forward pass: sequences per second of every contender, measured in turn, at equal work.

python benchmarks/forward.py [--shape base] [--length 512] [--batch 8] [--rounds 9]
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from forward_contenders import CONTENDERS
from machine import description
from models import SHAPES, make_presets
from process import Contender, lowest_cosine

DTYPES = ("float32", "bfloat16", "int8")


def compare(shape: str, length: int, batch: int, rounds: int, only: str = "") -> str:
    """Measures one length; the table says how far each output lies from the first contender's."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        config = SHAPES[shape]
        make_presets(folder / "presets", config)
        ids = np.random.default_rng(0).integers(config.vocabulary_size, size=(batch, length))
        np.save(folder / "ids.npy", ids.astype("int32"))
        contenders = [
            Contender(
                "forward_contenders",
                name,
                folder / "presets",
                folder / "ids.npy",
                folder / f"{number}.npy",
            )
            for number, name in enumerate(CONTENDERS)
            if only in name
        ]
        running = [contender for contender in contenders if contender.runs]
        for _ in range(rounds):
            for contender in running:
                contender.measure()
        lines = [row(contender, running, batch) for contender in running]
        missing = [f"| {c.name} | fails | | | |" for c in contenders if not c.runs]
        for contender in contenders:
            contender.close()
    head = [
        f"### {config.num_layers} layers of {config.hidden_dim}, length {length}, batch {batch},"
        f" median of {rounds}",
        "",
        "| forward pass | sequences/s | of the fastest float32 peer | of the limit at its dtype"
        " | lowest cosine to float32 |",
        "|---|---|---|---|---|",
    ]
    return "\n".join([*head, *lines, *missing, ""])


def row(contender: Contender, running: list[Contender], batch: int) -> str:
    speed = rate(contender, batch)
    dtype = next(dtype for dtype in DTYPES if dtype in contender.name)
    peers = [rate(c, batch) for c in running if is_peer(c.name) and "float32" in c.name]
    limits = [rate(c, batch) for c in running if c.name.startswith("limit") and dtype in c.name]
    of_peers = f"{speed / max(peers):.2f}" if peers else ""
    of_limit = f"{speed / max(limits):.0%}" if limits else ""
    cells = (contender.name, f"{speed:.2f}", of_peers, of_limit, cosine(contender, running))
    return f"| {' | '.join(cells)} |"


def rate(contender: Contender, batch: int) -> float:
    return batch / contender.median()


def is_peer(name: str) -> bool:
    return name.startswith(("KerasHub", "Transformers"))


def cosine(contender: Contender, running: list[Contender]) -> str:
    if contender.name.startswith("limit"):
        return ""
    return f"{lowest_cosine(running[0].output(), contender.output()):.6f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", choices=SHAPES, default="base")
    parser.add_argument("--length", type=int, nargs="+", default=[512])
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", default="", help="contenders whose name holds this")
    args = parser.parse_args()
    print(description(), "\n")
    for length in args.length:
        print(compare(args.shape, length, args.batch, args.rounds, args.only), flush=True)


if __name__ == "__main__":
    main()
