"""From a handle to a folder on this machine."""

import os

from fnet_registry.presets.folder import PresetFolder, select_files
from fnet_registry.presets.handle import BuiltInHandle, Handle, LocalHandle, parse_handle

DEFAULT_DEADLINE = 1800.0


def fetch(
    handle: str | os.PathLike[str] | Handle,
    *,
    weights: bool = True,
    offline: bool | None = None,
    deadline: float = DEFAULT_DEADLINE,
) -> PresetFolder:
    """Brings a preset's files to this machine, or finds them there.

    Args:
        handle: A handle, or what ``parse_handle`` reads.
        weights: Whether the weights are wanted too.
        offline: Whether to do without any request; by default as the hub client's own variables
            say (``HF_HUB_OFFLINE``).
        deadline: Wall-clock seconds for the whole.

    Raises:
        HandleError: The handle cannot be read.
        PresetError: A local folder's files lead out of it.
        FetchError: The hub did not deliver; see its subclasses.
    """
    handle = parse_handle(handle)
    if isinstance(handle, BuiltInHandle):
        handle = handle.target
    if isinstance(handle, LocalHandle):
        return _open_local(handle, weights=weights)
    raise NotImplementedError(f"Received: {handle}")


def _open_local(handle: LocalHandle, *, weights: bool) -> PresetFolder:
    root = handle.path
    names = [
        entry.relative_to(root).as_posix()
        for folder in (root, root / "assets" / "tokenizer")
        if folder.is_dir()
        for entry in folder.iterdir()
        if not entry.is_dir()
    ]
    files = select_files(names, weights=weights)
    folder = PresetFolder(path=root, handle=handle, files=files, root=root, verified=False)
    for name in files:
        folder.file(name)
    return folder
