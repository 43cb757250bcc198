"""A job's workers: one without Ray where the job is small, and else those that Ray starts."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Self

from fnet_ray.cluster.pool import CPU_FLOPS, ActorPool, WorkerRequest, choose_pool, row_flops
from fnet_ray.cluster.runtime import RayCluster
from fnet_ray.corpus.conversion import Converting, convert_on_ray
from fnet_ray.corpus.files import InputFile
from fnet_ray.model import PinnedModel
from fnet_ray.output.commits import Commit
from fnet_ray.progress.live import start_board
from fnet_ray.stages.lone import LoneWorker
from fnet_ray.stages.pipeline import Pipeline

SMALL_BYTES, SMALL_ROWS = 1 << 20, 10_000
SMALL_SECONDS = 20
"""What one worker may take, by a guess of three times the truth: about as long as Ray starts."""
TOKEN_BYTES = 3  # of a text, on average, and rather too few


class Workforce:
    """What does the work; it is there until the end of the `with` block.

    Args:
        files: The input files.
        request: The workers that a user asks for.
        always_ray: Whether to do without the worker that is not Ray's.
    """

    def __init__(
        self, files: Sequence[InputFile], request: WorkerRequest, *, always_ray: bool
    ) -> None:
        self._request = request
        self._cluster = RayCluster()
        self._size = sum(math.inf if file.size is None else file.size for file in files)
        always_ray |= request != WorkerRequest() or self._size > SMALL_BYTES or _uses_ray()
        self._lone = None if always_ray else LoneWorker()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end_lone()
        self._cluster.__exit__()

    @property
    def on_ray(self) -> bool:
        """Whether the workers are Ray's."""
        return self._lone is None

    @property
    def convert_each(self) -> Converting:
        """What converts input files."""
        return self._lone.convert_each if self._lone else convert_on_ray

    def begin(self) -> None:
        """Begin to start, beside whatever else there is to do."""
        (self._lone or self._cluster).begin()

    def choose_pool(self) -> ActorPool:
        """Lay out the workers on what there is.

        Raises:
            JobError: It has no room for a single one of them.
        """
        if self._lone and self._lone.has_gpu():
            self._end_lone()  # only Ray hands GPUs out
        nodes = self._lone.nodes() if self._lone else self._cluster.nodes()
        return choose_pool(self._request, nodes)

    def settle(self, rows: int, pool: ActorPool, model: PinnedModel, *, split: bool) -> None:
        """Leave it to Ray if so many rows are too much for one worker.

        Args:
            rows: How many are left.
            pool: The workers.
            model: The model.
            split: Whether long texts become many windows.
        """
        length = model.encoding.sequence_length
        windows = rows + (self._size // (TOKEN_BYTES * length) if split else 0)
        flops = windows * row_flops(model.checkpoint.config, length)
        if rows > SMALL_ROWS or flops > SMALL_SECONDS * CPU_FLOPS * (pool.threads or 1):
            self._end_lone()
        if not self._lone:
            self._cluster.wait()

    def board(self) -> Any:
        """Start what workers tell how far they are with a shard: an actor, or None without Ray."""
        return start_board() if self.on_ray else None

    def run(self, pipeline: Pipeline, *, done: Collection[int], board: Any) -> Iterator[Commit]:
        """Do what is left; yield each shard's commit.

        Args:
            pipeline: The three stages.
            done: Numbers of the shards to leave out.
            board: What `board` gave.
        """
        if self._lone:
            return self._lone.run(pipeline, done=done)
        return pipeline.run(done=done, board=board)

    def begin_to_stop(self) -> None:
        """Begin to stop; see `RayCluster.begin_to_stop`."""
        self._cluster.begin_to_stop()

    def _end_lone(self) -> None:
        if self._lone:
            self._lone.close()
        self._lone = None


def _uses_ray() -> bool:
    """Return whether this process uses Ray already, or was told which one to use."""
    ray = sys.modules.get("ray")
    return "RAY_ADDRESS" in os.environ or (ray is not None and ray.is_initialized())
