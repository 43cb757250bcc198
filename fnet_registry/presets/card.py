"""The model card of a preset: its licence and its text."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from fnet_registry.presets.folder import PresetFolder

CARD_FILE = "README.md"
_FRONT_MATTER = re.compile(r"\A---\s*\n(.*?\n)---\s*\n", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """What a preset's publisher says of it.

    Args:
        license: The licence that the front matter names, or None.
        text: The card without its front matter, or None where there is no card.
    """

    license: str | None = None
    text: str | None = None


def read_card(folder: PresetFolder) -> ModelCard:
    """Reads a preset's model card; one with an unreadable front matter has no licence.

    Args:
        folder: The preset.
    """
    if CARD_FILE not in folder.files:
        return ModelCard()
    text = folder.file(CARD_FILE).read_text(encoding="utf-8", errors="replace")
    match = _FRONT_MATTER.match(text)
    if match is None:
        return ModelCard(text=text.strip())
    return ModelCard(license=_license(_header(match[1])), text=text[match.end() :].strip())


def _header(text: str) -> Mapping[str, Any]:
    try:
        header = yaml.safe_load(text)
    except yaml.YAMLError:
        return {}
    return header if isinstance(header, dict) else {}


def _license(header: Mapping[str, Any]) -> str | None:
    stated = header.get("license")
    if isinstance(stated, list):
        return ", ".join(map(str, stated))
    return None if stated is None else str(stated)
