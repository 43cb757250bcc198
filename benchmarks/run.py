"""All benchmarks, one after the other, into `benchmarks/RESULTS.md`. Leave the machine alone.

python benchmarks/run.py [CORPUS.parquet …]
"""

import subprocess
import sys
from pathlib import Path

from machine import description

HERE = Path(__file__).parent


def runs(corpora: list[str]) -> dict[str, list[str]]:
    corpus = ["--corpus", *corpora] if corpora else []
    return {
        "Forward pass": ["forward.py", "--length", "512", "256", "128", "64"],
        "Texts to vectors": ["texts.py", *corpus],
        "What bit equality costs": ["equality.py"],
        "int8 weights over a corpus": ["quantization.py", *corpus],
        "Start": ["startup.py"],
        "Loading": ["loading.py"],
        "Weights that workers share": ["sharing.py"],
        "A registered model": ["serving.py"],
        "Servers under load": ["load.py"],
        "Cost": ["scaling.py"],
        "The two forms of the mixing": ["mixing.py"],
        "The embedding job": ["job.py"],
        "Search": ["search.py"],
        "Reuse": ["reuse.py"],
        "Tuning": ["tuning.py"],
    }


def main() -> None:
    machine = description()
    sections = [
        "# Benchmarks",
        machine,
        "Written by `make bench`. Speed of a virtual machine moves by some 20 % within minutes, so"
        " figures\ncompare within one table, where the contenders take turns.",
    ]
    for title, (script, *arguments) in runs(sys.argv[1:]).items():
        print(f"{title} …", flush=True)
        result = subprocess.run(
            [sys.executable, "-W", "ignore", HERE / script, *arguments],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        tables = result.stdout.replace(machine, "").strip()
        print(tables, flush=True)
        sections.append(f"## {title}\n\n{tables}")
        (HERE / "RESULTS.md").write_text("\n\n".join(sections) + "\n")


if __name__ == "__main__":
    main()
