"""Where a model came from, and what its origin says about it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fnet_registry.presets.builtin import BUILT_IN_PRESETS
from fnet_registry.presets.folder import PresetFolder
from fnet_registry.presets.handle import Handle, HuggingFaceHandle, KaggleHandle

MODEL_CARD = "README.md"

_FRONT_MATTER = re.compile(r"\A---\s*\n(.*?\n)---\s*\n", re.DOTALL)
_PUBLISHERS = {"google", "keras"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """A model's origin.

    Attributes:
        handle: The handle, pinned to a version or commit; a folder's path for a local one.
        revision: The version or commit; None for a local folder.
        digests: SHA-256 by name of each file that was read.
        license: The licence that the model card names.
        model_card: The model card's text, without its front matter.
        pretrained: Whether it is one of the published presets, trained on masked words alone.
    """

    handle: str
    revision: str | None = None
    digests: Mapping[str, str] = field(default_factory=dict)
    license: str | None = None
    model_card: str | None = None
    pretrained: bool = False


def read_provenance(folder: PresetFolder) -> Provenance:
    """Reads the origin of a preset that was fetched."""
    header, card = _read_model_card(folder)
    return Provenance(
        handle=str(folder.handle),
        revision=_revision(folder.handle),
        digests=dict(folder.digests),
        license=_license(header),
        model_card=card,
        pretrained=_is_published(folder.handle),
    )


def _read_model_card(folder: PresetFolder) -> tuple[Mapping[str, Any], str | None]:
    if MODEL_CARD not in folder.files:
        return {}, None
    import yaml

    text = folder.file(MODEL_CARD).read_text(encoding="utf-8", errors="replace")
    match = _FRONT_MATTER.match(text)
    if match is None:
        return {}, text.strip()
    header = yaml.safe_load(match[1])
    return header if isinstance(header, dict) else {}, text[match.end() :].strip()


def _license(header: Mapping[str, Any]) -> str | None:
    stated = header.get("license")
    return ", ".join(map(str, stated)) if isinstance(stated, list) else stated and str(stated)


def _revision(handle: Handle) -> str | None:
    match handle:
        case HuggingFaceHandle():
            return handle.revision
        case KaggleHandle():
            return None if handle.version is None else str(handle.version)
    return None


def _is_published(handle: Handle) -> bool:
    match handle:
        case HuggingFaceHandle():
            return handle.owner in _PUBLISHERS
        case KaggleHandle():
            return handle.owner in _PUBLISHERS or handle.variant in BUILT_IN_PRESETS
    return False
