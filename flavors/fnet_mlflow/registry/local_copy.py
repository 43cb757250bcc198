"""A model's files on this machine: one copy for all processes, and nothing written into a store.

`mlflow.pyfunc.load_model("models:/…")` writes a file into the model, which fails in a read-only
store, and downloads a further copy each time. Here a local store's folder is used as it is, and a
logged model that comes over a network is kept once.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from filelock import FileLock
from mlflow.artifacts import download_artifacts

from fnet_mlflow.registry.catalog import HUB_SCHEMES
from fnet_registry.cache import cache_folder

_KEPT = "models"
_HOLDS_A_MODEL_ID = re.compile(r"/m-[0-9a-f]{32}(/|$)")


def bring(artifacts: str) -> Path:
    """Return the folder of a stored model, which is downloaded if it lies elsewhere.

    Args:
        artifacts: Where its files are stored.

    Raises:
        MlflowException: They are not there.
    """
    here = urlsplit(artifacts).scheme in ("", "file") or artifacts.startswith(HUB_SCHEMES)
    # Only the folder of a logged model is never used for another: elsewhere, two versions may
    # have been registered from one path, before and after it was written anew.
    if here or not _HOLDS_A_MODEL_ID.search(artifacts):
        return Path(download_artifacts(artifact_uri=artifacts))
    return keep(artifacts, lambda folder: _download(artifacts, folder))


def keep(key: str, make: Callable[[Path], None]) -> Path:
    """Keep a model for all processes of this machine.

    Args:
        key: What names this model and no other.
        make: Makes the model's folder where there is none yet.

    Returns:
        The folder.
    """
    cache = cache_folder(_KEPT)
    cache.mkdir(parents=True, exist_ok=True)
    kept = cache / hashlib.sha256(key.encode()).hexdigest()[:32]
    with FileLock(f"{kept}.lock"):
        if not kept.is_dir():
            with tempfile.TemporaryDirectory(dir=cache) as scratch:
                made = Path(scratch, "model")
                make(made)
                os.replace(made, kept)
    return kept


def forget(folder: Path) -> None:
    """Remove a kept model, so that the next load brings it anew; leave any other folder alone."""
    if folder.parent == cache_folder(_KEPT):
        with FileLock(f"{folder}.lock"):
            shutil.rmtree(folder, ignore_errors=True)


def _download(artifacts: str, folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        os.replace(download_artifacts(artifact_uri=artifacts, dst_path=scratch), folder)
