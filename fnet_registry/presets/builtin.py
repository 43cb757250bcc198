"""The FNet presets that have a short name: published ones, and one that comes with the package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltInPreset:
    """A preset that has a short name.

    Args:
        description: One sentence for people.
        parameter_count: Number of trained parameters.
        handle: The pinned handle that the name stands for; None where it comes with the package.
    """

    description: str
    parameter_count: int
    handle: str | None = None


BUILT_IN_PRESETS: Mapping[str, BuiltInPreset] = MappingProxyType(
    {
        "f_net_base_en": BuiltInPreset(
            description="12-layer FNet, hidden size 768, cased, trained on the English C4 corpus.",
            parameter_count=82_861_056,
            handle="kaggle://keras/f_net/keras/f_net_base_en/3",
        ),
        "f_net_large_en": BuiltInPreset(
            description="24-layer FNet, hidden size 1024, cased, trained on the English C4 corpus.",
            parameter_count=236_945_408,
            handle="kaggle://keras/f_net/keras/f_net_large_en/3",
        ),
        "f_net_mini_docs_en": BuiltInPreset(
            description="1-layer FNet, hidden size 480, uncased, tuned on docstrings for search.",
            parameter_count=4_674_496,
        ),
    }
)

PACKAGED_FOLDER = "packaged"
"""Where presets that come with the package lie, beside this file."""


def packaged_folder(name: str) -> Path:
    """Return the folder of a preset that comes with the package."""
    return Path(__file__).with_name(PACKAGED_FOLDER) / name
