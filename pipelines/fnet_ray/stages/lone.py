"""A small job's one worker: a child process, done before Ray would have started."""

from __future__ import annotations

import logging
from collections.abc import Collection, Generator, Iterator, Sequence
from typing import Any

import pyarrow as pa

from fnet_ray.cluster.child import ChildDiedError, InChild
from fnet_ray.cluster.failures import error_of_worker
from fnet_ray.cluster.runtime import SPARE_CPUS, own_cpus
from fnet_ray.corpus.conversion import Converted, convert_one
from fnet_ray.corpus.files import InputFile, unreadable
from fnet_ray.options import Columns
from fnet_ray.output.commits import Commit
from fnet_ray.output.store import Store
from fnet_ray.progress.live import MOST_ATTEMPTS, many_died
from fnet_ray.stages.encode import EncodeShard
from fnet_ray.stages.guarded import guarded_tokenizer
from fnet_ray.stages.pipeline import Pipeline, Stages
from fnet_registry.errors import InputError, JobError

logger = logging.getLogger(__name__)


class LoneWorker:
    """The worker of a job without Ray: a child process, from `begin` to `close`."""

    def __init__(self) -> None:
        self._child: InChild | None = None
        self._stages: Stages | None = None

    def close(self) -> None:
        """End it."""
        if self._child is not None:
            self._child.close()

    def begin(self) -> InChild:
        """Begin to start it, beside whatever else there is to do."""
        self._child = self._child or InChild(_Worker)
        return self._child

    def nodes(self) -> list[dict[str, float]]:
        """Return what this machine has, as a local Ray would count it."""
        return [{"CPU": own_cpus() + SPARE_CPUS}]

    def has_gpu(self) -> bool:
        """Return whether torch finds a GPU here, which Ray would hand out.

        Raises:
            JobError: The process does not start.
        """
        try:
            return self._ask("has_gpu")
        except ChildDiedError as died:
            raise JobError(
                "The worker's process must start; it needs about 300 MB of memory. Received: exit "
                f"status {died.status}"
            ) from None

    def convert_each(
        self, files: Sequence[InputFile], store: Store, columns: Columns
    ) -> Generator[Converted, None, None]:
        """Convert files, one after the other."""
        for file in files:
            try:
                yield file, self._ask("convert", file, store, columns)
            except ChildDiedError as died:
                yield file, unreadable(file, f"its reader died over it ({died.status})")

    def run(self, pipeline: Pipeline, *, done: Collection[int]) -> Iterator[Commit]:
        """Do what is left, one shard after the other; yield each one's commit.

        Args:
            pipeline: The three stages.
            done: Numbers of the shards to leave out.

        Raises:
            JobError: Several processes died over a shard.
        """
        stages = pipeline.stages()
        for request in pipeline.requests(done=done):
            yield Commit.from_json(self._do(stages, request))

    def _do(self, stages: Stages, request: dict[str, Any]) -> str:
        for _ in range(MOST_ATTEMPTS):
            try:
                if self._stages is not stages:
                    self._ask("take", stages)
                    self._stages = stages
                return self._ask("do", request)
            except ChildDiedError as died:
                logger.warning("A worker died over shard %d (%d)", request["shard"], died.status)
            except Exception as error:
                raise error_of_worker(error, error) from None
        raise many_died(request["shard"])

    def _ask(self, method: str, *args: Any) -> Any:
        try:
            return self.begin().call(method, *args)
        except ChildDiedError:
            self._child = self._stages = None  # the next call starts another
            raise


class _Worker:
    """Lives in the child process."""

    def __init__(self) -> None:
        from fnet_registry.encoding import encoder  # noqa: F401  (it takes a second)

    def has_gpu(self) -> bool:
        import torch

        return torch.cuda.is_available()

    def convert(self, file: InputFile, store: Store, columns: Columns) -> str | InputError:
        return convert_one(file, store, columns)

    def take(self, stages: Stages) -> None:
        guarded_tokenizer(stages.read.tokenizer_proto).start()
        self._read, self._commit = stages.read, stages.commit
        self._encode = EncodeShard(*stages.encode)

    def do(self, request: dict[str, Any]) -> str:
        shard = pa.Table.from_pylist([request])
        return self._commit(self._encode(self._read(shard)))["commit"][0].as_py()
