"""From a preset to embeddings, with the commands that a user would type.

    python examples/demo.py [PRESET]

Everything is written into `demo/`, which is emptied first. Without a preset handle, a small one is
made on the spot: its tokenizer is trained on the corpus, its weights are random and untrained.
"""

import io
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import sentencepiece
from docstrings import standard_library_docstrings

from fnet_registry import FNetBackbone, FNetTokenizer
from fnet_registry.model.keras_backend import keras

DEMO = Path(__file__).resolve().parents[1] / "demo"
SPECIAL_PIECES = ["<pad>", "[CLS]", "[SEP]", "[MASK]"]


def main(preset: str | None) -> None:
    started = time.perf_counter()
    shutil.rmtree(DEMO, ignore_errors=True)
    DEMO.mkdir()

    texts = write_corpus(DEMO / "corpus.parquet")
    say(f"corpus: {len(texts):,} docstrings of the Python standard library, demo/corpus.parquet")
    if preset is None:
        make_preset(texts, DEMO / "preset")
        preset = "./preset"
        say("preset: demo/preset, a tokenizer trained on the corpus and RANDOM, UNTRAINED weights:")
        print("     its vectors show how things work and mean nothing")
    else:
        preset = absolute_if_local(preset)

    fnet("register", preset, "--name", "fnet")
    fnet("embed", "models:/fnet/1", "corpus.parquet", "embeddings", "--column", "text")

    table = pq.read_table(DEMO / "embeddings" / "embeddings")
    show(table)
    say(f"done in {time.perf_counter() - started:.0f} s")
    print("     table       demo/embeddings/embeddings/*.parquet (pandas, pyarrow, DuckDB, polars)")
    print("     MLflow      demo/mlflow.db; look at it with")
    print(
        "                 cd demo && ../.venv/bin/mlflow ui --backend-store-uri sqlite:///mlflow.db"
    )


def write_corpus(path: Path) -> list[str]:
    rows = list(standard_library_docstrings())
    pq.write_table(pa.Table.from_pylist(rows), path)
    return [row["text"] for row in rows]


def make_preset(texts: Sequence[str], folder: Path) -> None:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts),
        model_writer=model,
        vocab_size=4000,
        model_type="bpe",
        control_symbols=SPECIAL_PIECES,
        max_sentence_length=16384,
        minloglevel=2,
    )
    keras.utils.set_random_seed(0)
    backbone = FNetBackbone(
        vocabulary_size=4000,
        num_layers=4,
        hidden_dim=128,
        intermediate_dim=512,
        max_sequence_length=128,
    )
    backbone.save_to_preset(folder)
    FNetTokenizer(model.getvalue()).save_to_preset(folder)


def absolute_if_local(preset: str) -> str:
    """The commands run inside `demo/`; a folder named on the command line lies outside."""
    return str(Path(preset).resolve()) if Path(preset).is_dir() else preset


def fnet(*arguments: str) -> None:
    say("fnet " + " ".join(arguments))
    environment = {**os.environ, "MLFLOW_TRACKING_URI": "sqlite:///mlflow.db"}
    command = [str(Path(sys.executable).with_name("fnet")), *arguments]
    status = subprocess.run(command, cwd=DEMO, env=environment, check=False).returncode
    if status:
        sys.exit(status)


def show(table: pa.Table) -> None:
    say(f"embeddings: {table.num_rows:,} rows of {table.schema.field('embedding').type}")
    for row in table.slice(0, 3).to_pylist():
        vector = ", ".join(f"{value:+.3f}" for value in row["embedding"][:4])
        print(f"     {row['name'][:40]:40}  [{vector}, …]")


def say(line: str) -> None:
    print(f"\n>>>  {line}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
