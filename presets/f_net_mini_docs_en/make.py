"""Makes the preset that comes with the package, and goes on where it was stopped.

    python presets/f_net_mini_docs_en/make.py

It fetches the archives of `packages.txt`, makes pairs of their docstrings, trains a start, tunes it
with `fnet tune`, and writes `fnet_registry/presets/packaged/f_net_mini_docs_en`. What is on the way
lies in `build/f_net_mini_docs_en`.
"""

import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "examples"))

from pairs import write_pairs  # noqa: E402  (they read the examples' docstrings)
from retrieval import measure  # noqa: E402
from start import write_start  # noqa: E402

import fnet_registry  # noqa: E402
from fnet_ray.model import resolve_model  # noqa: E402
from fnet_registry import TextEncoder  # noqa: E402
from fnet_registry.encoding.stored import write_encoding  # noqa: E402
from fnet_registry.presets.builtin import packaged_folder  # noqa: E402
from fnet_registry.presets.writing import write_checkpoint  # noqa: E402
from fnet_tune.commands.tune import NOT_BETTER  # noqa: E402

NAME = HERE.name
WORK = ROOT / "build" / NAME
ARCHIVES, PAIRS, START = WORK / "archives", WORK / "pairs.parquet", WORK / "start"
STORE = f"sqlite:///{WORK / 'mlflow.db'}"
TUNING = ("--batch-size=1024", "--epochs=0.05", "--learning-rate=3e-5")
ALIAS = "made"
FETCHED_AT_ONCE = 50  # packages; pip takes longer to start than to fetch one
PIP = "pip==24.0"  # later ones refuse a few packages for requirements that are not well-formed


def main() -> None:
    WORK.mkdir(parents=True, exist_ok=True)
    os.environ["MLFLOW_TRACKING_URI"] = STORE
    step(ARCHIVES, fetch_archives)
    step(PAIRS, lambda path: write_pairs(sorted(ARCHIVES.iterdir()), path))
    step(START, lambda path: write_start(PAIRS, path))
    version = WORK / "version"
    step(version, tune)
    write_preset(version.read_text(), packaged_folder(NAME))


def step(target: Path, make: Callable[[Path], object]) -> None:
    """Make a file or folder, unless it is there; what is broken off has another name."""
    if target.exists():
        return
    print(f">>>  {target.relative_to(ROOT)}", flush=True)
    began = time.monotonic()
    unfinished = target.with_name(f"{target.name}.unfinished")
    make(unfinished)
    unfinished.rename(target)
    print(f"     {time.monotonic() - began:.0f} s", flush=True)


def fetch_archives(folder: Path) -> None:
    """Fetch the archives; a source archive is taken where there is no wheel."""
    lines = (HERE / "packages.txt").read_text().splitlines()
    packages = [line.split()[0] for line in lines if not line.startswith("#")]
    download = ["download", "--quiet", "--no-deps", "--dest"]
    tool = WORK / "pip"
    subprocess.run([sys.executable, "-m", "pip", *download, str(tool), PIP], check=True)
    [wheel] = tool.iterdir()
    fetch = [sys.executable, str(wheel / "pip"), *download, str(folder)]
    for start in range(0, len(packages), FETCHED_AT_ONCE):
        subprocess.run([*fetch, *packages[start : start + FETCHED_AT_ONCE]], check=True)


def tune(target: Path) -> None:
    """Tune the start, and write the name of the new version, or of the start if none is better."""
    fnet = Path(sys.executable).with_name("fnet")
    command = [fnet, "tune", START, PAIRS, "--name", NAME, "--alias", ALIAS, *TUNING]
    status = subprocess.run(list(map(str, command)), check=False, cwd=WORK).returncode
    if status not in {0, NOT_BETTER}:
        sys.exit(status)
    target.write_text(str(START) if status else f"models:/{NAME}@{ALIAS}")


def write_preset(version: str, folder: Path) -> None:
    """Write a version as a preset in float16, with a card that says how good it is."""
    model = resolve_model(version)
    arrays = {name: values.astype(np.float16) for name, values in model.checkpoint.arrays.items()}
    write_checkpoint(replace(model.checkpoint, arrays=arrays, dtype="float16"), folder)
    write_encoding(model.encoding, folder)
    figures = measure(TextEncoder.from_preset(folder))
    start = measure(TextEncoder.from_preset(START))
    (folder / "README.md").write_text(card(figures, start))
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{folder.relative_to(ROOT)}: {size / 1e6:.1f} MB, {figures}; its start: {start}")


def card(figures: dict[str, float], start: dict[str, float]) -> str:
    packages = (HERE / "packages.txt").read_text().splitlines()[2:]
    template = (HERE / "card.md").read_text()
    return template.format(
        figures=", ".join(f"{name} {value:.3f}" for name, value in figures.items()),
        start=", ".join(f"{name} {value:.3f}" for name, value in start.items()),
        python=platform.python_version(),
        torch=torch.__version__,
        fnet_registry=fnet_registry.__version__,
        packages="\n".join(f"- {package.replace('  # ', ', ')}" for package in packages),
    )


if __name__ == "__main__":
    main()
