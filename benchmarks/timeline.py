"""What `fnet embed` of a few rows does when, from the prompt to its end, as a table with bars.

    python benchmarks/timeline.py [--preset f_net_mini_docs_en] [--rows 100] [--rounds 3]

A process of its own for each round; the median round is shown. 50,000 rows go through Ray.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from machine import description

WIDTH = 50
Spans = list[tuple[str, float, float]]

FUNCTIONS = {
    "find_inputs": "find the inputs",
    "resolve_model": "read the model",
    "reach_server": "import mlflow, reach its server",
    "shard_inputs": "count rows",
    "share_model": "share the weights",
    "make_report": "sum up",
    "log_page": "draw the page",
}
RAY_METHODS = {"_start": "Ray starts", "_stop": "Ray stops"}


def watched(spans: Spans, name: str, function: Any) -> Any:
    def call(*args: Any, **kwargs: Any) -> Any:
        started = time.time()
        try:
            return function(*args, **kwargs)
        finally:
            spans.append((name, started, time.time()))

    return call


def watched_context(spans: Spans, name: str, context: Any) -> Any:
    @contextmanager
    def entering(*args: Any, **kwargs: Any) -> Iterator[Any]:
        started = time.time()
        with context(*args, **kwargs) as value:
            spans.append((name, started, time.time()))
            yield value
            started = time.time()
        spans.append((f"{name}: end", started, time.time()))

    return entering


def run(began: float, arguments: list[str]) -> Spans:
    """Runs `fnet embed` in this process."""
    spans: Spans = [("start Python", began, time.time())]
    started = time.time()
    from fnet_cli.main import main
    from fnet_ray.cluster.runtime import RayCluster

    spans.append(("import the command", started, time.time()))
    started = time.time()
    import fnet_ray.embedding as job
    from fnet_ray.stages.workforce import Workforce

    spans.append(("import the job", started, time.time()))
    for name, label in FUNCTIONS.items():
        setattr(job, name, watched(spans, label, getattr(job, name)))
    job.tracked = watched_context(spans, "open the MLflow run", job.tracked)
    for name, label in RAY_METHODS.items():
        setattr(RayCluster, name, watched(spans, label, getattr(RayCluster, name)))
    waiting = watched(spans, "wait for a worker, or Ray", Workforce.choose_pool)
    Workforce.choose_pool = waiting  # type: ignore[method-assign]
    commits = Workforce.run

    def first(self: Workforce, *args: Any, **kwargs: Any) -> Iterator[Any]:
        started, doing = time.time(), "read, encode, commit the first shard"
        for commit in commits(self, *args, **kwargs):
            spans.append((doing, started, time.time()))
            yield commit
            started, doing = time.time(), "another shard"
        spans.append(("stop the workers", started, time.time()))

    Workforce.run = first  # type: ignore[method-assign]
    assert main(["embed", *arguments]) == 0
    return spans


def rounds(preset: str, rows: int, number: int) -> list[Spans]:
    found = []
    with tempfile.TemporaryDirectory() as scratch:
        corpus = Path(scratch) / "corpus.txt"
        corpus.write_text("".join(f"text number {i} of a corpus\n" for i in range(rows)))
        environment = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{scratch}/mlflow.db"}
        for i in range(number + 1):  # the first makes the database and warms the disk's cache
            began = time.time()
            command = [sys.executable, __file__, "--child", str(began), preset, str(corpus)]
            result = subprocess.run(
                [*command, f"{scratch}/out{i}"],
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            if result.returncode:
                raise RuntimeError(result.stderr)
            spans = json.loads(result.stdout.splitlines()[-1])
            found.append([*spans, ["all", began, time.time()]])
    return found[1:]


def table(spans: Spans) -> str:
    *parts, (_, began, ended) = spans
    scale = WIDTH / (ended - began)
    lines = [f"| {'what':40} | from, s | for, s | |", "|---|---|---|---|"]
    for name, start, end in sorted(parts, key=lambda span: span[1]):
        bar = " " * int((start - began) * scale) + "█" * max(1, round((end - start) * scale))
        lines.append(f"| {name:40} | {start - began:.2f} | {end - start:.2f} | `{bar:{WIDTH}}` |")
    return "\n".join([*lines, f"| all | 0.00 | {ended - began:.2f} | |"])


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        print(json.dumps(run(float(sys.argv[2]), sys.argv[3:])))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default="f_net_mini_docs_en")
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    print(description(), "\n")
    timed = rounds(args.preset, args.rows, args.rounds)
    found = sorted(timed, key=lambda spans: spans[-1][2] - spans[-1][1])
    print(table(found[len(found) // 2]))


if __name__ == "__main__":
    main()
