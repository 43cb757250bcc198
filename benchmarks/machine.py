"""The machine and the versions that a table of figures belongs to."""

import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = (
    "fnet-registry",
    "torch",
    "keras",
    "keras-hub",
    "jax",
    "tensorflow",
    "transformers",
    "sentence-transformers",
    "mlflow",
    "ray",
)


def description() -> str:
    """One line for the machine and one for the versions."""
    lines = [
        f"{processor()}, {len(os.sched_getaffinity(0))} cores, {memory_gib():.0f} GiB,"
        f" {platform.system()} {platform.machine()}, Python {platform.python_version()}",
        ", ".join(f"{name} {found}" for name in PACKAGES if (found := installed(name))),
    ]
    return "\n".join(lines)


def processor() -> str:
    text = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*:\s*(.+)", text)
    flags = set(re.search(r"flags\s*:\s*(.+)", text)[1].split())  # type: ignore[index]
    wanted = ["avx2", "avx512f", "avx512_bf16", "avx512_vnni", "avx_vnni", "amx_bf16", "amx_int8"]
    found = [flag for flag in wanted if flag in flags]
    return f"{model[1] if model else 'unknown processor'} ({' '.join(found)})"


def memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
