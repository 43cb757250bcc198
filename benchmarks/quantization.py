"""How far int8 weights lead a corpus's vectors away from float32.

    python benchmarks/quantization.py [--corpus FILE.parquet …] [--texts 1000] [--preset HANDLE]

Without a preset, the weights are random ones of the base shape.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from machine import description
from models import make_presets
from texts import sample

from fnet_registry import TextEncoder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, nargs="*", default=[None])
    parser.add_argument("--column", default="text")
    parser.add_argument("--texts", type=int, default=1000)
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--preset")
    args = parser.parse_args()
    print(description(), "\n")
    print("| corpus | texts | lowest cosine to float32 | 1st percentile | median |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        preset = args.preset or make_presets(Path(scratch))[0]
        exact, quantised = (
            TextEncoder.from_preset(preset, sequence_length=args.length, quantization=quantization)
            for quantization in (None, "int8")
        )
        for corpus in args.corpus:
            texts = sample(corpus, args.column, args.texts)
            vectors = [encoder.encode(texts, normalize=True) for encoder in (exact, quantised)]
            cosines = (vectors[0] * vectors[1]).sum(axis=1)
            figures = [cosines.min(), *np.percentile(cosines, [1, 50])]
            cells = " | ".join(f"{figure:.6f}" for figure in figures)
            name = corpus.stem if corpus else "docstrings"
            print(f"| {name} | {len(texts):,} | {cells} |", flush=True)
    weights = f"of {args.preset}" if args.preset else "random"
    print(f"\nMean pooling, length {args.length}, weights {weights}.")


if __name__ == "__main__":
    main()
