"""Presets to damage."""

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def hdf5_preset(preset_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(preset_folder, tmp_path / "preset"))


@pytest.fixture
def bin_preset(data_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(data_folder / "transformers_bin", tmp_path / "preset"))


@pytest.fixture
def safetensors_preset(data_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(data_folder / "transformers_base", tmp_path / "preset"))
