"""Programs in an interpreter of their own, for what an earlier import would hide."""

import subprocess
import sys


def run_program(code: str, *arguments: str) -> str:
    """Run Python code; return what it printed."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
