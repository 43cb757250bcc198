"""Preset handles: what a user may write to name a preset, read once and printed back exactly."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from fnet_registry.presets.builtin import BUILT_IN_PRESETS, packaged_folder
from fnet_registry.presets.handles import parse_hub_handle
from fnet_registry.presets.handles.hub import HubHandle, unknown_handle


@dataclass(frozen=True, slots=True)
class BuiltInHandle:
    """A preset by its short name, such as `f_net_base_en`."""

    name: str

    def __post_init__(self) -> None:
        if self.name not in BUILT_IN_PRESETS:
            raise unknown_handle(
                self.name, f"It names no built-in preset: {', '.join(BUILT_IN_PRESETS)}."
            )

    @property
    def pinned(self) -> bool:
        """False: a later release may let the name stand for a later version."""
        return False

    @property
    def label(self) -> str:
        """What a model made from the preset is called, where nobody says otherwise."""
        return self.name

    @property
    def target(self) -> HubHandle | LocalHandle:
        """What the name stands for: a pinned handle, or a folder of this package."""
        published = BUILT_IN_PRESETS[self.name].handle
        if published is None:
            return LocalHandle(packaged_folder(self.name))
        return parse_hub_handle(published)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class LocalHandle:
    """A folder on this machine, kept as an absolute path."""

    path: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path).absolute())

    @property
    def pinned(self) -> bool:
        """False: a folder's content can change; its digests tell."""
        return False

    @property
    def label(self) -> str:
        """The folder's name; see `BuiltInHandle`."""
        return os.path.basename(os.path.normpath(self.path))

    def __str__(self) -> str:
        return str(self.path)


Handle = BuiltInHandle | HubHandle | LocalHandle


def parse_handle(text: str | os.PathLike[str] | Handle) -> Handle:
    """Read what a user wrote to name a preset.

    Args:
        text: A built-in name, `kaggle://owner/model/keras/variant[/version]`,
            `hf://owner/name[@revision]` or a local folder. A path object is always a folder; a
            handle is returned as it is.

    Returns:
        The handle, of which `parse_handle(str(handle)) == handle` holds.

    Raises:
        HandleError: The text is none of these, or the folder does not exist.
    """
    if isinstance(text, Handle):
        return text
    if isinstance(text, os.PathLike):
        return _parse_folder(os.fspath(text))
    if not isinstance(text, str):
        raise unknown_handle(text, "A handle is a string or a path.")
    if text in BUILT_IN_PRESETS:
        return BuiltInHandle(text)
    return parse_hub_handle(text) if "://" in text else _parse_folder(text)


def _parse_folder(text: str) -> LocalHandle:
    if not text or not os.path.isdir(text):
        raise unknown_handle(
            text, f"No such folder, and no built-in preset ({', '.join(BUILT_IN_PRESETS)})."
        )
    return LocalHandle(Path(text))
