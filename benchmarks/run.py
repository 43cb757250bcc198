"""All benchmarks, one after the other, into `benchmarks/results/`. Leave the machine alone.

python benchmarks/run.py [CORPUS.parquet …] [--only TITLE …]

Each kind of processor has a file of its own there, and each benchmark a section of it, which the
next run on such a processor writes anew.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

from machine import description, processor

HERE = Path(__file__).parent
RESULTS = HERE / "results"
LABELS = "Tuning by labels"
"""Runs where there is a corpus, which must have a column `label`."""


def runs(corpora: list[str]) -> dict[str, list[str]]:
    corpus = ["--corpus", *corpora] if corpora else []
    return {
        "Forward pass": ["forward.py", "--length", "512", "256", "128", "64"],
        "Forward pass of a small model": [
            *("forward.py", "--shape", "small", "--batch", "64"),
            *("--length", "128", "64"),
        ],
        "Texts to vectors": ["texts.py", *corpus],
        "What bit equality costs": ["equality.py"],
        "int8 weights over a corpus": ["quantization.py", *corpus],
        "Start": ["startup.py"],
        "The first seconds of a job": ["timeline.py"],
        "The first seconds of a job on Ray": ["timeline.py", "--rows", "50000"],
        "Loading": ["loading.py"],
        "Weights that workers share": ["sharing.py"],
        "A registered model": ["serving.py"],
        "Servers under load": ["load.py"],
        "Cost": ["scaling.py"],
        "The two forms of the mixing": ["mixing.py"],
        "The embedding job": ["job.py"],
        "Feeding GPUs": ["feeding.py", *corpus],
        "Search": ["search.py"],
        "Reuse": ["reuse.py"],
        "Tuning": ["tuning.py"],
        LABELS: ["labels.py", *corpora[:1]],
    }


def results_file() -> Path:
    name = re.sub(r"\(r\)|processor|cpu|avx2|avx512f|@.*?ghz", "", processor().lower())
    return RESULTS / f"{'-'.join(re.findall(r'[a-z0-9_]+', name))}.md"


def sections(path: Path) -> dict[str, str]:
    """The sections that stand in a file, by title."""
    text = path.read_text() if path.exists() else ""
    parts = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)[1:]
    return {title: body.strip() for title, body in zip(parts[::2], parts[1::2], strict=True)}


def write(path: Path, found: dict[str, str]) -> None:
    body = [f"## {title}\n\n{found[title]}" for title in runs([]) if title in found]
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n\n".join([f"# {processor()}", *body]) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpora", nargs="*", help="Parquet files with a column of texts")
    parser.add_argument("--only", nargs="+", metavar="TITLE")
    args = parser.parse_args()
    machine, path = description(), results_file()
    for title in args.only or [each for each in runs([]) if args.corpora or each != LABELS]:
        script, *arguments = runs(args.corpora)[title]
        print(f"{title} …", flush=True)
        result = subprocess.run(
            [sys.executable, "-W", "ignore", HERE / script, *arguments],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        tables = result.stdout.replace(machine, "").strip()
        print(tables, flush=True)
        write(path, {**sections(path), title: f"{machine}\n\n{tables}"})


if __name__ == "__main__":
    main()
