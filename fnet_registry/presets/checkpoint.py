"""A preset folder as a configuration and named arrays, whatever format it is in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fnet_registry.errors import ConfigError, WeightsError
from fnet_registry.presets.config import FNetConfig
from fnet_registry.presets.documents import read_json
from fnet_registry.presets.files import read_file
from fnet_registry.presets.folder import check_files, preset_format
from fnet_registry.presets.formats import FORMATS
from fnet_registry.presets.formats.format import CONFIG_FILE, PresetFormat
from fnet_registry.presets.formats.head import read_head
from fnet_registry.presets.formats.stored import read_tensors
from fnet_registry.presets.tensors import HEAD, parameter_count

_VOCABULARY_FILES = tuple(known.vocabulary for known in FORMATS)
VOCABULARY_NAMES = " or ".join(f"`{name}`" for name in _VOCABULARY_FILES)
# SentencePiece takes some forty times the bytes of its file.
_LARGEST_VOCABULARY = 16 << 20
_LARGEST_REMAINDER = 256 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """An FNet model as data: neither Keras nor torch is needed to hold it.

    Args:
        config: The backbone's sizes.
        arrays: Canonical name to array, with the names and shapes of
            `presets.tensors.tensor_shapes(config)`, in float32, float16 or bfloat16, and those of
            the head where there is one. They may be mapped from the preset's own file. Empty where
            the weights were not asked for.
        tokenizer_proto: The serialised SentencePiece model, or None where the folder has none.
        dtype: Name of the dtype policy that the preset was saved under.
    """

    config: FNetConfig
    arrays: Mapping[str, np.ndarray]
    tokenizer_proto: bytes | None
    dtype: str

    @property
    def dim(self) -> int:
        """Length of a vector: the head's outputs, or the model's width."""
        bias = self.arrays.get(f"{HEAD}.bias")
        return self.config.hidden_dim if bias is None else len(bias)


def read_checkpoint(folder: Path | str, *, weights: bool = True, **overrides: Any) -> Checkpoint:
    """Read a preset folder: KerasHub's of any era, or a Transformers checkpoint.

    Args:
        folder: The folder.
        weights: False leaves the arrays out and needs no weights file.
        **overrides: Fields of `FNetConfig` that replace the folder's own.

    Returns:
        The model. Whether a Transformers checkpoint has a pooler only its weights tell.

    Raises:
        PresetError: If the folder holds no usable FNet preset; the message says what is wrong.
    """
    folder = Path(folder)
    known = preset_format(folder)
    saved, dtype = known.parse_config(read_json(folder / CONFIG_FILE))
    known.check(folder)
    config = replace(saved, **overrides)
    sizes = check_files(folder, weights=weights)
    arrays: dict[str, np.ndarray] = {}
    if weights:
        held = _held(config, known, sizes)
        stored = known.describe_weights(folder)
        layout = known.layout(config, stored)
        if not saved.pooler or "pooler.kernel" not in layout:
            config = _without_pooler(config, asked_for=overrides.get("pooler"))
        arrays = read_tensors(config, stored, layout, held=held)
        arrays |= read_head(folder, config.hidden_dim)
    return Checkpoint(
        config=config, arrays=arrays, tokenizer_proto=_read_vocabulary(folder), dtype=dtype
    )


def _without_pooler(config: FNetConfig, *, asked_for: bool | None) -> FNetConfig:
    if asked_for:
        raise ConfigError("`pooler` must be False for a preset that holds none. Received: True")
    return replace(config, pooler=False)


def _held(config: FNetConfig, known: PresetFormat, sizes: Mapping[str, int]) -> int:
    """Return bytes of all weights files, which together must be about as large as the model."""
    held = sum(
        size for name, size in sizes.items() if any(files.includes(name) for files in known.weights)
    )
    largest = (2 if known.has_heads else 1) * 4 * parameter_count(config) + _LARGEST_REMAINDER
    if held > largest:
        raise WeightsError(
            "The weights must hold the configuration's model, so be at most"
            f" {largest:,} B. Received: {held:,} B"
        )
    return held


def _read_vocabulary(folder: Path) -> bytes | None:
    path = next((folder / name for name in _VOCABULARY_FILES if (folder / name).exists()), None)
    return None if path is None else read_vocabulary(path)


def read_vocabulary(path: Path) -> bytes:
    """Read a SentencePiece model's file.

    Raises:
        PresetError: If it is no regular file or far larger than any vocabulary.
    """
    return read_file(path, _LARGEST_VOCABULARY, "a SentencePiece model")
