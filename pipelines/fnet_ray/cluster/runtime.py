"""The Ray that a job runs on: one that is there, or a local one for the length of the job."""

from __future__ import annotations

import contextlib
import gc
import logging
import math
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any, Self

# On a machine of few cores, a worker that encodes takes them all. The tasks that read and commit
# need logical CPUs that no worker holds, or nothing would ever start; threads bound the real load.
SPARE_CPUS = 2

_LOG_LEVEL = "RAY_BACKEND_LOG_LEVEL"
STDERR = 2
_CPU_LIMIT = Path("/sys/fs/cgroup/cpu.max")

logger = logging.getLogger(__name__)


class RayCluster:
    """The Ray of this process, the one that `RAY_ADDRESS` names, or a local one.

    It takes seconds to start, beside which there is other work to do. A cluster gets this project's
    code along with the job. A local Ray is stopped at the end.

    Args:
        *users: The packages above this one that the workers need, too.
    """

    is_quiet = False
    """Whether reports of Ray's inner workings are kept off the terminal."""

    def __init__(self, *users: ModuleType) -> None:
        self._users = users
        # Linux kills Ray's processes when the thread that started them ends: it stays to the end.
        self._thread = ThreadPoolExecutor(1)
        self._started: Future[None] | None = None
        self._stopped: Future[None] | None = None
        self._is_own = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.begin_to_stop().result()
        self._thread.shutdown()

    def begin(self) -> Future[None]:
        """Begin to start it, beside whatever else there is to do."""
        self._started = self._started or self._thread.submit(self._start)
        return self._started

    def wait(self) -> None:
        """Wait until it is up."""
        self.begin().result()
        _take_back_sigterm()

    def nodes(self) -> list[dict[str, float]]:
        """Wait until it is up, and return the resources of each node, by name."""
        self.wait()
        return live_nodes()

    def begin_to_stop(self) -> Future[None]:
        """Begin to stop it, if it was started here, beside what does without it.

        No other thread may hold anything of Ray's by then.
        """
        if self._stopped is None:
            if self._is_own:
                gc.collect()  # what refers to Ray is freed now, and not while it stops
            self._stopped = self._thread.submit(self._stop)
        return self._stopped

    def _stop(self) -> None:
        if self._is_own:
            import ray

            ray.shutdown()

    def _start(self) -> None:
        import ray

        if self.is_quiet:
            _quieten_data()
        if ray.is_initialized():
            return
        address = os.environ.get("RAY_ADDRESS")
        told = f"joining Ray at {address}" if address else "starting Ray on this machine"
        logger.info("%s", told)
        with _without_line_on_log_level():
            if address:
                ray.init(runtime_env={"py_modules": _folders(self._users)}, **_quiet())
            else:
                cpus = own_cpus() + SPARE_CPUS
                ray.init(address="local", num_cpus=cpus, include_dashboard=False, **_quiet())
        self._is_own = True


@contextlib.contextmanager
def ray_cluster(*users: ModuleType) -> Iterator[None]:
    """Use a Ray that is up; see `RayCluster`."""
    with RayCluster(*users) as cluster:
        cluster.wait()
        yield


def _take_back_sigterm() -> None:
    """Have Python handle SIGTERM again, as only the main thread may ask for.

    Ray's core has put its own handler before it, which reports a crash, and aborts the process
    three seconds later, though it be ending in order.
    """
    handler = signal.getsignal(signal.SIGTERM)
    if handler is not None and threading.current_thread() is threading.main_thread():
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


def own_cpus() -> int:
    """Return how many CPUs this process may use; a container may give it fewer than there are."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):  # no such file; no limit, which is "max"
        quota, period = map(int, _CPU_LIMIT.read_text().split())
        cpus = min(cpus, math.ceil(quota / period))
    return cpus


def live_nodes() -> list[dict[str, float]]:
    """Return the resources of each node that is up, by name."""
    import ray

    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def quieten_ray() -> None:
    """Keep Ray's reports of its inner workings off the terminal; its log files have them all."""
    os.environ.setdefault(_LOG_LEVEL, "fatal")
    RayCluster.is_quiet = True


def _quieten_data() -> None:
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
