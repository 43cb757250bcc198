"""What a process runs on: versions must be equal on all workers, devices may differ."""

from __future__ import annotations

import os
import platform
import socket
from dataclasses import dataclass
from importlib.metadata import version
from typing import Self

from fnet_registry.errors import JobError

PACKAGES = ("numpy", "torch", "sentencepiece", "pyarrow")


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What one process of the job runs on.

    Args:
        host: Its machine.
        pid: Its number there.
        device: What it computes on.
        versions: Package versions, as one text: equal texts compute equal vectors on equal devices.
    """

    host: str
    pid: int
    device: str
    versions: str

    @classmethod
    def of_this_process(cls, device: str = "none") -> Self:
        """Describe this process.

        Args:
            device: The torch device that it computes on; `none` for the driver, which needs no
                torch.
        """
        import fnet_registry

        own = [f"fnet-registry {fnet_registry.__version__}", f"python {platform.python_version()}"]
        return cls(
            host=socket.gethostname(),
            pid=os.getpid(),
            device=_device_name(device),
            versions=", ".join(own + [f"{package} {version(package)}" for package in PACKAGES]),
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
