"""Writes a checkpoint as a preset folder that KerasHub loads."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from fnet_registry import __version__
from fnet_registry.presets.checkpoint import Checkpoint
from fnet_registry.presets.config import FNetConfig
from fnet_registry.presets.formats import kerashub
from fnet_registry.presets.formats.format import CONFIG_FILE
from fnet_registry.presets.formats.head import write_head
from fnet_registry.presets.tensors import parameter_count
from fnet_registry.presets.whole_file import write_file

# KerasHub asks for one; it is the version whose file layout we write.
_KERAS_VERSION = "3.15.1"


def write_checkpoint(checkpoint: Checkpoint, folder: Path | str) -> None:
    """Write a preset folder; what stands in it under the same names is replaced.

    Args:
        checkpoint: The model. Without `tokenizer_proto`, no tokenizer is written. KerasHub's
            model has a pooler; for one that has none, zeros are written in its place, and a mark
            by which `read_checkpoint` leaves them out again. KerasHub then computes the same
            `sequence_output`, and a `pooled_output` of zeros.
        folder: The folder; made where it does not exist.
    """
    folder = Path(folder)
    write_weights(checkpoint, folder)
    write_head(checkpoint.arrays, folder)
    write_json(_metadata(checkpoint.config), folder / kerashub.METADATA_FILE)
    if checkpoint.tokenizer_proto is not None:
        write_tokenizer(checkpoint.tokenizer_proto, folder)
    # Last: a folder whose writing broke off has no configuration and is no preset.
    write_json(_backbone(checkpoint), folder / CONFIG_FILE)


def write_tokenizer(proto: bytes, folder: Path | str) -> None:
    """Write the tokenizer's part of a preset folder, which is made where it does not exist."""
    folder = Path(folder)
    write_file(folder / kerashub.VOCABULARY_FILE, lambda path: path.write_bytes(proto))
    write_json(_TOKENIZER, folder / kerashub.TOKENIZER_FILE)


def write_json(document: dict[str, Any], path: Path) -> None:
    """Write a JSON object, whole or not at all."""
    write_file(path, lambda target: target.write_text(json.dumps(document, indent=4) + "\n"))


def write_weights(checkpoint: Checkpoint, folder: Path) -> None:
    """Write `model.weights.h5` under the names of KerasHub's layers."""
    places = kerashub.layout(checkpoint.config)
    arrays = {**_no_pooler(checkpoint), **checkpoint.arrays}

    def write(path: Path) -> None:
        with h5py.File(path, "w") as file:
            for name, place in places.items():
                values = arrays[name]
                dataset = file.create_dataset(f"layers/{place.name}", data=values)
                if values.dtype.name == "bfloat16":
                    dataset.attrs["dtype"] = "bfloat16"

    write_file(folder / kerashub.WEIGHTS_FILE, write)


def _no_pooler(checkpoint: Checkpoint) -> dict[str, np.ndarray]:
    projection = checkpoint.arrays["embedding_projection.kernel"]
    return {
        "pooler.kernel": np.zeros_like(projection),
        "pooler.bias": np.zeros(len(projection), projection.dtype),
    }


def _backbone(checkpoint: Checkpoint) -> dict[str, Any]:
    sizes = checkpoint.config.to_dict()
    mark = {kerashub.POOLER_KEY: sizes.pop("pooler")} if "pooler" in sizes else {}
    return {
        "module": "keras_hub.src.models.f_net.f_net_backbone",
        "class_name": kerashub.BACKBONE_CLASS,
        "config": {
            "name": "f_net_backbone",
            "trainable": True,
            "dtype": _policy(checkpoint.dtype),
            **sizes,
        },
        "registered_name": "keras_hub>FNetBackbone",
        **mark,
    }


def _metadata(config: FNetConfig) -> dict[str, Any]:
    return {
        "keras_version": _KERAS_VERSION,
        "fnet_registry_version": __version__,
        "parameter_count": parameter_count(config),
        "date_saved": datetime.now(UTC).strftime("%Y-%m-%d@%H:%M:%S"),
    }


def _policy(name: str) -> dict[str, Any]:
    return {
        "module": "keras",
        "class_name": "DTypePolicy",
        "config": {"name": name},
        "registered_name": None,
    }


_TOKENIZER = {
    "module": "keras_hub.src.models.f_net.f_net_tokenizer",
    "class_name": "FNetTokenizer",
    "config": {
        "name": "f_net_tokenizer",
        "trainable": True,
        "dtype": _policy("int32"),
        "config_file": "tokenizer.json",
        "proto": None,
        "sequence_length": None,
        "add_bos": False,
        "add_eos": False,
    },
    "registered_name": "keras_hub>FNetTokenizer",
}
