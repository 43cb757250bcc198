"""What a process runs on: versions must be equal on all workers, devices may differ."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import socket
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Self

from fnet_registry.errors import JobError

PACKAGES = ("numpy", "torch", "sentencepiece", "pyarrow")

_IDENTITY = r"(?:vendor_id|cpu family|model|model name|stepping|cache size|CPU \w+)\s*:.*"
_VECTOR_UNITS = r"\b(?:avx|amx|sse|fma|f16c|sve|asimd|bf16|i8mm)\w*"
_KERNELS = ("ATEN_", "DNNL_", "MKL_", "ONEDNN_")
"""What the variables are called that make libraries choose other kernels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What one process of the job runs on.

    Args:
        host: Its machine.
        pid: Its number there.
        device: What it computes on.
        versions: Package versions, as one text.
        processor: The kind of processor.
        threads: The CPU threads that it computes with; None leaves their number to torch.
    """

    host: str
    pid: int
    device: str
    versions: str
    processor: str = ""
    threads: int | None = None

    @classmethod
    def of_this_process(cls, device: str = "none", threads: int | None = None) -> Self:
        """Describe this process.

        Args:
            device: The torch device that it computes on; `none` for the driver, which needs no
                torch.
            threads: The CPU threads that it was given.
        """
        import fnet_registry

        own = [f"fnet-registry {fnet_registry.__version__}", f"python {platform.python_version()}"]
        return cls(
            host=socket.gethostname(),
            pid=os.getpid(),
            device=_device_name(device),
            versions=", ".join(own + [f"{package} {version(package)}" for package in PACKAGES]),
            processor=_processor(),
            threads=threads,
        )

    def check_versions(self, driver: Environment) -> None:
        """Refuse to work with other versions than the driver's.

        Raises:
            JobError: The versions differ.
        """
        if self.versions != driver.versions:
            raise JobError(
                f"All workers must run the driver's versions ({driver.versions}). "
                f"Received: {self.versions} on {self.host}"
            )


def _device_name(device: str) -> str:
    if device == "none":
        return device
    import torch

    if not device.startswith("cuda"):
        return f"{device} ({platform.machine()}, {torch.backends.cpu.get_cpu_capability()})"
    return f"cuda ({torch.cuda.get_device_name()})"


@cache
def _processor() -> str:
    """Return the kind of processor; where it is not known, this machine stands for it."""
    try:
        first = Path("/proc/cpuinfo").read_text().partition("\n\n")[0]
    except OSError:
        return f"{platform.machine()} of {platform.node()}"
    name = re.search(r"(?:model name|Model)\s*:\s*(.*)", first)
    kernels = sorted(pair for pair in os.environ.items() if pair[0].startswith(_KERNELS))
    parts = re.findall(_IDENTITY, first), sorted(set(re.findall(_VECTOR_UNITS, first))), kernels
    digest = hashlib.sha256(repr(parts).encode()).hexdigest()
    return f"{name[1] if name else platform.machine()} ({digest[:12]})"
