"""Work on Ray that is stopped before its end."""

import time
from pathlib import Path
from typing import Any

import pytest

from fnet_ray.cluster import stopping
from fnet_ray.cluster.failures import quiet_execution

SECONDS_OF_A_TASK = 0.8  # of all but the first


class StoppedError(Exception):
    """What a consumer raises in the middle."""


def mark(folder: Path, batch: Any) -> Any:
    """Leave a file at the beginning of a task, and another at its end."""
    number = batch["id"][0]
    (folder / f"begun-{number}").touch()
    time.sleep(SECONDS_OF_A_TASK if number else 0)
    (folder / f"ended-{number}").touch()
    return batch


def stop_while_a_task_runs(folder: Path) -> None:
    import ray.data

    with quiet_execution():
        rows = ray.data.range(40, override_num_blocks=40)
        marked = rows.map_batches(lambda batch: mark(folder, batch), num_cpus=0.9)
        for _ in marked.iter_batches(prefetch_batches=0, batch_size=None):
            while len(numbers(folder, "begun")) < 2:
                time.sleep(0.01)
            raise StoppedError


def numbers(folder: Path, what: str) -> set[str]:
    return {file.name.partition("-")[2] for file in folder.glob(f"{what}-*")}


@pytest.mark.usefixtures("ray_session")
def test_tasks_that_end_soon_are_not_cancelled(tmp_path: Path) -> None:
    """Ray aborts the process where a task's answer meets its cancelling."""
    with pytest.raises(StoppedError):
        stop_while_a_task_runs(tmp_path)
    assert numbers(tmp_path, "ended") == numbers(tmp_path, "begun")
    assert not list(tmp_path.glob("*-39"))


@pytest.mark.usefixtures("ray_session")
def test_a_task_that_takes_longer_is_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stopping, "_SECONDS_TO_END", 0.01)
    with pytest.raises(StoppedError):
        stop_while_a_task_runs(tmp_path)
    time.sleep(2 * SECONDS_OF_A_TASK)
    assert numbers(tmp_path, "ended") < numbers(tmp_path, "begun")


@pytest.mark.usefixtures("ray_session")
def test_of_other_tasks_too_only_the_long_ones_are_cancelled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import ray
    from ray.exceptions import TaskCancelledError

    monkeypatch.setattr(stopping, "_SECONDS_TO_END", 4)

    @ray.remote(num_cpus=0)
    def take(naps: int) -> None:
        for _ in range(naps):
            time.sleep(0.1)

    tasks: Any = take
    short, long = tasks.remote(1), tasks.remote(600)
    stopping.end_tasks([short, long])
    assert ray.get(short) is None
    with pytest.raises(TaskCancelledError):
        ray.get(long)
