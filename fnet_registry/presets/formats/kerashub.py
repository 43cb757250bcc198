"""KerasHub preset folders, of the keras_nlp and the keras_hub eras: what lies where in them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from fnet_registry.errors import ConfigError
from fnet_registry.presets.config import FNetConfig
from fnet_registry.presets.formats.format import (
    PresetFormat,
    StoredName,
    StoredTensor,
    WeightsFiles,
)
from fnet_registry.shown import shown

METADATA_FILE = "metadata.json"
WEIGHTS_FILE = "model.weights.h5"
TOKENIZER_FILE = "tokenizer.json"
VOCABULARY_FILE = "assets/tokenizer/vocabulary.spm"
BACKBONE_CLASS = "FNetBackbone"
# Our own key, which KerasHub ignores: false where zeros are stored in place of a pooler.
POOLER_KEY = "pooler"

# Keras up to 2.13 kept a model's layers under the second name.
_LAYER_GROUPS = ("layers/", "_layer_checkpoint_dependencies/")

# First of each: the name that every era since keras_nlp 0.7 writes, and that we write.
_OUTER_GROUPS: dict[str, tuple[str, ...]] = {
    "token_embedding": ("reversible_embedding", "_token_embedding", "token_embedding"),
    "position_embedding": ("position_embedding",),
    "segment_embedding": ("embedding", "embedding_1"),
    "embedding_norm": ("layer_normalization",),
    "embedding_projection": ("dense",),
    "pooler": ("dense_1",),
}
_ENCODER_GROUPS = {
    "mixing_norm": "_mixing_layer_norm",
    "intermediate": "_intermediate_dense",
    "output": "_output_dense",
    "output_norm": "_output_layer_norm",
}
_VARIABLES = {"gamma": 0, "beta": 1, "kernel": 0, "bias": 1}


def is_kerashub_config(document: Mapping[str, Any]) -> bool:
    """Return True for the configuration of any Keras model, FNet or not."""
    return "class_name" in document and "config" in document


def parse_config(document: Mapping[str, Any]) -> tuple[FNetConfig, str]:
    """Read a backbone's `config.json` by a fixed list of keys; nothing that it names is imported.

    Returns:
        The configuration, and the name of the dtype policy it was saved under.

    Raises:
        ConfigError: If it is another model's, quantised, or incomplete.
    """
    if document.get("class_name") != BACKBONE_CLASS:
        raise ConfigError(
            f"The preset must be of the class `{BACKBONE_CLASS}`."
            f" Received: {shown(document.get('class_name'))}"
        )
    values = document.get("config")
    if not isinstance(values, dict):
        raise ConfigError(f"`config` must be a JSON object. Received: {shown(values)}")
    values = {**values, "pooler": document.get(POOLER_KEY, True)}
    return FNetConfig.from_mapping(values), _policy_name(values.get("dtype"))


def _policy_name(dtype: Any) -> str:
    if dtype is None:
        return "float32"
    if isinstance(dtype, dict):
        inner = dtype.get("config")
        dtype_name = inner.get("name") if isinstance(inner, dict) else None
        if dtype.get("class_name") != "DTypePolicy" or not isinstance(dtype_name, str):
            raise ConfigError(
                "`dtype` must be a plain `DTypePolicy`, for example `mixed_bfloat16`; quantised"
                f" presets are not supported. Received: {shown(dtype.get('class_name'))}"
            )
        dtype = dtype_name
    check_policy(dtype)
    return dtype


def check_policy(name: Any) -> None:
    """Refuse every dtype policy but those that a preset may be saved under.

    Raises:
        ConfigError: If it is another, for example that of a quantised layer.
    """
    known = ("float32", "float16", "bfloat16", "mixed_float16", "mixed_bfloat16")
    if name not in known:
        raise ConfigError(
            f"`dtype` must be one of {', '.join(known)}; quantised presets are not supported."
            f" Received: {shown(name)}"
        )


def _below_layers(tensors: Mapping[str, StoredTensor]) -> dict[str, StoredTensor]:
    return {
        next((name[len(g) :] for g in _LAYER_GROUPS if name.startswith(g)), name): tensor
        for name, tensor in tensors.items()
    }


def layout(config: FNetConfig, stored: Iterable[str] = ()) -> dict[str, StoredName]:
    """Return where each canonical tensor lies below a model's layers, the pooler's in any case.

    Args:
        config: The backbone's configuration.
        stored: The names that a file holds; of several known names the one it holds is taken.
    """
    held = set(stored)
    places: dict[str, StoredName] = {}
    for part, groups in _OUTER_GROUPS.items():
        variables = ("",) if part.endswith("_embedding") else _pair(part)
        for variable in variables:
            paths = [f"{group}/vars/{_VARIABLES.get(variable, 0)}" for group in groups]
            name = next((path for path in paths if path in held), paths[0])
            places[f"{part}.{variable}" if variable else part] = StoredName(name=name)
    for index in range(config.num_layers):
        encoder = "f_net_encoder" if index == 0 else f"f_net_encoder_{index}"
        for part, group in _ENCODER_GROUPS.items():
            for variable in _pair(part):
                places[f"layers.{index}.{part}.{variable}"] = StoredName(
                    name=f"{encoder}/{group}/vars/{_VARIABLES[variable]}"
                )
    return places


def _pair(part: str) -> tuple[str, str]:
    return ("gamma", "beta") if part.endswith("_norm") else ("kernel", "bias")


KERASHUB = PresetFormat(
    name="KerasHub",
    files=(VOCABULARY_FILE, METADATA_FILE, "preprocessor.json", "task.json", TOKENIZER_FILE),
    vocabulary=VOCABULARY_FILE,
    weights=(
        WeightsFiles(
            single=WEIGHTS_FILE,
            index="model.weights.json",
            shards=re.compile(r"model_[0-9]{5}\.weights\.h5"),
            describe="fnet_registry.presets.formats.hdf5:describe_hdf5",
        ),
    ),
    has_heads=False,
    recognises=is_kerashub_config,
    parse_config=parse_config,
    backbone=_below_layers,
    layout=layout,
)
