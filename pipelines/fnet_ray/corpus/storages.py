"""Where files are: on a disk, in an object store, behind a web server."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem


def open_storage(address: str) -> tuple[Any, str]:
    """Return the client of a path's or URL's storage, and the path as that knows it."""
    if "://" not in address:
        return Disk(), address
    # A listing that was remembered would hide that a file was replaced. What follows `::` would be
    # a storage inside another, where here it is a part of the name.
    fs, _ = fsspec.url_to_fs(address.partition("::")[0], use_listings_cache=False)
    fs = Disk() if isinstance(fs, LocalFileSystem) else fs
    return fs, fs._strip_protocol(address)


class Disk(LocalFileSystem):
    """A disk whose links are listed as what they lead to."""

    def info(self, path: Any, **kwargs: Any) -> dict[str, Any]:
        """Return what is known of a file or folder.

        A link that leads to nothing is a file, which fails where it is read; one to a folder that
        it is in is neither a file nor a folder.
        """
        if not (isinstance(path, os.DirEntry) and path.is_symlink()):
            return super().info(path, **kwargs)
        try:
            found = super().info(path.path, **kwargs)
        except OSError:
            return super().info(path, **kwargs) | {"type": "file"}
        return found | {"type": "other"} if _leads_back(Path(path.path)) else found


def _leads_back(path: Path) -> bool:
    return path.resolve() in {folder.resolve() for folder in path.parents}
