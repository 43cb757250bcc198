"""The registered FNet versions, read from their tags."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException

from fnet_mlflow.registry.evaluations import LoggedEvaluation, read_evaluations
from fnet_mlflow.registry.uri import ModelUri
from fnet_mlflow.saving.description import DIGEST_TAG, TAG_PREFIX
from fnet_registry.encoding.config import ENCODING_ARGUMENTS
from fnet_registry.presets.handles import HUBS
from fnet_registry.shown import one_line

_logger = logging.getLogger(__name__)
HUB_SCHEMES = tuple(hub.SCHEME for hub in HUBS)


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogEntry:
    """One registered version.

    Args:
        name: The registered model.
        version: Its version.
        aliases: The aliases that point to it.
        handle: The pinned handle it was made from; None for a model made in a process.
        encoding: Pooling and pad lengths, for example `mean/512` or `cls/32,64,128/int8`.
        embedding_dim: Length of a vector.
        parameter_count: Number of parameters.
        weights_bytes: Size of the weights.
        reference: Whether they lie on a hub and the version only refers to them.
        evaluation: What was evaluated last; None for nothing.
    """

    name: str
    version: int
    aliases: tuple[str, ...]
    handle: str | None
    encoding: str
    embedding_dim: int
    parameter_count: int
    weights_bytes: int
    reference: bool
    evaluation: LoggedEvaluation | None

    @property
    def model_uri(self) -> str:
        """The version as MLflow reads it, for example `models:/fnet/1`."""
        return str(ModelUri(name=self.name, version=self.version))


def list_versions(name: str | None = None) -> list[CatalogEntry]:
    """List the versions that `register_preset` made, by name and version.

    Args:
        name: One registered model; None for all.

    Raises:
        MlflowException: There is no model of that name.
    """
    client = MlflowClient()
    models = _all_models(client) if name is None else [client.get_registered_model(name)]
    return [entry for model in models for entry in _entries(client, model)]


def find_version(client: MlflowClient, name: str, digest: str) -> ModelVersion | None:
    """Return the lowest version of a model that is ready and has this content."""
    versions = client.search_model_versions(
        f"{_by_name(name)} and tags.`{DIGEST_TAG}` = '{digest}'"
    )
    ready = [version for version in versions if version.status == "READY"]
    return min(ready, key=lambda version: int(version.version), default=None)


def latest_version(client: MlflowClient, name: str) -> ModelVersion:
    """Return the highest version of a model.

    Raises:
        MlflowException: It has none.
    """
    found = client.search_model_versions(
        _by_name(name), max_results=1, order_by=["version_number DESC"]
    )
    if not found:
        raise MlflowException(f"No versions of a model of this name. Received: {name!r}")
    return found[0]


def _all_models(client: MlflowClient) -> Iterator[RegisteredModel]:
    token = None
    while True:
        page = client.search_registered_models(order_by=["name"], page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _by_name(name: str) -> str:
    quote = '"' if "'" in name else "'"
    return f"name = {quote}{name}{quote}"


def _entries(client: MlflowClient, model: RegisteredModel) -> list[CatalogEntry]:
    versions = client.search_model_versions(_by_name(model.name))
    entries = [_readable(model, version) for version in versions if DIGEST_TAG in version.tags]
    return sorted(filter(None, entries), key=lambda entry: entry.version)


def _readable(model: RegisteredModel, version: ModelVersion) -> CatalogEntry | None:
    """Read a version; None where someone edited its tags, for a list must not end there."""
    try:
        return _entry(model, version)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        _logger.warning(
            "models:/%s/%s is left out: its tags are not as it was registered with (%s).",
            model.name,
            version.version,
            one_line(str(error)),
        )
        return None


def _entry(model: RegisteredModel, version: ModelVersion) -> CatalogEntry:
    tags = {key.removeprefix(TAG_PREFIX): value for key, value in version.tags.items()}
    number = int(version.version)
    aliases = sorted(alias for alias, to in model.aliases.items() if int(to) == number)
    return CatalogEntry(
        name=model.name,
        version=number,
        aliases=tuple(aliases),
        handle=tags.get("handle"),
        encoding=_encoding(tags),
        embedding_dim=int(tags["embedding_dim"]),
        parameter_count=int(tags["parameter_count"]),
        weights_bytes=int(tags["weights_bytes"]),
        reference=str(version.source).startswith(HUB_SCHEMES),
        evaluation=next(iter(read_evaluations(version.tags)), None),
    )


def _encoding(tags: Mapping[str, str]) -> str:
    lengths = ",".join(map(str, json.loads(tags.get("buckets", "[]")))) or tags["sequence_length"]
    parts = [tags["pooling"], lengths]
    for name in sorted(ENCODING_ARGUMENTS.keys() - {"sequence_length", "buckets", "pooling"}):
        if (said := tags.get(name, "false")) != "false":
            parts.append(name if said == "true" else said)
    return "/".join(parts)
