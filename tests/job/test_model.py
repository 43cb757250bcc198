"""Where a model comes from, and how it reaches the workers."""

from pathlib import Path

import mlflow
import numpy as np
import pytest

import fnet_mlflow
import fnet_ray
from fnet_ray.model import resolve_model, share_model
from fnet_registry import TextEncoder
from tests.programs import run_program


def test_the_public_names() -> None:
    assert fnet_ray.__all__ == [
        "Preview",
        "Report",
        "Search",
        "Status",
        "WorkerRequest",
        "embed",
        "encode",
        "preview",
        "read_status",
        "report",
        "search",
    ]
    for name in fnet_ray.__all__:
        assert getattr(fnet_ray, name).__name__ == name


@pytest.fixture
def run_uri(encoder: TextEncoder) -> str:
    with mlflow.start_run() as run:
        fnet_mlflow.log_model(encoder, name="model")
    return f"runs:/{run.info.run_id}/model"


def test_an_alias_is_pinned_to_the_version_that_it_means_now(registry: str) -> None:
    assert resolve_model("models:/fnet@champion").uri == registry


def test_a_run_a_model_folder_and_a_version_of_one_model_are_one(
    run_uri: str,
    registry: str,
    encoder: TextEncoder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fnet_mlflow.save_model(encoder, tmp_path / "model")
    monkeypatch.chdir(tmp_path)
    found = [resolve_model(uri) for uri in (run_uri, "model", registry)]
    assert found[1].uri == str(tmp_path / "model")  # as an output records it, for any folder
    assert len({model.digest for model in found}) == 1
    assert {model.encoding for model in found} == {encoder.config}


@pytest.mark.usefixtures("ray_session")
def test_workers_share_one_copy_of_the_weights_that_none_can_write(
    preset_folder: Path, encoder: TextEncoder
) -> None:
    import ray

    shared = share_model(resolve_model(preset_folder))
    arrays = ray.get(shared.weights)
    assert not any(array.flags.owndata or array.flags.writeable for array in arrays.values())
    np.testing.assert_array_equal(
        shared.encoder(num_threads=None).encode(["a text"]), encoder.encode(["a text"])
    )


def test_the_driver_reads_a_model_without_torch(preset_folder: Path) -> None:
    program = (
        "import sys, fnet_ray.embedding; from fnet_ray.model import resolve_model;"
        f"print(resolve_model({str(preset_folder)!r}).encoding.sequence_length,"
        " 'torch' in sys.modules)"
    )
    assert run_program(program) == "64 False"
