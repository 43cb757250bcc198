"""A contender in a process of its own, driven over its standard streams.

A line in, a turn of runs, the seconds of one out; all contenders stay loaded and take turns, so
that each figure of a table belongs to the same minutes of the same machine.

    python benchmarks/process.py MODULE NAME PRESETS INPUT OUTPUT.npy
"""

import json
import os
import statistics
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from turns import seconds_of_a_turn


class Contender:
    """A contender's process, ready for its next run."""

    def __init__(self, module: str, name: str, presets: Path, given: Path, output: Path) -> None:
        self.name = name
        self.seconds: list[float] = []
        self._output = output
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", __file__, module, name, presets, given, output],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in, self._out = self._process.stdin, self._process.stdout
        self.runs = self._out.readline().strip() == "ready"

    def measure(self) -> None:
        self._in.write("go\n")
        self._in.flush()
        self.seconds.append(float(self._out.readline()))

    def median(self) -> float:
        return statistics.median(self.seconds)

    def output(self) -> np.ndarray:
        return np.load(self._output)

    def close(self) -> None:
        self._in.close()
        self._process.wait()


def lowest_cosine(exact: np.ndarray, values: np.ndarray) -> float:
    products = (exact * values).sum(-1)
    norms = np.linalg.norm(exact, axis=-1) * np.linalg.norm(values, axis=-1)
    return float((products / norms).min())


def main(module: str, name: str, presets: str, given: str, output: str) -> None:
    channel = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    run = import_module(module).CONTENDERS[name](Path(presets))
    inputs = read_input(Path(given))
    np.save(output, run(inputs))
    print("ready", file=channel)
    for _ in sys.stdin:
        print(seconds_of_a_turn(lambda: run(inputs)), file=channel)


def read_input(path: Path) -> Any:
    return np.load(path) if path.suffix == ".npy" else json.loads(path.read_text())


if __name__ == "__main__":
    main(*sys.argv[1:])
