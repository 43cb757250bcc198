"""All benchmarks, one after the other, into `benchmarks/RESULTS.md`. Leave the machine alone."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
RUNS = {
    "Forward pass": ["forward.py", "--length", "512", "256", "128", "64"],
    "Texts to vectors": ["texts.py", *sys.argv[1:]],
    "Start": ["startup.py"],
    "A registered model": ["serving.py"],
    "Cost": ["scaling.py"],
    "The two forms of the mixing": ["mixing.py"],
    "The embedding job": ["job.py"],
}


def main() -> None:
    sections = ["# Benchmarks", "", "Written by `make bench`; figures compare within one table."]
    for title, (script, *arguments) in RUNS.items():
        print(f"{title} …", flush=True)
        result = subprocess.run(
            [sys.executable, "-W", "ignore", HERE / script, *arguments],
            capture_output=True,
            text=True,
            check=True,
        )
        sections += ["", f"## {title}", "", result.stdout.strip()]
        (HERE / "RESULTS.md").write_text("\n".join(sections) + "\n")
        print(result.stdout)


if __name__ == "__main__":
    main()
