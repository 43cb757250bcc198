"""What a format says of itself: its files, its configuration, and where its tensors lie."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from fnet_registry.errors import WeightsError
from fnet_registry.presets.config import FNetConfig
from fnet_registry.presets.formats.shards import shard_names

if TYPE_CHECKING:
    import numpy as np

CONFIG_FILE = "config.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTensor:
    """One tensor of a weights file, not yet read.

    Args:
        shape: The shape that the file declares.
        dtype: The numpy or ml_dtypes name of its type, such as `float32`.
        read: Reads, or maps, the values.
    """

    shape: tuple[int, ...]
    dtype: str
    read: Callable[[], np.ndarray]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredName:
    """Where a canonical tensor lies in a foreign layout, and whether it lies there transposed."""

    name: str
    transposed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsFiles:
    """One way to store weights: a single file, or shards and an index of them.

    Args:
        single: Name of the single file.
        index: Name of the index.
        shards: Names that an index may hold.
        describe: `module:function` from the single file, or all shards, to the tensors by the
            names in them. It is imported when weights are read: names alone need none of it.
    """

    single: str
    index: str
    shards: re.Pattern[str]
    describe: str

    def includes(self, name: str) -> bool:
        """Return whether a file of this name may be one of them."""
        return name in (self.single, self.index) or self.shards.fullmatch(name) is not None

    def select(self, names: Collection[str]) -> list[str]:
        """Pick the single file, or else the index and shards; nothing reads shards without one."""
        if self.single in names:
            return [self.single]
        return [*filter(self.includes, names)] if self.index in names else []

    def needed(self, folder: Path) -> list[str]:
        """List the files that hold a folder's weights, or nothing where it has none of them.

        Raises:
            PresetError: If the index is damaged, or names other files.
        """
        if (folder / self.single).exists():
            return [self.single]
        index = folder / self.index
        return shard_names(index, self.shards) if index.exists() else []


@dataclass(frozen=True, slots=True, kw_only=True)
class PresetFormat:
    """How one family of tools lays a preset out.

    Args:
        name: The family's name, for people.
        files: Names of its files beside `config.json` and the weights, with `/` between folders.
        vocabulary: The one of them that holds the SentencePiece model.
        weights: Its ways to store weights, the preferred first.
        has_heads: Whether weights may hold a head, which is at most as large as the backbone.
        recognises: True for a `config.json` of this family.
        parse_config: A `config.json` to configuration and dtype policy name.
        backbone: All tensors to those of the backbone, by the names that `layout` gives.
        layout: A configuration and the names held to the place of each canonical tensor.
        check: Refuses a folder whose other files ask for what this project does not do.
    """

    name: str
    files: tuple[str, ...]
    vocabulary: str
    weights: tuple[WeightsFiles, ...]
    has_heads: bool
    recognises: Callable[[Mapping[str, Any]], bool]
    parse_config: Callable[[Mapping[str, Any]], tuple[FNetConfig, str]]
    backbone: Callable[[Mapping[str, StoredTensor]], dict[str, StoredTensor]]
    layout: Callable[[FNetConfig, Iterable[str]], dict[str, StoredName]]
    check: Callable[[Path], None] = lambda _: None

    def describe_weights(self, folder: Path) -> dict[str, StoredTensor]:
        """Describe the backbone's tensors of a folder.

        Raises:
            PresetError: If the folder holds no weights, or damaged ones.
        """
        for files in self.weights:
            if names := files.needed(folder):
                describe = resolve_name(files.describe)
                return self.backbone(describe([folder / name for name in names]))
        known = " or ".join(f"`{files.single}` or `{files.index}`" for files in self.weights)
        raise WeightsError(f"A preset folder must hold {known}. Received: {folder}")
