"""The whole way against a real MLflow server: PostgreSQL, proxied artifacts, basic auth."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import mlflow
import numpy as np
import pytest
from mlflow.exceptions import MlflowException

import fnet_mlflow
from fnet_cli.main import main
from fnet_registry import TextEncoder
from fnet_registry.errors import DamagedFileError
from fnet_registry.presets.checkpoint import Checkpoint
from fnet_registry.presets.config import FNetConfig
from fnet_registry.presets.tensors import tensor_shapes
from fnet_registry.presets.writing import write_checkpoint
from tests.flavor.mlflow_server import (
    ADMIN,
    PASSWORD,
    MlflowServer,
    find_postgres,
    run_postgres,
)

POSTGRES = find_postgres()

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(POSTGRES is None, reason="PostgreSQL's initdb and pg_ctl are not here"),
]

TEXTS = ["a text", "another one"]

REGISTER = """
import sys, fnet_mlflow
print(fnet_mlflow.register_preset(sys.argv[1], sys.argv[2]).version)
"""


@pytest.fixture(scope="module")
def running_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    assert POSTGRES is not None
    with run_postgres(POSTGRES) as database:
        server = MlflowServer(database=database, folder=tmp_path_factory.mktemp("server"))
        server.start()
        try:
            yield server
        finally:
            server.kill()


@pytest.fixture
def server(
    running_server: MlflowServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MlflowServer]:
    """The server as this process and its children see it, with an empty cache of models."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", running_server.uri)
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", ADMIN)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    mlflow.set_tracking_uri(running_server.uri)
    mlflow.set_experiment("Default")
    return running_server


def test_register_alias_list_verify_and_load(
    server: MlflowServer,
    preset_folder: Path,
    encoder: TextEncoder,
    capsys: pytest.CaptureFixture[str],
):
    arguments = ["register", str(preset_folder), "--name", "way", "--alias", "champion"]
    assert main(arguments) == 0
    assert main(arguments) == 0
    assert main(["verify", "models:/way@champion"]) == 0
    assert main(["models", "way"]) == 0
    output = capsys.readouterr().out
    assert "models:/way/1 registered" in output
    assert "models:/way/1 holds this already" in output
    assert "models:/way@champion computes the same" in output
    assert "models:/way/1  champion" in output
    served = mlflow.pyfunc.load_model("models:/way@champion")
    np.testing.assert_array_equal(served.predict(TEXTS), encoder.encode(TEXTS))


def test_the_model_is_kept_once_for_the_machine(
    server: MlflowServer, preset_folder: Path, encoder: TextEncoder, tmp_path: Path
):
    fnet_mlflow.register_preset(preset_folder, "once", alias="champion")
    for uri in ("models:/once/1", "models:/once@champion", "models:/once/1"):
        np.testing.assert_array_equal(
            fnet_mlflow.load_model(uri).encode(TEXTS), encoder.encode(TEXTS)
        )
    assert len(list((tmp_path / "cache").rglob("model.weights.h5"))) == 1


def test_a_damaged_copy_is_fetched_again(
    server: MlflowServer, preset_folder: Path, encoder: TextEncoder, tmp_path: Path
):
    fnet_mlflow.register_preset(preset_folder, "damaged")
    fnet_mlflow.load_model("models:/damaged/1")
    [weights] = (tmp_path / "cache").rglob("model.weights.h5")
    weights.write_bytes(b"damaged")
    with pytest.raises(DamagedFileError, match="load the model again"):
        fnet_mlflow.load_model("models:/damaged/1")
    again = fnet_mlflow.load_model("models:/damaged/1")
    np.testing.assert_array_equal(again.encode(TEXTS), encoder.encode(TEXTS))


def test_without_credentials(
    server: MlflowServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "wrong")
    assert main(["models"]) == 2
    error = capsys.readouterr().err.strip()
    assert "\n" not in error
    assert error.startswith("fnet: error:")
    assert "401" in error or "authenticat" in error


def test_processes_at_once_end_up_with_one_version(server: MlflowServer, preset_folder: Path):
    command = [sys.executable, "-c", REGISTER, str(preset_folder), "race"]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    printed = {process.communicate()[0].strip() for process in processes}
    assert [process.returncode for process in processes] == [0] * 4
    (version,) = mlflow.MlflowClient().search_model_versions("name = 'race'")
    assert printed == {str(version.version)}


def test_a_server_killed_in_the_middle_of_an_upload(server: MlflowServer, tmp_path: Path):
    preset = write_large_preset(tmp_path / "preset")
    command = [sys.executable, "-c", REGISTER, str(preset), "killed"]
    before = set(server.artifacts.rglob("*"))
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        wait_for_upload(server, before, process)
        server.kill()
        process.communicate()
    assert process.returncode != 0

    server.start()
    assert mlflow.MlflowClient().search_model_versions("name = 'killed'") == []
    for model in mlflow.search_logged_models(output_format="list"):
        if model.name == "killed":
            assert model.status != "READY"
            with pytest.raises((MlflowException, OSError, ValueError)):
                mlflow.pyfunc.load_model(f"models:/{model.model_id}")

    registration = fnet_mlflow.register_preset(preset, "killed")
    assert registration.created
    assert fnet_mlflow.verify_model(registration.model_uri).passed


def wait_for_upload(server: MlflowServer, before: set[Path], process: subprocess.Popen) -> None:
    """Waits until the weights are on their way and not there yet."""
    for _ in range(3000):
        uploading = {path.name for path in set(server.artifacts.rglob("*")) - before}
        if any(name.startswith(".artifact.uploading") for name in uploading):
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    raise TimeoutError("nothing was uploaded")


def write_large_preset(folder: Path) -> Path:
    """A preset of 256 MB, so that its upload takes a while."""
    config = FNetConfig(
        vocabulary_size=32_000,
        num_layers=1,
        hidden_dim=2048,
        intermediate_dim=64,
        max_sequence_length=16,
    )
    random = np.random.default_rng(0)
    arrays = {
        name: random.standard_normal(shape, dtype=np.float32)
        for name, shape in tensor_shapes(config).items()
    }
    vocabulary = Path(__file__).parents[1] / "data/kerashub/assets/tokenizer/vocabulary.spm"
    checkpoint = Checkpoint(
        config=config,
        arrays=arrays,
        tokenizer_proto=vocabulary.read_bytes(),
        dtype="float32",
    )
    write_checkpoint(checkpoint, folder)
    return folder


def test_nothing_is_left_on_this_machine_but_the_cache(
    server: MlflowServer, preset_folder: Path, tmp_path: Path
):
    fnet_mlflow.register_preset(preset_folder, "clean")
    assert os.listdir(tmp_path) == []
