"""Process start → first vector from a base-size preset on a local disk: time and peak memory.

    python benchmarks/startup.py

Each run is a process of its own; the contenders take turns.
"""

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from machine import description
from models import make_presets

ROUNDS = 3
REPORT = """
import re, time; from pathlib import Path
print("REPORT", time.time(),
    re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""
OURS = """
from fnet_registry import TextEncoder
encoder = TextEncoder.from_preset({preset!r})
assert encoder.encode(["a text"]).shape == (1, 768)
"""
KERASHUB = """
import keras_hub
backbone = keras_hub.models.FNetBackbone.from_preset({preset!r})
preprocessor = keras_hub.models.FNetTextClassifierPreprocessor.from_preset(
    {preset!r}, sequence_length=512)
outputs = backbone(preprocessor(["a text"]))
assert tuple(outputs["pooled_output"].shape) == (1, 768)
"""
MLFLOW = """
import mlflow
model = mlflow.pyfunc.load_model({model!r})
assert model.predict(["a text"]).shape == (1, 768)
"""
PARTS = """
import time
begun = time.perf_counter()
import mlflow, mlflow.pyfunc, fnet_mlflow
imported, load = time.perf_counter(), fnet_mlflow._load_pyfunc
def timed(*args):
    global opening
    started = time.perf_counter()
    model = load(*args)
    opening = time.perf_counter() - started
    return model
fnet_mlflow._load_pyfunc = timed
model = mlflow.pyfunc.load_model({model!r})
loaded = time.perf_counter()
model.predict(["a text"])
print("PARTS", imported - begun, loaded - imported - opening, opening, time.perf_counter() - loaded)
"""
PART_NAMES = (
    "import mlflow",
    "MLflow's own part of load_model: it compares requirements with all that is installed",
    "ours: import torch, check digests, pack weights",
    "the first vector",
)
SAVE = """
import fnet_mlflow
fnet_mlflow.save_model({preset!r}, {model!r})
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        preset, _ = make_presets(Path(scratch) / "presets")
        names = {"preset": str(preset), "model": f"{scratch}/model"}
        run(SAVE.format(**names), {})
        contenders = {
            "fnet-registry, TextEncoder.from_preset": (OURS, {}),
            "fnet-registry, mlflow.pyfunc.load_model": (MLFLOW, {}),
            **{
                f"KerasHub on {backend}": (KERASHUB, {"KERAS_BACKEND": backend})
                for backend in ("torch", "jax", "tensorflow")
            },
        }
        results: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
        for _ in range(ROUNDS):
            for name, (program, environment) in contenders.items():
                results[name].append(run(program.format(**names), environment))
        parts = [printed(PARTS.format(**names), {}, "PARTS") for _ in range(ROUNDS)]
    print(table(results))
    print(parts_table(parts))


def run(program: str, environment: dict[str, str]) -> tuple[float, float]:
    """Seconds from process start to the program's last line, and its peak memory in MB."""
    started = time.time()
    ended, peak = printed(program + REPORT, environment, "REPORT")
    return ended - started, peak / 1024


def printed(program: str, environment: dict[str, str], word: str) -> list[float]:
    """The numbers of the line that a program prints after a word."""
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(rf"^{word} (.+)$", result.stdout, re.MULTILINE)
    if found is None:
        raise RuntimeError(result.stderr)
    return [float(number) for number in found[1].split()]


def table(results: dict[str, Sequence[tuple[float, float]]]) -> str:
    medians = {
        name: tuple(map(statistics.median, zip(*runs, strict=True)))
        for name, runs in results.items()
    }
    peers = [medians[name] for name in medians if name.startswith("KerasHub")]
    best_time, best_peak = (min(values) for values in zip(*peers, strict=True))
    lines = [
        description(),
        "",
        "| process start → first vector | s | of the best peer | peak MB | of the best peer |",
        "|---|---|---|---|---|",
        *(
            f"| {name} | {seconds:.2f} | {seconds / best_time:.2f}"
            f" | {peak:,.0f} | {peak / best_peak:.2f} |"
            for name, (seconds, peak) in medians.items()
        ),
    ]
    return "\n".join(lines)


def parts_table(parts: Sequence[Sequence[float]]) -> str:
    medians = map(statistics.median, zip(*parts, strict=True))
    lines = [
        f"| {name} | {seconds:.2f} |" for name, seconds in zip(PART_NAMES, medians, strict=True)
    ]
    return "\n".join(["", "| of `mlflow.pyfunc.load_model` | s |", "|---|---|", *lines])


if __name__ == "__main__":
    main()
