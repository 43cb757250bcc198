"""Presets whose weights are one `.npz`, under the canonical names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fnet_registry.presets.config import FNetConfig
from fnet_registry.presets.formats.format import PresetFormat, WeightsFiles
from fnet_registry.presets.formats.stored import StoredName, StoredTensor
from fnet_registry.presets.tensors import tensor_shapes


def describe(paths: Iterable[Path]) -> dict[str, StoredTensor]:
    with np.load(next(iter(paths))) as stored:
        weights = {name: stored[name] for name in stored.files}
    return {
        name: StoredTensor(
            shape=values.shape, dtype=values.dtype.name, read=partial(np.copy, values)
        )
        for name, values in weights.items()
    }


def _parse(document: Mapping[str, Any]) -> tuple[FNetConfig, str]:
    return FNetConfig.from_mapping(document["toy"]), "float32"


def _layout(config: FNetConfig, _stored: Iterable[str] = ()) -> dict[str, StoredName]:
    return {name: StoredName(name=name) for name in tensor_shapes(config)}


TOY = PresetFormat(
    name="Toy",
    files=("spiece.model",),
    vocabulary="spiece.model",
    weights=(
        WeightsFiles(
            single="toy.npz",
            index="toy.index",
            shards=re.compile("-"),
            describe="fnet_registry.presets.formats.toy:describe",
        ),
    ),
    has_heads=False,
    recognises=lambda document: "toy" in document,
    parse_config=_parse,
    backbone=dict,
    layout=_layout,
)
