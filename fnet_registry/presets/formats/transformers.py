"""Transformers checkpoints of every FNet class: what lies where in them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from fnet_registry.errors import ConfigError, PresetError
from fnet_registry.presets.config import FNetConfig
from fnet_registry.presets.documents import read_json
from fnet_registry.presets.formats.format import (
    PresetFormat,
    StoredName,
    StoredTensor,
    WeightsFiles,
)
from fnet_registry.shown import shown

# Our configuration's name, Transformers' name, and Transformers' default.
_CONFIG_KEYS: dict[str, tuple[str, Any]] = {
    "vocabulary_size": ("vocab_size", 32000),
    "num_layers": ("num_hidden_layers", 12),
    "hidden_dim": ("hidden_size", 768),
    "intermediate_dim": ("intermediate_size", 3072),
    "dropout": ("hidden_dropout_prob", 0.1),
    "max_sequence_length": ("max_position_embeddings", 512),
    "num_segments": ("type_vocab_size", 4),
}
# What the backbone computes, and the only things that these keys may say. The activations are the
# names that Transformers has for one function.
_FIXED: dict[str, tuple[Any, ...]] = {
    "hidden_act": (
        "gelu_new",
        "gelu_pytorch_tanh",
        "gelu_python_tanh",
        "gelu_fast",
        "gelu_accurate",
    ),
    "layer_norm_eps": (1e-12,),
}

_EMBEDDINGS = {
    "token_embedding": "embeddings.word_embeddings.weight",
    "position_embedding": "embeddings.position_embeddings.weight",
    "segment_embedding": "embeddings.token_type_embeddings.weight",
}
_OUTER_PARTS = {
    "embedding_norm": "embeddings.LayerNorm",
    "embedding_projection": "embeddings.projection",
    "pooler": "pooler.dense",
}
_LAYER_PARTS = {
    "mixing_norm": "fourier.output.LayerNorm",
    "intermediate": "intermediate.dense",
    "output": "output.dense",
    "output_norm": "output.LayerNorm",
}
_BACKBONE_PREFIX = "fnet."
_NOT_THE_BACKBONES = ("cls.", "classifier.", "qa_outputs.")
# The last two hold the Fourier transform of `use_tpu_fourier_optimizations` as matrices.
_BUFFERS = (".position_ids", ".token_type_ids", ".dft_mat_hidden", ".dft_mat_seq")


def is_transformers_config(document: Mapping[str, Any]) -> bool:
    """Return True for the configuration of any Transformers model, FNet or not."""
    return "model_type" in document or "architectures" in document


def parse_config(document: Mapping[str, Any]) -> tuple[FNetConfig, str]:
    """Read a Transformers `config.json`.

    Returns:
        The configuration, and the dtype it was saved in.

    Raises:
        ConfigError: If it is another model's, quantised, or computes something else.
    """
    if document.get("model_type") != "fnet":
        raise ConfigError(
            "The preset must be of the model type `fnet`."
            f" Received: {shown(document.get('model_type'))}"
        )
    if document.get("quantization_config") is not None:
        raise ConfigError(
            "A preset must hold plain float weights; quantised presets are not supported."
            " Received: a `quantization_config`"
        )
    for key, known in _FIXED.items():
        if document.get(key, known[0]) not in known:
            raise ConfigError(
                f"`{key}` must be {known[0]!r}, as FNet was trained."
                f" Received: {shown(document[key])}"
            )
    values = {ours: document.get(key, default) for ours, (key, default) in _CONFIG_KEYS.items()}
    dtype = document.get("dtype") or document.get("torch_dtype") or "float32"
    if dtype not in ("float32", "float16", "bfloat16"):
        raise ConfigError(f"`dtype` must be float32, float16 or bfloat16. Received: {shown(dtype)}")
    return FNetConfig.from_mapping(values), dtype


def _backbone_only(tensors: Mapping[str, StoredTensor]) -> dict[str, StoredTensor]:
    """Return the tensors without class prefix, heads and buffers."""
    stripped = {
        name.removeprefix(_BACKBONE_PREFIX): tensor
        for name, tensor in tensors.items()
        if not name.startswith(_NOT_THE_BACKBONES)
    }
    return {name: tensor for name, tensor in stripped.items() if not name.endswith(_BUFFERS)}


def layout(config: FNetConfig, stored: Iterable[str] = ()) -> dict[str, StoredName]:
    """Return where each canonical tensor lies; dense kernels lie there transposed.

    Args:
        config: The backbone's configuration.
        stored: The names that a file holds. Without any of the pooler's, the model was made with
            `add_pooling_layer=False`, which no configuration tells.
    """
    places = {ours: StoredName(name=theirs) for ours, theirs in _EMBEDDINGS.items()}
    parts = dict(_OUTER_PARTS)
    held = tuple(stored)
    if held and not any(name.startswith("pooler.") for name in held):
        del parts["pooler"]
    for index in range(config.num_layers):
        parts |= {
            f"layers.{index}.{ours}": f"encoder.layer.{index}.{theirs}"
            for ours, theirs in _LAYER_PARTS.items()
        }
    for ours, theirs in parts.items():
        scale, shift = ("gamma", "beta") if ours.endswith("_norm") else ("kernel", "bias")
        places[f"{ours}.{scale}"] = StoredName(
            name=f"{theirs}.weight", transposed=scale == "kernel"
        )
        places[f"{ours}.{shift}"] = StoredName(name=f"{theirs}.bias")
    return places


def check_tokenizer(folder: Path) -> None:
    """Refuse a tokenizer that changes a text before SentencePiece has it.

    Raises:
        ConfigError: It lower-cases, or takes accents away.
    """
    path = folder / "tokenizer_config.json"
    stated: Mapping[str, Any] = {}
    with suppress(PresetError):  # there need not be one, and a damaged one says nothing
        stated = read_json(path)
    for name, usual in _TOKENIZER.items():
        if stated.get(name, usual) != usual:
            raise ConfigError(
                f"`{name}` of `{path}` must be {usual}, as published FNets have it. "
                f"Received: {shown(stated[name])}"
            )


_TOKENIZER = {"do_lower_case": False, "keep_accents": True}

TRANSFORMERS = PresetFormat(
    name="Transformers",
    files=("special_tokens_map.json", "spiece.model", "tokenizer.json", "tokenizer_config.json"),
    vocabulary="spiece.model",
    weights=(  # in the order in which Transformers itself prefers them
        WeightsFiles(
            single="model.safetensors",
            index="model.safetensors.index.json",
            shards=re.compile(r"model-[0-9]{5}-of-[0-9]{5}\.safetensors"),
            describe="fnet_registry.presets.formats.safetensors:describe_safetensors",
        ),
        WeightsFiles(
            single="pytorch_model.bin",
            index="pytorch_model.bin.index.json",
            shards=re.compile(r"pytorch_model-[0-9]{5}-of-[0-9]{5}\.bin"),
            describe="fnet_registry.presets.formats.torch_pickle:describe_torch_pickle",
        ),
    ),
    has_heads=True,
    recognises=is_transformers_config,
    parse_config=parse_config,
    backbone=_backbone_only,
    layout=layout,
    check=check_tokenizer,
)
