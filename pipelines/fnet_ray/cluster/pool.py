"""How many workers encode, and what each of them holds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fnet_ray.cluster.runtime import SPARE_CPUS
from fnet_registry.errors import JobError
from fnet_registry.presets.config import FNetConfig
from fnet_registry.shown import counted, shown

# Workers of one thread never wait for each other, as threads of one product do whenever anything
# else runs on the machine. Only where a node would hold more processes than this get they more.
MOST_WORKERS_PER_NODE = 16
SHARD_SECONDS = 60
LARGEST_SHARD, SMALLEST_SHARE = 32_000, 256
LARGEST_BYTES = 1 << 29
SHARDS_PER_WORKER = 4

_ROUNDING = 1e-9  # 0.3 GPUs hold three workers of 0.1

CPU_FLOPS, GPU_FLOPS = 5e10, 5e13  # per core and per device, of the dense layers; orders of size


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorPool:
    """The actors that encode, called workers: their bounds, and what each of them holds.

    Threads of None leave their number to torch.
    """

    least: int
    most: int
    cpus: float
    gpus: float
    threads: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRequest:
    """The workers that a user asks for; None takes what the cluster has.

    Args:
        workers: Their least and their most number.
        gpus_per_worker: GPUs that each holds.
        cpus_per_worker: CPUs that each holds, and its threads: on their number depend the last
            bits of a vector, so clusters of unlike nodes agree on these only where it is given.
    """

    workers: tuple[int, int] | None = None
    gpus_per_worker: float | None = None
    cpus_per_worker: float | None = None

    def __post_init__(self) -> None:
        """Refuse what no worker can hold.

        Raises:
            JobError: A number of CPUs or GPUs is none, or not above 0; GPUs may be 0.
        """
        for what, held in (("CPUs", self.cpus_per_worker), ("GPUs", self.gpus_per_worker)):
            if held is not None and not (0 < held < math.inf or (held == 0 and what == "GPUs")):
                raise JobError(
                    f"A worker holds {what} by a number such as 1 or 0.5. Received: {shown(held)}"
                )


def parse_workers(text: str) -> tuple[int, int]:
    """Read `N` or `MIN:MAX`.

    Raises:
        JobError: It is neither.
    """
    least, _, most = text.partition(":")
    try:
        bounds = int(least), int(most or least)
    except ValueError:
        bounds = (0, 0)
    if not 1 <= bounds[0] <= bounds[1]:
        raise JobError(
            f"The workers must be a number or MIN:MAX, such as 4 or 2:8. Received: {text}"
        )
    return bounds


def choose_pool(request: WorkerRequest, nodes: Sequence[Mapping[str, float]]) -> ActorPool:
    """Lay out the workers on a cluster whose live nodes have so many `CPU` and `GPU`.

    The pool leaves `SPARE_CPUS` logical CPUs that no worker holds.

    Raises:
        JobError: The cluster cannot hold a single such worker.
    """
    gpus_here = sum(node.get("GPU", 0) for node in nodes)
    cpus_here = sum(node.get("CPU", 0) for node in nodes)
    spare = max(cpus_here - SPARE_CPUS, cpus_here / 2)
    gpus = request.gpus_per_worker
    if gpus is None:
        gpus = 1.0 if gpus_here else 0.0
    cpus = request.cpus_per_worker
    if cpus is None:
        widest = max(node.get("CPU", 0) for node in nodes)
        cpus = 1.0 if gpus else min(spare, max(1.0, widest // MOST_WORKERS_PER_NODE))
        if request.workers:
            cpus = min(cpus, spare / request.workers[0])
    room = sum(_room(node, cpus, gpus) for node in nodes)
    most = min(int(spare / cpus), room)
    least, most = request.workers or (most, most)
    if least * cpus > spare or least > room or not least:
        raise JobError(
            f"The cluster must have room for {max(least, 1)} workers of {cpus:g} CPUs and {gpus:g} "
            f"GPUs, each on one node, with {SPARE_CPUS} CPUs left free. Received: {cpus_here:g} "
            f"CPUs and {gpus_here:g} GPUs on {counted(len(nodes), 'node')}"
        )
    threads = None if gpus else max(1, int(cpus))
    return ActorPool(least=least, most=most, cpus=cpus, gpus=gpus, threads=threads)


def _room(node: Mapping[str, float], cpus: float, gpus: float) -> int:
    """Return how many such workers a node can hold."""
    by_cpus, by_gpus = node.get("CPU", 0) / cpus, node.get("GPU", 0) / gpus if gpus else math.inf
    return int(min(by_cpus, by_gpus) + _ROUNDING)


def row_flops(config: FNetConfig, sequence_length: int) -> int:
    """Return what the dense layers compute for one row, padding included."""
    dense = config.num_layers * 2 * config.hidden_dim * config.intermediate_dim
    return 2 * dense * sequence_length


def shard_rows(
    total: int,
    pool: ActorPool,
    config: FNetConfig,
    sequence_length: int,
    *,
    row_bytes: float = 0,
) -> int:
    """Return a shard's size: about a minute of work, and several shards for each worker.

    The job has `total` rows of `sequence_length` tokens each, padding included, and of `row_bytes`
    on average: a shard is in memory as a whole, and Arrow refuses 2 GiB of texts in one column.
    """
    speed = pool.gpus * GPU_FLOPS if pool.gpus else (pool.threads or 1) * CPU_FLOPS
    minute = int(SHARD_SECONDS * speed / row_flops(config, sequence_length))
    share = max(SMALLEST_SHARE, -(-total // (SHARDS_PER_WORKER * pool.most)))
    room = int(LARGEST_BYTES / row_bytes) if row_bytes > 0 else LARGEST_SHARD
    return max(1, min(LARGEST_SHARD, minute, share, room))
