"""What MLflow knows of a model: its fixed URI, where its files are stored, its tags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from fnet_mlflow.registry.catalog import latest_version
from fnet_mlflow.registry.uri import ModelUri
from fnet_mlflow.saving.description import DIGEST_TAG
from fnet_registry.errors import ModelError


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredModel:
    """A version of a registered model, or a logged model.

    Args:
        uri: Its own URI, which no alias can move: `models:/fnet/1` or `models:/m-…`.
        model_id: The logged model, or the one that the version was made of; None for neither.
        artifacts: Where its files are stored.
        tags: The version's tags; where it has no digest, those of its logged model too.
    """

    uri: ModelUri
    model_id: str | None
    artifacts: str
    tags: Mapping[str, str]


def pin(uri: ModelUri) -> ModelUri:
    """Replace an alias, or `latest`, by the version that it means now.

    Raises:
        ModelError: The URI names a registered model but none of its versions.
        MlflowException: There is no such version.
    """
    if uri.name is None or isinstance(uri.version, int):
        return uri
    client = MlflowClient()
    if uri.alias is not None:
        version = client.get_model_version_by_alias(uri.name, uri.alias)
    elif uri.version is not None:
        version = latest_version(client, uri.name)
    else:
        raise ModelError(
            f"A registered model is used by its version, its alias or 'latest', for example {uri}/1"
            f", {uri}@champion or {uri}/latest. Received: {uri}"
        )
    return ModelUri(name=uri.name, version=int(version.version))


def look_up(uri: ModelUri) -> StoredModel | None:
    """Ask for a version or a logged model; None for what is neither.

    Raises:
        ModelError: As in `pin`.
        MlflowException: There is no such model.
    """
    if uri.name is None and uri.model_id is None:
        return None
    uri, client = pin(uri), MlflowClient()
    if uri.name is None:
        logged = client.get_logged_model(str(uri.model_id))
        return StoredModel(
            uri=uri, model_id=uri.model_id, artifacts=logged.artifact_location, tags=logged.tags
        )
    artifacts = client.get_model_version_download_uri(uri.name, str(uri.version))
    version = client.get_model_version(uri.name, str(uri.version))
    tags = _logged_tags(client, version) | version.tags
    model_id = source_of(version).model_id
    return StoredModel(uri=uri, model_id=model_id, artifacts=artifacts, tags=tags)


def source_of(version: ModelVersion) -> ModelUri:
    """Return what a version was made of; MLflow leaves `version.model_id` empty."""
    return ModelUri.parse(version.source or "")


def _logged_tags(client: MlflowClient, version: ModelVersion) -> dict[str, str]:
    """Return the tags of the model that a version was made of, for MLflow copies none of them."""
    model_id = source_of(version).model_id
    if model_id is None or DIGEST_TAG in version.tags:
        return {}
    try:
        return dict(client.get_logged_model(model_id).tags)
    except MlflowException:  # deleted, or logged to another server than the registry's
        return {}
