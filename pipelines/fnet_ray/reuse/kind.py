"""What vectors depend on beside their texts: only where all of it is equal are their bits equal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from fnet_ray.cluster.environment import Environment
from fnet_ray.cluster.pool import ActorPool
from fnet_ray.options import Parameters

Kind = Mapping[str, Any]
"""A name, as a user is told it, → a value that must be equal."""

COMPUTED = ("dtype", "device", "processor", "threads", "versions")
"""What each shard's commit records of the worker that computed it."""


def kind_of_output(digest: str, asked: Parameters) -> Kind:
    """Return what is equal for all shards of an output, from its model's digest and its options."""
    kind: dict[str, Any] = {
        "the model's digest": digest,
        "embedding_dtype": asked.embedding_dtype,
        "long_text": asked.long_text,
    }
    if asked.long_text == "split":
        kind |= {"overlap": asked.overlap, "windows": asked.windows}
    return kind


def kind_of_work(work: Mapping[str, Any]) -> Kind:
    """Return what a shard's commit says of the worker that computed it."""
    return {name: work.get(name) for name in COMPUTED}


def kinds_of_workers(pool: ActorPool, dtype: str) -> list[Kind]:
    """Ask each node that has room for a worker what it would compute with; return what differs."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    @ray.remote(num_cpus=0, num_gpus=pool.gpus, max_retries=3)
    def describe() -> Environment:
        device = "cuda" if ray.get_gpu_ids() else "cpu"
        return Environment.of_this_process(device, pool.threads)

    nodes = [
        NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        for node in ray.nodes()
        if node["Alive"]
        and node["Resources"].get("CPU", 0) >= pool.cpus
        and node["Resources"].get("GPU", 0) >= pool.gpus
    ]
    asked = [describe.options(scheduling_strategy=node).remote() for node in nodes]
    found = [kind_of_work({**asdict(each), "dtype": dtype}) for each in ray.get(asked)]
    return [kind for place, kind in enumerate(found) if kind not in found[:place]]


def difference(older: Kind, newer: Kind) -> str | None:
    """Say what differs first between two kinds, or return None."""
    for name, value in newer.items():
        if older.get(name) != value:
            return f"{name} was {older.get(name)!r} and is {value!r}"
    return None
