"""From weights on a local disk to an engine that is ready: formats, and ways to read them.

    python benchmarks/loading.py

Each run is a process of its own, its imports not counted; the ways take turns.
"""

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from machine import description
from models import make_presets

ROUNDS = 5
MAPPED = "from fnet_registry.presets.checkpoint import read_checkpoint as read"
COPIED = """
import numpy as np
from dataclasses import replace
from fnet_registry.presets.checkpoint import read_checkpoint
def read(folder):
    checkpoint = read_checkpoint(folder)
    copies = {name: np.array(values, copy=True) for name, values in checkpoint.arrays.items()}
    return replace(checkpoint, arrays=copies)
"""
TIMED = """
import re, time, torch
from pathlib import Path
from fnet_registry.engine.engine import Engine
{read}
ids = torch.zeros(1, 512, dtype=torch.int64)
torch.ops.mkldnn._linear_pointwise(torch.ones(2, 8), torch.ones(8, 8), None, "none", [], "")
started = time.perf_counter()
engine = Engine(read(Path({folder!r})))
loaded = time.perf_counter()
engine.first_outputs(ids)
peak = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]
print(loaded - started, time.perf_counter() - loaded, peak)
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        hdf5, safetensors = map(str, make_presets(Path(scratch) / "presets"))
        ways = {
            "HDF5 of KerasHub, mapped": (MAPPED, hdf5),
            "HDF5 of KerasHub, copied": (COPIED, hdf5),
            "safetensors of Transformers": (MAPPED, safetensors),
        }
        runs: dict[str, list[list[float]]] = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for name, (read, folder) in ways.items():
                runs[name].append(run(TIMED.format(read=read, folder=folder)))
    print(description(), "\n")
    print("| weights | engine ready, s | first pass, s | peak MB |")
    print("|---|---|---|---|")
    for name, taken in runs.items():
        load, first, peak = map(statistics.median, zip(*taken, strict=True))
        print(f"| {name} | {load:.2f} | {first:.2f} | {peak / 1024:,.0f} |")


def run(program: str) -> list[float]:
    command = [sys.executable, "-W", "ignore", "-c", program]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return [float(value) for value in result.stdout.split()]


if __name__ == "__main__":
    main()
