"""Where a model came from, and what its origin says about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fnet_registry.presets.builtin import BUILT_IN_PRESETS
from fnet_registry.presets.card import read_card
from fnet_registry.presets.folder import PresetFolder
from fnet_registry.presets.handle import Handle
from fnet_registry.presets.handles.hub import HubHandle
from fnet_registry.presets.handles.kaggle import KaggleHandle

_PUBLISHERS = {"google", "keras"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """A model's origin.

    Args:
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
    """Read the origin of a preset that was fetched."""
    card, handle = read_card(folder), folder.handle
    return Provenance(
        handle=str(handle),
        revision=handle.revision_name if isinstance(handle, HubHandle) else None,
        digests=dict(folder.digests),
        license=card.license,
        model_card=card.text,
        pretrained=_is_published(handle),
    )


def _is_published(handle: Handle) -> bool:
    if isinstance(handle, KaggleHandle) and handle.variant in BUILT_IN_PRESETS:
        return True
    return isinstance(handle, HubHandle) and handle.owner in _PUBLISHERS
