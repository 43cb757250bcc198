"""Programs in an interpreter of their own, for what an earlier import would hide."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

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
