"""The Ray that a job runs on: one that is there, or a local one for the length of the job."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
from collections.abc import Iterator
from types import ModuleType
from typing import Any

# On a machine of few cores, a worker that encodes takes them all. The tasks that read and commit
# need logical CPUs that no worker holds, or nothing would ever start; threads bound the real load.
SPARE_CPUS = 2


@contextlib.contextmanager
def ray_cluster(*users: ModuleType) -> Iterator[None]:
    """Use the Ray of this process, the one that `RAY_ADDRESS` names, or a local one.

    A cluster gets this project's code along with the job. A local Ray is stopped at the end.

    Args:
        *users: The packages above this one that the workers need, too.
    """
    import ray

    if ray.is_initialized():
        yield
        return
    with _own_signals():
        if os.environ.get("RAY_ADDRESS"):
            ray.init(runtime_env={"py_modules": [*_own_packages(), *users]}, **_quiet())
        else:
            cpus = (os.cpu_count() or 1) + SPARE_CPUS
            ray.init(address="local", num_cpus=cpus, include_dashboard=False, **_quiet())
    try:
        yield
    finally:
        ray.shutdown()


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """Keep the process's own answer to SIGTERM, in whose place Ray puts one that exits at once."""
    handler = signal.getsignal(signal.SIGTERM)
    yield
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)


def live_nodes() -> list[dict[str, float]]:
    """Return the resources of each node that is up, by name."""
    import ray

    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def quieten_ray() -> None:
    """Keep Ray's reports of its inner workings off the terminal; its log files have them all."""
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    import ray.data  # noqa: F401  (it sets its own handlers up when it is imported)

    own = set(logging.getLogger("ray.data").handlers) - set(logging.root.handlers)
    for handler in own:
        if isinstance(handler, logging.StreamHandler):
            handler.setLevel(logging.CRITICAL)  # errors reach the user as they are raised


def _own_packages() -> list[Any]:
    import fnet_mlflow
    import fnet_ray
    import fnet_registry

    return [fnet_registry, fnet_mlflow, fnet_ray]


def _quiet() -> dict[str, Any]:
    """Keep Ray's own messages out of the job's, unless something is wrong."""
    return {"log_to_driver": False, "logging_level": logging.ERROR}
