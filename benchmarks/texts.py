"""Texts to vectors, end to end: texts per second of every contender, at equal lengths.

    python benchmarks/texts.py [--corpus FILE.parquet] [--length 128 512] [--texts 32]

Without a corpus, the docstrings of the Python standard library are taken.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from machine import description
from models import make_presets
from process import Contender, lowest_cosine
from text_contenders import CONTENDERS


def compare(corpus: str, texts: list[str], length: int, rounds: int) -> str:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        make_presets(folder / "presets")
        (folder / "given.json").write_text(json.dumps({"texts": texts, "length": length}))
        contenders = [
            Contender(
                "text_contenders",
                name,
                folder / "presets",
                folder / "given.json",
                folder / f"{number}.npy",
            )
            for number, name in enumerate(CONTENDERS)
        ]
        running = [contender for contender in contenders if contender.runs]
        for _ in range(rounds):
            for contender in running:
                contender.measure()
        exact = running[0].output()
        peers = [c.median() for c in running if c.name.startswith(("KerasHub", "Transformers"))]
        lines = [
            f"| {c.name} | {len(texts) / c.median():.2f} | {min(peers) / c.median():.2f}"
            f" | {lowest_cosine(exact, c.output()):.6f} |"
            for c in running
        ]
        lines += [f"| {c.name} | fails | | |" for c in contenders if not c.runs]
        for contender in contenders:
            contender.close()
    head = [
        f"### {corpus}: {len(texts)} texts, length {length}, median of {rounds}",
        "",
        "| texts → vectors | texts/s | of the fastest peer | lowest cosine to the first |",
        "|---|---|---|---|",
    ]
    return "\n".join([*head, *lines, ""])


def sample(corpus: Path | None, column: str, count: int) -> list[str]:
    if corpus is None:
        sys.path.append(str(Path(__file__).parents[1] / "examples"))
        from standard_library import standard_library_docstrings

        texts = [row["text"] for row in standard_library_docstrings()]
    else:
        import pyarrow.parquet as pq

        texts = pq.read_table(corpus, columns=[column])[column].to_pylist()
    chosen = np.random.default_rng(0).choice(len(texts), size=count, replace=False)
    return [texts[index] for index in sorted(chosen)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, nargs="*", default=[None])
    parser.add_argument("--column", default="text")
    parser.add_argument("--length", type=int, nargs="+", default=[128, 512])
    parser.add_argument("--texts", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    print(description(), "\n")
    for corpus in args.corpus:
        name = corpus.stem if corpus else "docstrings"
        texts = sample(corpus, args.column, args.texts)
        for length in args.length:
            print(compare(name, texts, length, args.rounds), flush=True)
    print(
        "Transformers' own FNetTokenizer cuts texts otherwise than SentencePiece does; its padded"
        " lengths are equal.\nsentence-transformers pads to the longest text of a batch, buckets"
        " to the smallest declared length: less work,\nand other vectors."
    )


if __name__ == "__main__":
    main()
