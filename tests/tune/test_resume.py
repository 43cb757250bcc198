"""Killed at any moment, a tuning goes on, and ends with the same bits."""

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pytest
import torch

import fnet_mlflow
import fnet_tune
from fnet_registry.errors import InputError, TuningError
from fnet_tune.stopping import stop_requests
from fnet_tune.workspace import workspace
from tests.tune.conftest import QUICK

Tune = Callable[..., fnet_tune.Tuning]

PROGRAM = """
import sys, mlflow, torch, fnet_tune
torch.set_num_threads(1)
mlflow.set_experiment("tests")
fnet_tune.tune(sys.argv[1], sys.argv[2], name="killed", **eval(sys.argv[3]))
"""


class Killed(BaseException):
    """Ends a tuning where nothing is there to handle it."""


def kill_at(step: int) -> Callable:
    def watch(now) -> None:
        if now.state.step == step:
            raise Killed

    return watch


def digest(name: str) -> str:
    return mlflow.MlflowClient().get_model_version(name, "1").tags["fnet.content_sha256"]


def folders(registry: Path) -> list[Path]:
    home = registry / "cache" / "fnet-registry" / "tuning"
    return [path for path in home.iterdir() if path.is_dir()]


def test_killed_and_called_again_it_ends_with_the_same_bits(
    tune: Tune, pairs_file: Path, registry: Path
) -> None:
    for step in (2, 20, 27):
        with pytest.raises(Killed):
            tune(pairs_file, name="killed", on_progress=kill_at(step))
    [folder] = folders(registry)
    (folder / ".state.safetensors.half").mkdir()  # as a kill while writing leaves it
    steps = []
    tune(pairs_file, name="killed", on_progress=lambda now: steps.append(now.state.step))
    assert steps[0] == 25  # behind the last look at the held-out examples
    tune(pairs_file, name="whole")
    assert digest("killed") == digest("whole")
    assert folders(registry) == []


def test_it_stays_in_one_run(tune: Tune, pairs_file: Path) -> None:
    with pytest.raises(Killed):
        tune(pairs_file, on_progress=kill_at(20))
    tune(pairs_file)
    [run] = mlflow.search_runs(output_format="list")
    assert run.info.status == "FINISHED"
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "loss")
    values = {point.step: point.value for point in history}
    assert len({(point.step, point.value) for point in history}) == len(values)


def test_where_its_run_cannot_be_gone_on_with_it_has_another(
    tune: Tune, pairs_file: Path, registry: Path
) -> None:
    def delete() -> None:
        [run] = mlflow.search_runs(output_format="list")
        mlflow.delete_run(run.info.run_id)

    steps = []
    for lose in (delete, lambda: mlflow.set_experiment("others")):
        with pytest.raises(Killed):
            tune(pairs_file, on_progress=kill_at(20))
        lose()
        tune(pairs_file, on_progress=lambda now: steps.append(now.state.step))
        [run] = mlflow.search_runs(output_format="list")
        assert run.info.status == "FINISHED"
    mlflow.set_experiment("tests")
    assert min(steps) > 1


def test_one_content_under_two_names_is_tuned_twice(
    tune: Tune, pairs_file: Path, preset_folder: Path, registry: Path
) -> None:
    for name in ("one", "two"):
        fnet_mlflow.register_preset(preset_folder, name)
    with pytest.raises(Killed):
        fnet_tune.tune("models:/one/1", pairs_file, name="t", **QUICK, on_progress=kill_at(1))
    made = fnet_tune.tune("models:/two/1", pairs_file, name="t", **QUICK).registration
    assert made is not None
    assert mlflow.MlflowClient().get_model_version("t", "1").tags["fnet.parent"] == "models:/two/1"


def test_data_that_is_away_at_the_end_costs_no_step(
    tune: Tune, pairs_file: Path, tmp_path: Path
) -> None:
    held_out = Path(shutil.copy(pairs_file, tmp_path / "dev.parquet"))

    def remove(now: Any) -> None:
        held_out.unlink(missing_ok=True)

    with pytest.raises(InputError, match="dev.parquet"):
        tune(pairs_file, held_out=held_out, epochs=2, on_progress=remove)
    shutil.copy(pairs_file, held_out)
    steps = []
    tune(pairs_file, held_out=held_out, epochs=2, on_progress=steps.append)
    assert steps == []


def test_ctrl_c_ends_it_between_two_steps_and_it_goes_on_from_there(
    tune: Tune, pairs_file: Path
) -> None:
    def press(now) -> None:
        if now.state.step == 10:
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        tune(pairs_file, name="stopped", on_progress=press)
    assert signal.getsignal(signal.SIGINT) is before
    [run] = mlflow.search_runs(output_format="list")
    assert run.info.status == "KILLED"
    steps = []
    tune(pairs_file, name="stopped", on_progress=lambda now: steps.append(now.state.step))
    assert steps[0] == 12
    tune(pairs_file, name="whole")
    assert digest("stopped") == digest("whole")


def test_sigterm_ends_it_as_whoever_handles_that_would() -> None:
    class Terminated(KeyboardInterrupt):
        pass

    def terminate(number: int, frame: Any) -> None:
        raise Terminated

    def work() -> None:
        with stop_requests() as stop:
            os.kill(os.getpid(), signal.SIGTERM)
            assert stop()
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        with pytest.raises(Terminated):
            work()
    finally:
        signal.signal(signal.SIGTERM, before)


def test_another_seed_recipe_or_encoding_is_another_tuning(
    tune: Tune, pairs_file: Path, registry: Path
) -> None:
    for changed in ({}, {"seed": 1}, {"epochs": 7}, {"sequence_length": 20}, {"pooling": "cls"}):
        with pytest.raises(Killed):
            tune(pairs_file, on_progress=kill_at(1), **changed)
    assert len(folders(registry)) == 5


def test_two_processes_do_not_work_on_one_tuning(tune: Tune, pairs_file: Path) -> None:
    def tune_beside(now) -> None:
        if now.state.step == 1:
            with pytest.raises(TuningError, match="another one is at work in"):
                tune(pairs_file)
            raise Killed

    with pytest.raises(Killed):
        tune(pairs_file, on_progress=tune_beside)


def test_an_empty_cache_variable_is_as_none(
    tune: Tune, pairs_file: Path, registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", str(registry / "home"))
    told = []
    tune(pairs_file, epochs=0.5, on_start=told.append)
    assert told[0].parent == registry / "home" / ".cache" / "fnet-registry" / "tuning"


def test_it_works_in_a_thread_that_may_not_handle_signals(tune: Tune, pairs_file: Path) -> None:
    made = []
    work = threading.Thread(target=lambda: made.append(tune(pairs_file, epochs=1)))
    work.start()
    work.join()
    assert made


def test_the_users_random_numbers_are_left_alone(tune: Tune, pairs_file: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    tune(pairs_file, epochs=0.5)
    assert torch.equal(torch.rand(3), expected)


def kill_a_process(registry: Path, preset: Path, data: Path, *, wait: Callable) -> None:
    environment = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{registry}/mlflow.db"}
    command = [sys.executable, "-c", PROGRAM, str(preset), str(data), repr(QUICK)]
    process = subprocess.Popen(command, env=environment, cwd=registry, stderr=subprocess.PIPE)
    try:
        wait(process)
    finally:
        process.kill()
        process.communicate()


def test_a_process_that_was_killed_left_what_is_needed(
    tune: Tune, pairs_file: Path, registry: Path, preset_folder: Path
) -> None:
    home = registry / "cache" / "fnet-registry" / "tuning"

    def until_a_state(process: subprocess.Popen) -> None:
        while process.poll() is None and not list(home.glob("*/state.safetensors")):
            time.sleep(0.01)
        assert process.poll() is None

    kill_a_process(registry, preset_folder, pairs_file, wait=until_a_state)
    steps = []
    tune(pairs_file, name="killed", on_progress=lambda now: steps.append(now.state.step))
    assert steps[0] > 1
    tune(pairs_file, name="whole")
    assert digest("killed") == digest("whole")


@pytest.mark.slow
@pytest.mark.parametrize("file", ["pairs_file", "scored_file", "labels_file", "taught_file"])
def test_ten_kills_at_random_moments_leave_the_same_bits(
    tune: Tune, file: str, registry: Path, preset_folder: Path, request: pytest.FixtureRequest
) -> None:
    data = request.getfixturevalue(file)
    draw = random.Random(0)
    for _ in range(10):
        seconds = draw.uniform(3, 8)  # from before its first step to behind its last
        kill_a_process(registry, preset_folder, data, wait=lambda _, s=seconds: time.sleep(s))
    tune(data, name="killed")
    tune(data, name="whole")
    assert digest("killed") == digest("whole")


def test_a_folder_that_is_removed_by_halves_is_none(
    registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(_: Path) -> None:
        raise KeyboardInterrupt

    def tune_and_stop(patch: pytest.MonkeyPatch) -> None:
        with workspace({"a": 1}) as folder:
            (folder / "ids.bin").write_text("")
            folders.append(folder)
            patch.setattr("fnet_tune.workspace.shutil.rmtree", stop)

    folders: list[Path] = []
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        tune_and_stop(patch)
    [folder] = folders
    assert not folder.exists()
    with workspace({"a": 1}) as again:
        assert again == folder
        assert list(folder.iterdir()) == []
    assert list(folder.parent.iterdir()) == []
