"""Tiny real models, shared by all tests."""

import gc
import json
import logging
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file, save_file

from fnet_registry import TextEncoder
from fnet_registry.presets.checkpoint import Checkpoint, read_checkpoint

DATA = Path(__file__).parent / "data"


LOGICAL_CPUS = 4


@pytest.fixture(autouse=True, scope="session")
def _loaded() -> None:
    """What commands say that they are loading is loaded, whichever test comes first."""
    import matplotlib  # noqa: F401
    import mlflow  # noqa: F401
    import ray  # noqa: F401
    import torch  # noqa: F401


@pytest.fixture(autouse=True, scope="module")
def _light_collections() -> None:
    """What earlier modules left is not looked at again; Keras and the job collect often."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Ctrl-C as a terminal's process has it: what a shell starts behind itself is deaf to it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def ray_session() -> Iterator[None]:
    import ray.data

    logging.getLogger("ray.data").setLevel(logging.ERROR)  # it logs every step at DEBUG
    ray.init(
        address="local",
        num_cpus=LOGICAL_CPUS,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    yield
    ray.shutdown()


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Presets that KerasHub and Transformers wrote, with their outputs."""
    return DATA


@pytest.fixture(scope="session")
def preset_folder() -> Path:
    """A KerasHub preset: 2 layers, hidden 32, 64 positions, 1,000 pieces."""
    return DATA / "kerashub"


@pytest.fixture(scope="session")
def poolerless_folder(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As Transformers saves an `FNetModel(config, add_pooling_layer=False)`."""
    folder = tmp_path_factory.mktemp("presets") / "poolerless"
    shutil.copytree(data_folder / "transformers_base", folder)
    tensors = load_file(folder / "model.safetensors")
    kept = {name: values for name, values in tensors.items() if not name.startswith("pooler.")}
    save_file(kept, folder / "model.safetensors")
    return folder


@pytest.fixture(scope="session")
def checkpoint(preset_folder: Path) -> Checkpoint:
    return read_checkpoint(preset_folder)


@pytest.fixture(scope="session")
def encoder(preset_folder: Path) -> TextEncoder:
    return TextEncoder.from_preset(preset_folder)


@pytest.fixture(scope="session")
def golden_texts() -> dict[str, Any]:
    """Texts with KerasHub's token ids, and packed pairs with its preprocessor's."""
    return json.loads((DATA / "texts.json").read_text())
