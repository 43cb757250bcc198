"""The files of a preset, opened only where they are plain files of a bounded size."""

from __future__ import annotations

import stat
from pathlib import Path

from fnet_registry.errors import ConfigError, PresetError


def check_file(path: Path, content: str = "a file") -> int:
    """Return a file's size in bytes; messages call it `content`.

    Raises:
        PresetError: If it is a pipe, a device, a folder or a link to nothing.
    """
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        raise PresetError(f"`{path}` must be {content}. Received: {_reason(error)}") from None
    if not stat.S_ISREG(status.st_mode):
        raise PresetError(f"`{path}` must be {content}. Received: {_kind(status.st_mode)}")
    return status.st_size


def read_file(path: Path, most: int, content: str) -> bytes:
    """Read a whole file of at most so many bytes, whole MiB; messages call it `content`.

    Raises:
        PresetError: If it is no regular file, larger, or unreadable.
    """
    size = check_file(path, content)
    try:
        with path.open("rb") as file:
            read = file.read(most + 1) if size <= most else b""
    except OSError as error:
        raise PresetError(f"`{path}` must be {content}. Received: {_reason(error)}") from None
    if max(size, len(read)) > most:  # a system's own file may say that it is empty
        raise ConfigError(
            f"`{path}` must be {content} of at most {most >> 20} MiB."
            f" Received: {max(size, len(read)):,} B"
        )
    return read


def _reason(error: OSError | ValueError) -> str:
    return getattr(error, "strerror", None) or str(error)


def _kind(mode: int) -> str:
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")
