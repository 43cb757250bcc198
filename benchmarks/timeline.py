"""What `fnet embed` of a hundred rows does when, from the prompt to its end, as a table with bars.

    python benchmarks/timeline.py [--preset f_net_mini_docs_en] [--rounds 3]

A process of its own for each round; the median round is shown.
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

ROWS, WIDTH = 100, 50
Spans = list[tuple[str, float, float]]

FUNCTIONS = {
    "find_inputs": "find the inputs",
    "resolve_model": "read the model",
    "reach_server": "import mlflow, reach its server",
    "live_nodes": "ask for the nodes",
    "shard_inputs": "count rows",
    "share_model": "share the weights",
    "make_report": "sum up",
    "log_page": "draw the page",
}
METHODS = {
    "_start": "Ray starts",
    "_stop": "Ray stops",
}


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
    from fnet_ray.cluster import runtime

    spans.append(("import the command", started, time.time()))
    runtime.quieten_ray = watched(spans, "import ray.data", runtime.quieten_ray)
    started = time.time()
    import fnet_ray.embedding as job
    from fnet_ray.stages.pipeline import Pipeline

    spans.append(("import the job", started, time.time()))
    for name, label in FUNCTIONS.items():
        setattr(job, name, watched(spans, label, getattr(job, name)))
    job.tracked = watched_context(spans, "open the MLflow run", job.tracked)
    for name, label in METHODS.items():
        method = watched(spans, label, getattr(runtime.RayCluster, name))
        setattr(runtime.RayCluster, name, method)
    commits = Pipeline.run

    def first(self: Pipeline, **kwargs: Any) -> Iterator[Any]:
        started = time.time()
        for commit in commits(self, **kwargs):
            spans.append(("start workers, read, encode, commit", started, time.time()))
            yield commit
            started = time.time()
        spans.append(("stop the workers", started, time.time()))

    Pipeline.run = first  # type: ignore[method-assign]
    assert main(["embed", *arguments]) == 0
    return spans


def rounds(preset: str, number: int) -> list[Spans]:
    found = []
    with tempfile.TemporaryDirectory() as scratch:
        corpus = Path(scratch) / "corpus.txt"
        corpus.write_text("".join(f"text number {i} of a corpus\n" for i in range(ROWS)))
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
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    print(description(), "\n")
    found = sorted(rounds(args.preset, args.rounds), key=lambda spans: spans[-1][2] - spans[-1][1])
    print(table(found[len(found) // 2]))


if __name__ == "__main__":
    main()
