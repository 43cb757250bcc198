"""A deliberate regression is refused: real versions, evaluated, logged and compared."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import mlflow
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mlflow import MlflowClient

from fnet_cli.main import main
from fnet_mlflow import register_preset
from fnet_registry import TextEncoder
from fnet_registry.presets.checkpoint import Checkpoint
from fnet_registry.presets.writing import write_checkpoint
from tests.flavor.mlflow_server import MlflowServer

SUBJECTS = ("a cat", "the old dog", "some rain", "my river", "one king")
VERBS = ("sleeps", "runs away")
TEXTS = [f"{subject} {verb} today" for subject in SUBJECTS for verb in VERBS]


@pytest.fixture(scope="session")
def regression(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny preset with its two layers swapped."""
    other = {"layers.0.": "layers.1.", "layers.1.": "layers.0."}
    arrays = {
        other.get(name[:9], name[:9]) + name[9:]: array for name, array in checkpoint.arrays.items()
    }
    folder = tmp_path_factory.mktemp("regression") / "swapped"
    write_checkpoint(replace(checkpoint, arrays=arrays), folder)
    return folder


@pytest.fixture(scope="session")
def pairs(encoder: TextEncoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pairs of texts, scored as the unharmed preset sees them, in whole numbers."""
    vectors = encoder.encode(TEXTS, normalize=True)
    rows = [(i, j) for i in range(len(TEXTS)) for j in range(i)]
    table = pa.table(
        {
            "text_a": [TEXTS[i] for i, _ in rows],
            "text_b": [TEXTS[j] for _, j in rows],
            "score": [round(1000 * float(vectors[i] @ vectors[j])) for i, j in rows],
        }
    )
    pq.write_table(table, file := tmp_path_factory.mktemp("data") / "pairs.parquet")
    return file


@pytest.fixture
def two_versions(preset_folder: Path, regression: Path) -> Callable[[], None]:
    def register() -> None:
        register_preset(preset_folder, "fnet", alias="champion")
        register_preset(regression, "fnet")

    return register


def refuse_the_regression(pairs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    models = ["models:/fnet/1", "models:/fnet/2"]
    assert main(["evaluate", *models, "--data", str(pairs), "--json"]) == 0
    printed = capsys.readouterr()
    assert [each["model"] for each in json.loads(printed.out)["models"]] == models
    assert printed.err.count("logged on models:/fnet/") == 2
    gate = ["--require", "spearman>=champion", "--data", str(pairs)]
    assert main(["promote", "models:/fnet/2", *gate]) == 1
    assert "NOT MET  spearman>=champion  spearman -0." in capsys.readouterr().out
    client = MlflowClient()
    assert int(client.get_model_version_by_alias("fnet", "champion").version) == 1

    assert main(["promote", "models:/fnet/2", *gate, "--force"]) == 0
    assert int(client.get_model_version_by_alias("fnet", "champion").version) == 2
    assert main(["promote", "models:/fnet/1", *gate]) == 0
    assert main(["promote", "models:/fnet", "--rollback"]) == 0
    assert int(client.get_model_version_by_alias("fnet", "champion").version) == 2


def test_two_layers_swapped_are_refused(
    registry: Path,
    two_versions: Callable[[], None],
    pairs: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    two_versions()
    refuse_the_regression(pairs, capsys)


def test_without_tracking_nothing_is_logged(
    registry: Path,
    preset_folder: Path,
    pairs: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    register_preset(preset_folder, "fnet")
    assert main(["evaluate", "models:/fnet/1", "--data", str(pairs), "--no-tracking"]) == 0
    assert "logged" not in capsys.readouterr().err
    assert main(["promote", "models:/fnet/1", "--require", "spearman>0"]) == 1


def test_figures_that_cannot_be_logged_are_printed_all_the_same(
    registry: Path,
    preset_folder: Path,
    pairs: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    register_preset(preset_folder, "fnet")
    Path("a_file").touch()
    mlflow.create_experiment("full", artifact_location=Path("a_file/x").absolute().as_uri())
    mlflow.set_experiment("full")
    capsys.readouterr()
    assert main(["evaluate", "models:/fnet/1", "--data", str(pairs)]) == 2
    printed = capsys.readouterr()
    assert "spearman  models:/fnet/1  0.99" in printed.out
    assert "--no-tracking leaves that out. Received: " in printed.err.splitlines()[-1]
    assert main(["promote", "models:/fnet/1", "--require", "spearman>0"]) == 1


def test_a_file_that_changed_since_is_other_data(
    registry: Path,
    preset_folder: Path,
    pairs: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    register_preset(preset_folder, "fnet")
    table = pq.read_table(pairs)
    pq.write_table(table, "own.parquet")
    assert main(["evaluate", "models:/fnet/1", "--data", "own.parquet"]) == 0
    gate = ["promote", "models:/fnet/1", "--require", "spearman>0", "--data", "own.parquet"]
    assert main(gate) == 0
    pq.write_table(table.slice(1), "own.parquet")
    assert main(gate) == 1
    assert "no spearman of models:/fnet/1 on own.parquet (" in capsys.readouterr().out
    pq.write_table(table, "renamed.parquet")
    assert main([*gate[:-1], "renamed.parquet"]) == 0
    pq.write_table(pa.table({"x": [1]}), "own.parquet")
    assert main(gate) == 2
    assert "a file that needs no --corpus and no --map" in capsys.readouterr().err


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MlflowServer]:
    database = f"sqlite:///{tmp_path}/server.db"
    server = MlflowServer(database=database, folder=tmp_path, auth=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    server.start()
    mlflow.set_tracking_uri(server.uri)
    mlflow.set_experiment("Default")
    yield server
    server.kill()
    mlflow.set_tracking_uri(None)
    os.environ.pop("MLFLOW_EXPERIMENT_ID", None)


@pytest.mark.system
def test_two_layers_swapped_are_refused_over_a_server(
    server: MlflowServer,
    two_versions: Callable[[], None],
    pairs: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    two_versions()
    refuse_the_regression(pairs, capsys)
