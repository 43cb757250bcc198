"""From a preset to vectors that answer questions, with the commands that a user would type.

    python examples/demo.py [PRESET]

Everything is written into `demo/`, which is emptied first. Without a preset handle, it takes the
preset that comes with the package; no network is needed.
"""

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from standard_library import parts, standard_library_docstrings

DEMO = Path(__file__).resolve().parents[1] / "demo"
PRESET = "f_net_mini_docs_en"
QUESTIONS = (
    "split a string like a Unix shell does",
    "how much space is left on the disk",
    "find the difference between two texts line by line",
)


def main(preset: str) -> None:
    started = time.perf_counter()
    shutil.rmtree(DEMO, ignore_errors=True)
    DEMO.mkdir()

    rows = list(standard_library_docstrings())
    write(rows, "corpus.parquet")
    say(f"corpus: {len(rows):,} docstrings of the Python standard library, demo/corpus.parquet")
    fnet("register", preset, "--name", "fnet")
    fnet("embed", "models:/fnet/1", "corpus.parquet", "embeddings", "--column", "text")
    for question in QUESTIONS:
        fnet("search", "embeddings", question, "-k", "3", "--show", "name")

    if preset == PRESET:  # large ones take hours to tune on a CPU
        tune(rows)

    say(f"done in {time.perf_counter() - started:.0f} s")
    print("     vectors     demo/embeddings/embeddings/*.parquet (pandas, pyarrow, DuckDB, polars)")
    print("     MLflow      demo/mlflow.db; look at it with")
    print(
        "                 cd demo && ../.venv/bin/mlflow ui --backend-store-uri sqlite:///mlflow.db"
    )


def tune(rows: Sequence[dict[str, str]]) -> None:
    pairs = list(summaries(rows))
    write(pairs, "pairs.parquet")
    say(f"pairs: {len(pairs):,} docstrings' first paragraphs and the rest of each")
    fnet("tune", "models:/fnet/1", "pairs.parquet", "--name", "fnet", "--epochs", "3")


def summaries(rows: Sequence[dict[str, str]]) -> Iterator[dict[str, str]]:
    """Pair each docstring's first paragraph with what follows it."""
    for row in rows:
        if both := parts(row["text"]):
            yield dict(zip(("anchor", "positive"), both, strict=True))


def write(rows: Sequence[dict[str, str]], name: str) -> None:
    pq.write_table(pa.Table.from_pylist(list(rows)), DEMO / name)


def absolute_if_local(preset: str) -> str:
    """The commands run inside `demo/`; a folder named on the command line lies outside."""
    return str(Path(preset).resolve()) if Path(preset).is_dir() else preset


def fnet(*arguments: str) -> None:
    say(shlex.join(["fnet", *arguments]))
    environment = {**os.environ, "MLFLOW_TRACKING_URI": "sqlite:///mlflow.db"}
    command = [str(Path(sys.executable).with_name("fnet")), *arguments]
    status = subprocess.run(command, cwd=DEMO, env=environment, check=False).returncode
    if status:
        sys.exit(status)


def say(line: str) -> None:
    print(f"\n>>>  {line}", flush=True)


if __name__ == "__main__":
    main(absolute_if_local(sys.argv[1]) if len(sys.argv) > 1 else PRESET)
