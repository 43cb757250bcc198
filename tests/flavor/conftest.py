"""A registry for each test: sqlite and a folder of artifacts, nothing of the user's."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest

import fnet_mlflow


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with MLflow's tables, made once because that takes a second."""
    database = tmp_path_factory.mktemp("database") / "mlflow.db"
    mlflow.MlflowClient(f"sqlite:///{database}").search_experiments()
    return database


@pytest.fixture
def registry(
    empty_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A registry in the test's folder, which is the working directory too."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    use_registry(shutil.copy(empty_database, tmp_path / "mlflow.db"))
    yield tmp_path
    # MLflow tells them to child processes by the environment, which other tests' would read too.
    mlflow.set_tracking_uri(None)
    os.environ.pop("MLFLOW_EXPERIMENT_ID", None)


def use_registry(database: Path) -> None:
    """Points this process, and those that it starts, at a registry on sqlite."""
    mlflow.set_tracking_uri(f"sqlite:///{database}")
    if mlflow.get_experiment_by_name("tests") is None:
        artifacts = Path(database).parent / "artifacts"
        mlflow.create_experiment("tests", artifact_location=artifacts.as_uri())
    mlflow.set_experiment("tests")


@pytest.fixture(scope="session")
def saved_model(tmp_path_factory: pytest.TempPathFactory, preset_folder: Path) -> Path:
    """A saved model, not to be written to."""
    path = tmp_path_factory.mktemp("saved") / "model"
    fnet_mlflow.save_model(preset_folder, path)
    return path


@pytest.fixture(scope="session")
def pyfunc_model(saved_model: Path) -> Any:
    return mlflow.pyfunc.load_model(str(saved_model))


@pytest.fixture
def model_copy(saved_model: Path, tmp_path: Path) -> Path:
    """A saved model of the test's own."""
    return Path(shutil.copytree(saved_model, tmp_path / "model"))


@pytest.fixture
def register(registry: Path, preset_folder: Path) -> Callable[..., fnet_mlflow.Registration]:
    """Registers the tiny preset as `fnet`."""

    def register(**arguments: Any) -> fnet_mlflow.Registration:
        return fnet_mlflow.register_preset(preset_folder, "fnet", **arguments)

    return register
