"""Where a model's files lie: what may be kept on this machine, and what may not."""

from collections.abc import Iterator
from pathlib import Path

import boto3
import mlflow
import pytest
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

import fnet_mlflow
from tests.object_store import run_object_store


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket on loopback."""
    with run_object_store() as endpoint:
        # MLflow keeps its client for each endpoint that this names.
        monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", endpoint)
        boto3.client("s3").create_bucket(Bucket="models")
        yield "s3://models"


def test_versions_registered_from_one_path_are_not_taken_for_each_other(
    registry: Path, preset_folder: Path, bucket: str
):
    for number, pooling in enumerate(("mean", "cls"), start=1):
        fnet_mlflow.save_model(preset_folder, registry / pooling, pooling=pooling)
        get_artifact_repository(f"{bucket}/encoder").log_artifacts(str(registry / pooling))
        mlflow.register_model(f"{bucket}/encoder", "encoder")
        loaded = fnet_mlflow.load_model(f"models:/encoder/{number}")
        assert loaded.config.pooling == pooling


def test_a_logged_model_is_kept_once(registry: Path, preset_folder: Path, bucket: str):
    mlflow.set_experiment(
        experiment_id=mlflow.create_experiment("remote", artifact_location=bucket)
    )
    uri = fnet_mlflow.log_model(preset_folder, name="encoder").model_uri
    for _ in range(2):
        fnet_mlflow.load_model(uri)
    assert len(list((registry / "cache").rglob("model.weights.h5"))) == 1
