"""Opening an output folder, wherever it is."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from fnet_ray.corpus.storages import open_storage
from fnet_ray.output.local_store import LocalStore
from fnet_ray.output.store import OBJECT_STORES, Store, check_no_credentials, reaching
from fnet_registry.errors import OutputError


def open_store(url: str | os.PathLike[str]) -> Store:
    """Open an output folder.

    Args:
        url: A local folder, `file://…`, `s3://bucket/folder` or `gs://bucket/folder`.

    Raises:
        OutputError: No such kind of storage, or it is out of reach.
    """
    text = os.fsdecode(url)
    if not text:
        raise OutputError(
            "The output must be a folder, such as out or s3://bucket/out. Received: an empty path"
        )
    check_no_credentials(text)
    scheme = urlsplit(text).scheme if "://" in text else "file"
    if scheme == "file":
        return LocalStore(_plain_path(text.removeprefix("file://")))
    if scheme not in OBJECT_STORES:
        raise OutputError(
            "The output must be a local folder, s3://bucket/folder or gs://bucket/folder. "
            f"Received: {text}"
        )
    with reaching(text):
        fs, root = open_storage(text.rstrip("/"))
    return Store(fs, root, f"{scheme}://{root}")


def _plain_path(path: str) -> Path:
    """Return a full path without `..`, which leads elsewhere behind a link."""
    plain = os.path.abspath(path)
    same = os.path.realpath(plain) == os.path.realpath(path)
    return Path(plain if same else os.path.realpath(path))
