"""The published FNet presets that have a short name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltInPreset:
    """A published preset.

    Args:
        description: One sentence for people.
        parameter_count: Number of trained parameters.
        handle: The pinned handle that the name stands for.
    """

    description: str
    parameter_count: int
    handle: str


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
    }
)
