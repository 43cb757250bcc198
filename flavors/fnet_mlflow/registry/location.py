"""Where a model's files lie on this machine: one copy, and nothing written beside it.

`mlflow.pyfunc.load_model("models:/…")` notes the version in a file inside the model, which fails in
a read-only store, and downloads a further copy each time. Here a local store's folder is used as it
is, and a logged model that comes over a network is kept once for all processes of a machine.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from filelock import FileLock
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from fnet_mlflow.registry.catalog import latest_version
from fnet_mlflow.saving.description import DIGEST_TAG

_VERSION = re.compile(r"models:/(?P<name>[^/@]+)(/(?P<version>\d+|(?i:latest))|@(?P<alias>[^/@]+))")
_LOGGED = re.compile(r"models:/(?P<model_id>[^/@]+)")
_HOLDS_A_MODEL_ID = re.compile(r"/m-[0-9a-f]{32}(/|$)")
_IN_PLACE = ("", "file", "hf", "kaggle")


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """What a registry says of a model.

    Attributes:
        uri: The model's own URI, which no alias can move: `models:/fnet/1` or `models:/m-…`.
        artifacts: Where its files are stored.
        tags: The tags of the version, before those of the logged model that it was made of.
    """

    uri: str
    artifacts: str
    tags: Mapping[str, str]


def look_up(model_uri: str) -> Registered | None:
    """Ask the registry for a version or a logged model; None for what is neither.

    Args:
        model_uri: Any URI that MLflow reads.

    Raises:
        MlflowException: There is no such model.
    """
    client = MlflowClient()
    if match := _VERSION.fullmatch(model_uri):
        name, number = match["name"], _version_number(client, **match.groupdict())
        artifacts = client.get_model_version_download_uri(name, number)
        version = client.get_model_version(name, number)
        tags = _logged_tags(client, version) | version.tags
        return Registered(uri=f"models:/{name}/{number}", artifacts=artifacts, tags=tags)
    if match := _LOGGED.fullmatch(model_uri):
        logged = client.get_logged_model(match["model_id"])
        return Registered(uri=model_uri, artifacts=logged.artifact_location, tags=logged.tags)
    return None


def locate_model(model_uri: str, registered: Registered | None) -> Path:
    """Find a model's folder, or bring it here.

    Args:
        model_uri: Any URI that MLflow reads.
        registered: What `look_up` gave for it.

    Raises:
        MlflowException: There is no such model.
    """
    if registered is None:
        return Path(download_artifacts(artifact_uri=model_uri))
    # Only the folder of a logged model is never used for another: elsewhere, two versions may
    # have been registered from one path, before and after it was written anew.
    artifacts = registered.artifacts
    if urlsplit(artifacts).scheme in _IN_PLACE or not _HOLDS_A_MODEL_ID.search(artifacts):
        return Path(download_artifacts(artifact_uri=artifacts))
    return keep(artifacts, lambda folder: _download(artifacts, folder))


def keep(key: str, make: Callable[[Path], None]) -> Path:
    """Keep a model for all processes of this machine.

    Args:
        key: What no other model is known by.
        make: Makes the model's folder where there is none yet.

    Returns:
        The folder.
    """
    cache = _cache()
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
    """Remove a kept model, so that the next load brings it anew; leave any other folder alone.

    Args:
        folder: What `locate_model` gave.
    """
    if folder.parent == _cache():
        with FileLock(f"{folder}.lock"):
            shutil.rmtree(folder, ignore_errors=True)


def _version_number(client: MlflowClient, name: str, version: str | None, alias: str | None) -> str:
    if alias is not None:
        return str(client.get_model_version_by_alias(name, alias).version)
    if version is None or not version.isdecimal():
        return str(latest_version(client, name).version)
    return version


def _logged_tags(client: MlflowClient, version: ModelVersion) -> dict[str, str]:
    """Return the tags of the model that a version was made of, for MLflow copies none of them."""
    match = _LOGGED.fullmatch(version.source or "")
    if match is None or DIGEST_TAG in version.tags:
        return {}
    try:
        return dict(client.get_logged_model(match["model_id"]).tags)
    except MlflowException:  # deleted, or logged to another server than the registry's
        return {}


def _download(artifacts: str, folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        os.replace(download_artifacts(artifact_uri=artifacts, dst_path=scratch), folder)


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")
    return Path(home, "fnet-registry", "models")
