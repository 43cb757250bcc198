"""Versions take the encoding that their preset carries, from a folder and from a hub."""

from collections.abc import Iterator
from pathlib import Path

import mlflow
import numpy as np
import pytest

import fnet_mlflow
from fnet_ray.model import resolve_model
from fnet_registry import TextEncoder
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

CARRIED = b'{"encoding": {"sequence_length": 16, "pooling": "cls"}}'
TEXTS = ["a text", "another one " * 40]


@pytest.fixture
def hub(site: Site, registry: Path) -> Iterator[Site]:  # noqa: F811
    site.files["encoding.json"] = CARRIED
    return site


@pytest.fixture
def carrying(preset_folder: Path, registry: Path) -> Path:
    folder = registry / "carrying"
    encoder = TextEncoder.from_preset(preset_folder, sequence_length=16, pooling="cls")
    encoder.save_to_preset(folder)
    return folder


def test_a_version_has_its_presets_encoding_unless_told_otherwise(carrying: Path):
    kept = fnet_mlflow.register_preset(carrying, "fnet")
    told = fnet_mlflow.register_preset(carrying, "fnet", pooling="mean")
    assert (kept.metadata["sequence_length"], kept.metadata["pooling"]) == (16, "cls")
    assert (told.metadata["sequence_length"], told.metadata["pooling"]) == (16, "mean")
    encoder = TextEncoder.from_preset(carrying)
    assert fnet_mlflow.load_model(kept.model_uri).config == encoder.config


def test_it_is_the_version_that_the_same_options_make(carrying: Path, preset_folder: Path):
    fnet_mlflow.register_preset(preset_folder, "fnet", sequence_length=16, pooling="cls")
    assert not fnet_mlflow.register_preset(carrying, "fnet").created


def test_a_saved_models_data_folder_is_a_preset_with_its_encoding(carrying: Path, registry: Path):
    fnet_mlflow.save_model(carrying, registry / "model")
    assert TextEncoder.from_preset(registry / "model" / "data").config.sequence_length == 16


def test_a_job_takes_it_too(carrying: Path):
    assert resolve_model(carrying).encoding == TextEncoder.from_preset(carrying).config


def test_a_hubs_preset_comes_with_its_encoding(hub: Site, preset_folder: Path):
    expected = TextEncoder.from_preset(preset_folder, sequence_length=16, pooling="cls")
    vectors = expected.encode(TEXTS)
    assert TextEncoder.from_preset(hub.handle).config == expected.config
    np.testing.assert_array_equal(mlflow.pyfunc.load_model(hub.handle).predict(TEXTS), vectors)
    reference = fnet_mlflow.register_preset(hub.handle, "fnet", reference=True)
    stored = fnet_mlflow.register_preset(hub.handle, "stored")
    for version in (reference, stored):
        np.testing.assert_array_equal(
            fnet_mlflow.load_model(version.model_uri).encode(TEXTS), vectors
        )
    assert fnet_mlflow.verify_model(reference.model_uri).passed
