"""Programs in an interpreter of their own: for what an earlier import would hide, and servers."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

_READ = """
import json, re, resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
from fnet_registry.errors import PresetError
from fnet_registry.presets.checkpoint import read_checkpoint
error = None
try:
    read_checkpoint(sys.argv[1])
except PresetError as refusal:
    error = str(refusal)
peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]
print(json.dumps([error, int(peak) << 10]))
"""


def run_program(code: str, *arguments: str) -> str:
    """Run Python code; return what it printed."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@contextmanager
def serving(
    command: Sequence[str], url: str, folder: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen]:
    """Runs a server in a folder, from when the URL answers to the end of the block."""
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        wait_until_up(url, process, folder / "log")
        yield process
    finally:
        with suppress(ProcessLookupError):  # all that it started ended before
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def wait_until_up(url: str, process: subprocess.Popen[Any], log: Path) -> None:
    """Returns once a server answers; one that ends fails, with the end of its log."""
    for _ in range(600):
        try:
            with urlopen(url, timeout=5):
                return
        except (URLError, ConnectionError, TimeoutError):
            assert process.poll() is None, log.read_text()[-4000:]
            time.sleep(0.2)
    raise TimeoutError(log.read_text()[-4000:])


@dataclass(frozen=True)
class Reading:
    """What came of reading a preset: the message that refused it, and the most memory it took."""

    refusal: str | None
    peak_bytes: int


def read_preset_apart(folder: Path) -> Reading:
    """Read a preset in a process that can take no more than 6 GiB and that a hang does not outlive.

    Any error but a PresetError fails.
    """
    command = [sys.executable, "-c", _READ, str(folder)]
    finished = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=120)
    return Reading(*json.loads(finished.stdout))
