"""The server of deploy/compose.yaml, started as it stands there, on parts that run here."""

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import mlflow
import numpy as np
import pytest
import yaml

import fnet_mlflow
from fnet_registry import TextEncoder
from tests.flavor.mlflow_server import find_postgres, free_port, run_postgres
from tests.object_store import run_object_store
from tests.programs import serving

POSTGRES = find_postgres()

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(POSTGRES is None, reason="PostgreSQL's initdb and pg_ctl are not here"),
]

COMPOSE = Path(__file__).parents[2] / "deploy" / "compose.yaml"
SERVICE: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())["services"]["mlflow"]


@pytest.fixture
def uri(tmp_path: Path) -> Iterator[str]:
    assert POSTGRES is not None
    with run_postgres(POSTGRES) as database, run_object_store() as store:
        boto3.client("s3").create_bucket(Bucket="mlflow")
        here = {
            "MLFLOW_BACKEND_STORE_URI": database,
            "MLFLOW_S3_ENDPOINT_URL": store,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }
        assert here.keys() < SERVICE["environment"].keys()
        port = free_port()
        command = SERVICE["command"].replace("0.0.0.0", "127.0.0.1").replace("5000", str(port))
        started = [sys.executable, "-m", *command.split()]
        usual = {name: _default(value) for name, value in SERVICE["environment"].items()}
        environment = {**os.environ, **usual, **here}
        with serving(started, f"http://127.0.0.1:{port}/health", tmp_path, environment):
            yield f"http://127.0.0.1:{port}"


def _default(value: str) -> str:
    """Return a value as Compose has it where its variable is not set."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)


def test_a_version_goes_to_the_store_and_comes_back(
    uri: str,
    preset_folder: Path,
    encoder: TextEncoder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    mlflow.set_tracking_uri(uri)
    try:
        mlflow.set_experiment("Default")
        fnet_mlflow.register_preset(preset_folder, "docs", alias="champion")
        served = mlflow.pyfunc.load_model("models:/docs@champion")
    finally:
        mlflow.set_tracking_uri(None)
        os.environ.pop("MLFLOW_EXPERIMENT_ID", None)
    np.testing.assert_array_equal(served.predict(["a text"]), encoder.encode(["a text"]))
    stored = boto3.client("s3").list_objects_v2(Bucket="mlflow")["Contents"]
    assert any(each["Key"].endswith("model.weights.h5") for each in stored)
