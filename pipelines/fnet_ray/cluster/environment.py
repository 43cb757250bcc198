"""What a process runs on: versions must be equal on all workers, devices may differ."""

from __future__ import annotations

import os
import platform
import socket
from dataclasses import asdict, dataclass
from importlib.metadata import version

from fnet_registry.errors import JobError

PACKAGES = ("numpy", "torch", "sentencepiece", "pyarrow")


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """One process of the job."""

    host: str
    pid: int
    device: str
    versions: str
    """Package versions, as one text: equal texts compute equal vectors on equal devices."""

    def to_dict(self) -> dict[str, str | int]:
        """Return the fields as plain values."""
        return asdict(self)

    def check_versions(self, driver: Worker) -> None:
        """Refuse to work with other versions than the driver's.

        Raises:
            JobError: The versions differ.
        """
        if self.versions != driver.versions:
            raise JobError(
                f"All workers must run the driver's versions ({driver.versions}). "
                f"Received on {self.host}: {self.versions}"
            )


def describe_worker(device: str) -> Worker:
    """Describe this process.

    Args:
        device: The torch device that it computes on, or `none`, as the driver, which needs no
            torch.
    """
    import fnet_registry

    found = [f"fnet-registry {fnet_registry.__version__}", f"python {platform.python_version()}"]
    found += [f"{package} {version(package)}" for package in PACKAGES]
    return Worker(
        host=socket.gethostname(),
        pid=os.getpid(),
        device=_device_name(device),
        versions=", ".join(found),
    )


def _device_name(device: str) -> str:
    if device == "none":
        return device
    import torch

    if not device.startswith("cuda"):
        return f"{device} ({platform.machine()}, {torch.backends.cpu.get_cpu_capability()})"
    return f"cuda ({torch.cuda.get_device_name()})"
