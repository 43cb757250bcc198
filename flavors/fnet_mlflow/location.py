"""Where a model's files lie on this machine: one copy, and nothing written beside it.

`mlflow.pyfunc.load_model("models:/…")` notes the version in a file inside the model, which fails in
a read-only store, and downloads a further copy each time. Here a local store's folder is used as it
is, and a logged model that comes over a network is kept once for all processes of a machine.
"""

import hashlib
import os
import re
import shutil
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from filelock import FileLock
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts

_VERSION = re.compile(r"models:/(?P<name>[^/@]+)/(?P<version>[0-9]+)")
_ALIAS = re.compile(r"models:/(?P<name>[^/@]+)@(?P<alias>[^/@]+)")
_LOGGED = re.compile(r"models:/(?P<model_id>[^/@]+)")
_HOLDS_A_MODEL_ID = re.compile(r"/m-[0-9a-f]{32}(/|$)")
_IN_PLACE = ("", "file", "hf", "kaggle")


def locate_model(model_uri: str) -> Path:
    """Finds a model's folder, or brings it here.

    Args:
        model_uri: Any URI that MLflow reads.

    Raises:
        MlflowException: There is no such model.
    """
    artifacts = _artifact_uri(str(model_uri))
    if artifacts is None:
        return Path(download_artifacts(artifact_uri=model_uri))
    # Only the folder of a logged model is never used for another: elsewhere, two versions may
    # have been registered from one path, before and after it was written anew.
    if urlsplit(artifacts).scheme in _IN_PLACE or not _HOLDS_A_MODEL_ID.search(artifacts):
        return Path(download_artifacts(artifact_uri=artifacts))
    return _keep(artifacts)


def forget(folder: Path) -> None:
    """Removes a kept model, so that the next load brings it anew; leaves any other folder alone.

    Args:
        folder: What `locate_model` gave.
    """
    if folder.parent == _cache():
        with FileLock(f"{folder}.lock"):
            shutil.rmtree(folder, ignore_errors=True)


def _artifact_uri(model_uri: str) -> str | None:
    """Where a registered or logged model is stored; None for what is no `models:/` URI of these."""
    if not model_uri.startswith("models:/"):
        return None
    client = MlflowClient()
    if match := _VERSION.fullmatch(model_uri):
        return client.get_model_version_download_uri(match["name"], match["version"])
    if match := _ALIAS.fullmatch(model_uri):
        version = client.get_model_version_by_alias(match["name"], match["alias"])
        return client.get_model_version_download_uri(match["name"], version.version)
    if match := _LOGGED.fullmatch(model_uri):
        return client.get_logged_model(match["model_id"]).artifact_location
    return None


def _keep(artifacts: str) -> Path:
    """Downloads a model once for this machine."""
    cache = _cache()
    cache.mkdir(parents=True, exist_ok=True)
    kept = cache / hashlib.sha256(artifacts.encode()).hexdigest()[:32]
    with FileLock(f"{kept}.lock"):
        if not kept.is_dir():
            with tempfile.TemporaryDirectory(dir=cache) as scratch:
                downloaded = download_artifacts(artifact_uri=artifacts, dst_path=scratch)
                os.replace(downloaded, kept)
    return kept


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")
    return Path(home, "fnet-registry", "models")
