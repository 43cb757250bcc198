"""The model card of a preset: its licence and its text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

from fnet_registry.presets.folder import CARD_FILE, PresetFolder
from fnet_registry.shown import printable

_LONGEST_CARD = 1 << 20
_LONGEST_FRONT_MATTER = 64 << 10
_FENCE = "---"
_NO_LICENSE = ("", "~", "null")


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
    """Read the first Mi characters of a model card; unreadable front matter has no licence."""
    if CARD_FILE not in folder.files:
        return ModelCard()
    with folder.file(CARD_FILE).open(encoding="utf-8", errors="replace") as file:
        # PostgreSQL takes no NUL.
        front_matter, text = _parts(file.read(_LONGEST_CARD).replace("\0", ""))
    return ModelCard(license=_license(front_matter), text=text.strip())


def _parts(card: str) -> tuple[str, str]:
    """Return the front matter, empty where there is none, and the text."""
    lines = card.split("\n")
    match [number for number, line in enumerate(lines) if line.rstrip() == _FENCE]:
        case [0, end, *_]:
            return "\n".join(lines[1:end]), "\n".join(lines[end + 1 :])
    return "", card


def _license(front_matter: str) -> str | None:
    if len(front_matter) > _LONGEST_FRONT_MATTER:
        return None
    try:
        # This loader makes nothing but texts, lists and mappings.
        header = yaml.load(front_matter, yaml.BaseLoader)
    except (yaml.YAMLError, RecursionError, ValueError, ArithmeticError):  # "\U00110000"
        return None
    stated: Any = header.get("license") if isinstance(header, dict) else None
    names = stated if isinstance(stated, list) else [stated]
    if not all(isinstance(name, str) for name in names):
        return None
    # Each once: by aliases a few bytes could stand for a long text many times over.
    names = map(printable, dict.fromkeys(names))  # no terminal takes all that an escape can name
    return ", ".join(name for name in dict.fromkeys(names) if name not in _NO_LICENSE) or None
