"""Handles of presets on hubs: a new hub is a handle here, its client, and its line in `HUBS`."""

from __future__ import annotations

from fnet_registry.presets.handles.hub import HubHandle, unknown_handle
from fnet_registry.presets.handles.huggingface import HuggingFaceHandle
from fnet_registry.presets.handles.kaggle import KaggleHandle

HUBS: tuple[type[HubHandle], ...] = (KaggleHandle, HuggingFaceHandle)


def parse_hub_handle(text: str) -> HubHandle:
    """Read the handle of a preset on a hub.

    Raises:
        HandleError: If it is not one.
    """
    for hub in HUBS:
        if text.startswith(hub.SCHEME):
            return hub.parse(text)
    scheme, known = text.split("://", 1)[0], [hub.SCHEME.removesuffix("://") for hub in HUBS]
    raise unknown_handle(text, f"The scheme {scheme!r} is not one of {', '.join(known)}.")
