"""Where a model's files lie on this machine: one copy, and nothing written beside it.

`mlflow.pyfunc.load_model("models:/…")` notes the version in a file inside the model, which fails in
a read-only store, and downloads a further copy each time. Here a local store's folder is used as it
is, and what comes over a network is kept once for all processes of a machine.
"""

import hashlib
import os
import re
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from filelock import FileLock
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts

_VERSION = re.compile(r"models:/(?P<name>[^/@]+)/(?P<version>[0-9]+)")
_ALIAS = re.compile(r"models:/(?P<name>[^/@]+)@(?P<alias>[^/@]+)")
_LOGGED = re.compile(r"models:/(?P<model_id>[^/@]+)")
_IN_PLACE = ("", "file", "hf", "kaggle")


def locate_model(model_uri: str) -> Path:
    """Finds a model's folder, or brings it here.

    Args:
        model_uri: Any URI that MLflow reads.

    Raises:
        MlflowException: There is no such model.
    """
    artifacts = _artifact_uri(str(model_uri))
    if artifacts is None or urlsplit(artifacts).scheme in _IN_PLACE:
        return Path(download_artifacts(artifact_uri=artifacts or model_uri))
    return _keep(artifacts)


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
    """Downloads a model once for this machine; its URI holds an id that is never used again."""
    cache = Path(
        os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"), "fnet-registry", "models"
    )
    cache.mkdir(parents=True, exist_ok=True)
    kept = cache / hashlib.sha256(artifacts.encode()).hexdigest()[:32]
    with FileLock(f"{kept}.lock"):
        if not kept.is_dir():
            with tempfile.TemporaryDirectory(dir=cache) as scratch:
                downloaded = download_artifacts(artifact_uri=artifacts, dst_path=scratch)
                os.replace(downloaded, kept)
    return kept
