"""Versions with a head: stored, digested, verified, and never referred to."""

from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pytest
from mlflow.models import Model

import fnet_mlflow
from fnet_cli.main import main
from fnet_mlflow.content.probe import LOWEST_COSINE, check_probe, read_probe
from fnet_registry import TextEncoder
from fnet_registry.errors import DamagedFileError, ModelError
from fnet_registry.presets.checkpoint import read_checkpoint
from fnet_registry.presets.formats.head import write_head
from tests.hubs.conftest import (  # noqa: F401
    Site,
    home,
    huggingface,
    huggingface_site,
    kaggle,
    kaggle_site,
    preset_files,
    site,
)

TEXTS = ["a text", "another text, a little longer"]


@pytest.fixture(scope="module")
def encoder(preset_folder: Path) -> TextEncoder:
    checkpoint = read_checkpoint(preset_folder)
    hidden = checkpoint.config.hidden_dim
    kernel = np.eye(hidden, 7, dtype="float32") * np.logspace(0, 3, 7, dtype="float32")
    head = {"head.kernel": kernel, "head.bias": np.arange(7, dtype="float32")}
    headed = replace(checkpoint, arrays=checkpoint.arrays | head)
    return TextEncoder.from_checkpoint(headed, device="cpu")


@pytest.fixture(scope="module")
def saved(encoder: TextEncoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "model"
    fnet_mlflow.save_model(encoder, folder)
    return folder


def test_a_loaded_model_gives_the_heads_vectors(encoder: TextEncoder, saved: Path) -> None:
    expected = encoder.encode(TEXTS)
    np.testing.assert_array_equal(fnet_mlflow.load_model(saved).encode(TEXTS), expected)
    loaded = mlflow.pyfunc.load_model(str(saved))
    np.testing.assert_array_equal(loaded.predict(TEXTS), expected)
    assert loaded.metadata.metadata["embedding_dim"] == 7


def test_its_bounds_are_as_much_wider_as_it_enlarges_errors(saved: Path) -> None:
    encoder = fnet_mlflow.load_model(saved)
    report = check_probe(encoder, read_probe(saved / "data"))
    assert report.passed
    assert report.allowed_cosine < LOWEST_COSINE["float32"]
    assert main(["verify", str(saved)]) == 0


def test_another_head_is_another_digest(encoder: TextEncoder, saved: Path, tmp_path: Path) -> None:
    arrays = dict(encoder.checkpoint.arrays)
    arrays["head.bias"] = arrays["head.bias"] + np.float32(1)
    other = TextEncoder.from_checkpoint(replace(encoder.checkpoint, arrays=arrays))
    fnet_mlflow.save_model(other, tmp_path / "other")
    folders = (saved, tmp_path / "other")
    digests = [Model.load(folder).flavors["fnet"]["content_sha256"] for folder in folders]
    assert digests[0] != digests[1]


def test_a_model_without_one_stays_readable_by_older_releases(
    saved: Path, preset_folder: Path, tmp_path: Path
) -> None:
    fnet_mlflow.save_model(preset_folder, tmp_path / "plain")
    formats = [
        Model.load(folder).flavors["fnet"]["format_version"]
        for folder in (tmp_path / "plain", saved)
    ]
    assert formats == [1, 2]


def test_a_removed_head_is_found_out(encoder: TextEncoder, tmp_path: Path) -> None:
    fnet_mlflow.save_model(encoder, tmp_path / "model")
    (tmp_path / "model" / "data" / "head.safetensors").unlink()
    with pytest.raises(DamagedFileError, match=r"Expected the file head.safetensors"):
        fnet_mlflow.load_model(tmp_path / "model")


def test_a_hubs_head_comes_along_and_is_not_referred_to(
    encoder: TextEncoder,
    site: Site,  # noqa: F811
    registry: Path,
    tmp_path: Path,
) -> None:
    write_head(encoder.checkpoint.arrays, tmp_path)
    site.files["head.safetensors"] = (tmp_path / "head.safetensors").read_bytes()
    expected = encoder.encode(TEXTS)
    np.testing.assert_array_equal(TextEncoder.from_preset(site.handle).encode(TEXTS), expected)
    np.testing.assert_array_equal(mlflow.pyfunc.load_model(site.handle).predict(TEXTS), expected)
    with pytest.raises(ModelError, match=r"A preset with a head must be registered with its"):
        fnet_mlflow.register_preset(site.handle, "fnet", reference=True)
    stored = fnet_mlflow.register_preset(site.handle, "fnet")
    np.testing.assert_array_equal(fnet_mlflow.load_model(stored.model_uri).encode(TEXTS), expected)
