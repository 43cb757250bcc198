"""Weights that lie in files, one or several."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import TypeVar

import numpy as np

from fnet_registry.errors import WeightsError
from fnet_registry.presets.documents import read_json
from fnet_registry.shown import shown

_MOST_SHARDS = 1024
_Tensor = TypeVar("_Tensor")


def shard_names(index_file: Path, allowed: re.Pattern[str]) -> list[str]:
    """List the files that an index names, all of them beside it.

    Args:
        index_file: A KerasHub `model.weights.json` or a Transformers `*.index.json`.
        allowed: What their names must match.

    Raises:
        PresetError: If it is no index, or names anything else.
    """
    weight_map = read_json(index_file).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise WeightsError("A weights index must map tensors to files. Received: no `weight_map`")
    names: set[str] = set()
    for entry in weight_map.values():
        # KerasHub lists several files where one layer's tensors lie in several.
        for name in entry if isinstance(entry, list) else [entry]:
            if not isinstance(name, str) or not allowed.fullmatch(name):
                raise WeightsError(
                    "A weights index must name files beside it, for example"
                    f" `model_00000.weights.h5`. Received: {shown(name)}"
                )
            names.add(name)
    if len(names) > _MOST_SHARDS:
        raise WeightsError(
            f"A weights index must name at most {_MOST_SHARDS:,} files. Received: {len(names):,}"
        )
    return sorted(names)


def join_shards(shards: Iterable[Mapping[str, _Tensor]]) -> dict[str, _Tensor]:
    """Join the tensors of all shards.

    Raises:
        WeightsError: If two of them hold a tensor of one name.
    """
    tensors: dict[str, _Tensor] = {}
    for shard in shards:
        if twice := sorted(shard.keys() & tensors.keys()):
            raise WeightsError(f"Tensor {shown(twice[0])} must lie in one shard. Received: two")
        tensors |= shard
    return tensors


def map_when_asked(path: Path) -> Callable[[], np.memmap]:
    """Return what maps a file, once for all of its tensors: each mapping holds a descriptor."""
    return cache(lambda: np.memmap(path, mode="r"))
