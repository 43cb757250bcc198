"""How workers are laid out on a cluster, and how large a shard is."""

from pathlib import Path

import pytest

from fnet_ray.cluster.pool import (
    ActorPool,
    WorkerRequest,
    choose_pool,
    parse_workers,
    shard_rows,
)
from fnet_ray.cluster.runtime import own_cpus
from fnet_registry.errors import JobError
from fnet_registry.presets.config import FNetConfig

BASE = FNetConfig(vocabulary_size=32000, num_layers=12, hidden_dim=768, intermediate_dim=3072)
TINY = FNetConfig(vocabulary_size=1000, num_layers=2, hidden_dim=32, intermediate_dim=64)


def node(cpus: float, gpus: float = 0) -> dict[str, float]:
    return {"CPU": cpus, "GPU": gpus} if gpus else {"CPU": cpus}


@pytest.mark.parametrize(
    ("request_", "nodes", "workers", "cpus", "gpus", "threads"),
    [
        (WorkerRequest(), [node(4)], (2, 2), 1, 0, 1),
        (WorkerRequest(), [node(66)], (16, 16), 4, 0, 4),
        (WorkerRequest(), [node(2)], (1, 1), 1, 0, 1),
        (WorkerRequest(), [node(1), node(2)], (1, 1), 1, 0, 1),
        (WorkerRequest(), [node(16, 4)], (4, 4), 1, 1, None),
        (WorkerRequest(gpus_per_worker=0.5), [node(16, 2), node(16, 2)], (8, 8), 1, 0.5, None),
        (WorkerRequest(gpus_per_worker=0), [node(16, 4)], (14, 14), 1, 0, 1),
        (WorkerRequest(workers=(3, 3)), [node(8)], (3, 3), 1, 0, 1),
        (WorkerRequest(workers=(4, 4)), [node(4)], (4, 4), 0.5, 0, 1),
        (WorkerRequest(workers=(2, 9)), [node(8)], (2, 9), 1, 0, 1),
        (WorkerRequest(cpus_per_worker=3), [node(8)], (2, 2), 3, 0, 3),
    ],
)
def test_workers_take_what_the_cluster_has_but_the_last_cpus(
    request_: WorkerRequest,
    nodes: list[dict[str, float]],
    workers: tuple[int, int],
    cpus: float,
    gpus: float,
    threads: int | None,
) -> None:
    pool = choose_pool(request_, nodes)
    assert (pool.least, pool.most) == workers
    assert (pool.cpus, pool.gpus, pool.threads) == (cpus, gpus, threads)
    held = pool.least * pool.cpus
    assert sum(each["CPU"] for each in nodes) - held >= min(2, held)


@pytest.mark.parametrize(
    "request_",
    [
        WorkerRequest(workers=(4, 4), cpus_per_worker=2),
        WorkerRequest(gpus_per_worker=1),
        WorkerRequest(cpus_per_worker=9),
    ],
)
def test_workers_that_do_not_fit_are_refused(request_: WorkerRequest) -> None:
    with pytest.raises(JobError, match=r"room for .* Received: 8 CPUs and 0 GPUs"):
        choose_pool(request_, [node(8)])


@pytest.mark.parametrize(
    ("request_", "nodes"),
    [
        (WorkerRequest(cpus_per_worker=16), [node(8)] * 4),
        (WorkerRequest(workers=(1, 1), gpus_per_worker=4), [node(8, 2)] * 2),
        (WorkerRequest(workers=(3, 3), cpus_per_worker=5), [node(8)] * 2),
    ],
)
def test_a_worker_is_on_one_node(request_: WorkerRequest, nodes: list[dict[str, float]]) -> None:
    with pytest.raises(JobError, match=r"each on one node, .* on [24] nodes"):
        choose_pool(request_, nodes)


def test_a_third_of_a_gpu_is_held_by_three_workers() -> None:
    request_ = WorkerRequest(workers=(3, 3), gpus_per_worker=0.1)
    assert choose_pool(request_, [node(8, 0.3)]).least == 3


@pytest.mark.parametrize("number", [0, -1, float("nan"), float("inf")])
def test_a_worker_that_holds_nothing_is_none(number: float) -> None:
    with pytest.raises(JobError, match=r"A worker holds CPUs by a number .* Received: "):
        WorkerRequest(cpus_per_worker=number)
    if number:
        with pytest.raises(JobError, match=r"A worker holds GPUs by a number .* Received: "):
            WorkerRequest(gpus_per_worker=number)


def test_a_local_ray_has_the_cpus_of_its_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = tmp_path / "cpu.max"
    monkeypatch.setattr("fnet_ray.cluster.runtime._CPU_LIMIT", limit)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(64)), raising=False)
    found = []
    for content in ("max 100000", "150000 100000", "800000 100000"):
        limit.write_text(content)
        found.append(own_cpus())
    limit.unlink()
    assert [*found, own_cpus()] == [64, 2, 8, 64]


@pytest.mark.parametrize(("text", "bounds"), [("4", (4, 4)), ("2:8", (2, 8))])
def test_numbers_of_workers(text: str, bounds: tuple[int, int]) -> None:
    assert parse_workers(text) == bounds


@pytest.mark.parametrize("text", ["0", "", "8:2", "a", "1:2:3", "-1"])
def test_what_is_no_number_of_workers(text: str) -> None:
    with pytest.raises(JobError, match=r"a number or MIN:MAX"):
        parse_workers(text)


def test_a_shard_is_about_a_minute_and_at_most_32000_rows_and_512_mib() -> None:
    cpu = ActorPool(least=2, most=2, cpus=1, gpus=0, threads=1)
    gpu = ActorPool(least=8, most=8, cpus=1, gpus=1, threads=None)
    assert 20 <= shard_rows(10**9, cpu, BASE, 512) <= 200
    assert shard_rows(10**9, gpu, BASE, 512) == 32_000
    assert shard_rows(10**9, cpu, TINY, 64) == 32_000
    assert shard_rows(60_000, cpu, TINY, 64) == 7_500
    assert shard_rows(10, cpu, TINY, 64) == 256
    assert shard_rows(60_000, cpu, TINY, 64, row_bytes=1 << 20) == 512
    assert shard_rows(60_000, cpu, TINY, 64, row_bytes=1 << 40) == 1
