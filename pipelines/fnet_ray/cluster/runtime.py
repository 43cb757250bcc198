"""The Ray that a job runs on: one that is there, or a local one for the length of the job."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import Any

# On a machine of few cores, a worker that encodes takes them all. The tasks that read and commit
# need logical CPUs that no worker holds, or nothing would ever start; threads bound the real load.
SPARE_CPUS = 2

_LOG_LEVEL = "RAY_BACKEND_LOG_LEVEL"
STDERR = 2

logger = logging.getLogger(__name__)


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
    address = os.environ.get("RAY_ADDRESS")
    logger.info("%s", f"joining Ray at {address}" if address else "starting Ray on this machine")
    with _own_signals(), _without_line_on_log_level():
        if address:
            ray.init(runtime_env={"py_modules": _folders(users)}, **_quiet())
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


@contextlib.contextmanager
def _without_line_on_log_level() -> Iterator[None]:
    """Hide that Ray obeys its log level: it says so by a line that no level hides.

    It is written to the process's own stderr, below Python's; all else there is passed on.
    """
    if _LOG_LEVEL not in os.environ:
        yield
        return
    sys.stderr.flush()
    own = os.dup(STDERR)
    with tempfile.TemporaryFile() as kept:
        os.dup2(kept.fileno(), STDERR)
        try:
            yield
        finally:
            os.dup2(own, STDERR)
            os.close(own)
            kept.seek(0)
            os.write(STDERR, b"".join(line for line in kept if _LOG_LEVEL.encode() not in line))


def live_nodes() -> list[dict[str, float]]:
    """Return the resources of each node that is up, by name."""
    import ray

    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def quieten_ray() -> None:
    """Keep Ray's reports of its inner workings off the terminal; its log files have them all."""
    os.environ.setdefault(_LOG_LEVEL, "fatal")
    import ray.data  # noqa: F401  (it sets its own handlers up when it is imported)

    own = set(logging.getLogger("ray.data").handlers) - set(logging.root.handlers)
    for handler in own:
        if isinstance(handler, logging.StreamHandler):
            handler.setLevel(logging.CRITICAL)  # errors reach the user as they are raised


def _folders(users: Iterable[ModuleType]) -> list[str]:
    """Return where packages lie; under `ray job submit`, Ray copies these and could no modules."""
    import fnet_mlflow
    import fnet_ray
    import fnet_registry

    return [package.__path__[0] for package in (fnet_registry, fnet_mlflow, fnet_ray, *users)]


def _quiet() -> dict[str, Any]:
    """Keep Ray's own messages out of the job's, unless something is wrong."""
    return {"log_to_driver": False, "logging_level": logging.ERROR}
