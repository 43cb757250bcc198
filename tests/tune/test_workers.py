"""Workers share a step, and take the same steps as one process."""

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import psutil
import pytest
import torch

import fnet_tune
from fnet_registry.errors import InputError, TuningError, WorkersError
from fnet_registry.presets.checkpoint import Checkpoint
from fnet_tune.training import on_ray
from fnet_tune.training.network import Network
from fnet_tune.training.team import ALONE, Team

Tune = Callable[..., fnet_tune.Tuning]

# A step has a part for each of two workers.
STEPS = {"sequence_length": 64, "batch_size": 32, "epochs": 8.4, "learning_rate": 3e-3}


pytestmark = pytest.mark.usefixtures("ray_session")


def worker_processes() -> list[psutil.Process]:
    own = psutil.Process().children(recursive=True)
    return [each for each in own if "RayTrainWorker" in command_line(each)]


def command_line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:  # it has just ended
        return ""


def test_a_team_shares_the_parts_of_a_step() -> None:
    shares = [Team(rank=rank, size=3).share(range(7)) for rank in range(3)]
    assert [list(share) for share in shares] == [[0, 3, 6], [1, 4], [2, 5]]
    assert list(ALONE.share(range(7))) == list(range(7))
    assert ALONE.from_leader(lambda: 0.1, torch.device("cpu")) == 0.1


@pytest.mark.timeout(600)
@pytest.mark.system
def test_two_workers_take_the_steps_of_one_and_go_on_after_one_is_lost(
    tune: Tune, pairs_file: Path
) -> None:
    losses: dict[str, dict[int, float]] = {"one": {}, "two": {}}

    def watch(name: str, kill_at: int | None = None) -> Callable[[Any], None]:
        def note(now: Any) -> None:
            first_time = now.state.step not in losses[name]
            losses[name][now.state.step] = now.loss
            if now.state.step == kill_at and first_time:
                worker_processes()[-1].kill()

        return note

    whole = tune(pairs_file, name="whole", on_progress=watch("one"), **STEPS)
    shared = tune(
        pairs_file, name="shared", workers=2, on_progress=watch("two", kill_at=20), **STEPS
    )
    assert list(losses["one"]) == sorted(losses["two"]) == list(range(1, 51))
    found, expected = ([each[step] for step in range(1, 51)] for each in losses.values())
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    assert shared.state.best_step == whole.state.best_step
    assert shared.registration is not None
    runs = [run.info.run_name for run in mlflow.search_runs(output_format="list")]
    assert sorted(runs) == ["tune shared on pairs.parquet", "tune whole on pairs.parquet"]


@pytest.mark.slow
def test_stopped_with_workers_it_goes_on_without_them(tune: Tune, pairs_file: Path) -> None:
    def press(now: Any) -> None:
        if now.state.step == 5:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        tune(pairs_file, workers=2, on_progress=press, **STEPS)
    steps: list[int] = []
    tune(pairs_file, on_progress=lambda now: steps.append(now.state.step), **STEPS)
    assert steps[0] > 5


def test_more_workers_than_there_is_room_for(tune: Tune, pairs_file: Path) -> None:
    with pytest.raises(WorkersError, match="at most 16 workers. Received: 17 workers and 1 node"):
        tune(pairs_file, workers=17, **STEPS)


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_what_the_first_worker_alone_cannot_do_ends_all(
    tune: Tune, pairs_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_out = Path(shutil.copy(pairs_file, tmp_path / "dev.parquet"))
    start = on_ray._start

    def lose_then_start(*arguments: Any) -> Any:
        held_out.unlink()
        return start(*arguments)

    monkeypatch.setattr(on_ray, "_start", lose_then_start)
    with pytest.raises(InputError, match=r"dev\.parquet"):
        tune(pairs_file, held_out=held_out, workers=2, **STEPS)


@pytest.mark.slow
def test_what_is_wrong_in_a_worker_is_said_once(tune: Tune, pairs_file: Path) -> None:
    with pytest.raises(TuningError, match="lower --learning-rate"):
        tune(pairs_file, workers=2, **STEPS | {"learning_rate": 1e30})


def test_the_network_computes_on_its_device_alone(checkpoint: Checkpoint) -> None:
    # Torch's meta device has shapes and no values: it refuses what is left on the CPU.
    for pooling in ("mean", "cls", "pooled"):
        network = Network(checkpoint, pooling, device="meta")
        vectors = network.vectors(torch.randint(1000, (3, 16)), [16, 4, 9])
        assert vectors.device.type == "meta"
        assert vectors.shape == (3, network.dim)
        vectors.sum().backward()
        gradient = network.weights["token_embedding"].grad
        assert gradient is not None
        assert gradient.device.type == "meta"
