"""Registering a preset once: the same content under the same name is one version."""

from __future__ import annotations

import json
import logging
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Unpack

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_MODEL_VERSIONS

from fnet_mlflow.content.probe import probe_to_bytes
from fnet_mlflow.content.settings import digested_settings, load_settings
from fnet_mlflow.registry.catalog import find_version
from fnet_mlflow.registry.lookup import source_of
from fnet_mlflow.registry.naming import check_names
from fnet_mlflow.registry.uri import ModelUri
from fnet_mlflow.saving.description import PROBE_TAG, describe, model_description, version_tags
from fnet_mlflow.saving.prepare import UnsavedModel, prepare_model
from fnet_mlflow.saving.save import log_model
from fnet_registry.encoding.config import EncodingOptions
from fnet_registry.errors import ModelError
from fnet_registry.presets.formats.head import HEAD_FILE

_logger = logging.getLogger(__name__)

_NOT_IN_LOGGED_NAMES = re.compile("[.%\"']")


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """The version that holds a preset.

    Args:
        name: The registered model.
        version: Its version.
        created: False where a version of the same content was there already.
        metadata: What the version says about itself; see `fnet_mlflow.saving.description`.
    """

    name: str
    version: int
    created: bool
    metadata: Mapping[str, Any]

    @property
    def model_uri(self) -> str:
        """The version as MLflow reads it, for example `models:/fnet/1`."""
        return str(ModelUri(name=self.name, version=self.version))


def register_preset(
    preset: Any,
    name: str,
    *,
    tokenizer: Any = None,
    model_config: Mapping[str, Any] | None = None,
    alias: str | None = None,
    tags: Mapping[str, str] | None = None,
    reference: bool = False,
    force: bool = False,
    **encoding: Unpack[EncodingOptions],
) -> Registration:
    """Register a preset as a model version, or find the version that holds it already.

    Two versions are the same where weights, tokenizer, configuration, encoding and saved
    load-time settings are. Processes that register the same preset at once end up with one
    version: the lowest stays, the others are deleted.

    Args:
        preset: A handle, a `TextEncoder`, or an `FNetBackbone` with `tokenizer`.
        name: The registered model; made where there is none.
        tokenizer: The `FNetTokenizer` of a backbone.
        model_config: Load-time settings to save: `device`, `dtype`, `batch_size`, `num_threads`,
            `verify`.
        alias: An alias to set on the version, for example `"champion"`.
        tags: Tags to set on the version.
        reference: Whether to write the pinned handle of a preset on a hub instead of storing its
            weights. Such a version has its preset's encoding and the default settings, and loads
            where this project is installed and the hub, or its cache, can be reached.
        force: Whether to make another version of content that is registered already.
        **encoding: `EncodingOptions`, for a handle or a backbone, such as `pooling="cls"`.

    Raises:
        HandleError: The handle cannot be read.
        PresetError: It leads to no usable FNet preset.
        FetchError: The hub did not deliver.
        ModelError: The name, the alias or a tag is refused, which is said before anything is
            fetched, or a reference is asked for together with an encoding or settings, or of what
            lies on no hub.
        MlflowException: MLflow rejects the name, or the store does not take the model.
        TypeError: There is no such option.
    """
    # What is prepared already is ours to say more of, as of what a model was tuned from.
    check_names(name, alias=alias, tags=tags or {}, ours=isinstance(preset, UnsavedModel))
    model = prepare_model(preset, tokenizer=tokenizer, **encoding)
    settings = load_settings(model_config)
    if reference:
        changed = digested_settings(settings, reference=False)
        _check_reference(model, [*encoding.values(), *changed.values()])
    _warn_of_pretrained(model)
    digest = model.digest(settings, reference=reference)

    client = MlflowClient()
    _ensure_model(client, name)
    version = None if force else find_version(client, name, digest)
    created = version is None
    if version is None:
        version = _create_version(client, name, model, settings, reference=reference)
        lowest = None if force else find_version(client, name, digest)
        if lowest is not None and int(lowest.version) < int(version.version):
            _delete(client, version)
            version, created = lowest, False
    for key, value in (tags or {}).items():
        client.set_model_version_tag(name, version.version, key, value)
    if alias is not None:
        client.set_registered_model_alias(name, alias, version.version)
    return Registration(
        name=name, version=int(version.version), created=created, metadata=describe(model)
    )


def _create_version(
    client: MlflowClient,
    name: str,
    model: UnsavedModel,
    settings: Mapping[str, Any],
    *,
    reference: bool,
) -> ModelVersion:
    tags = version_tags(model, settings, reference=reference)
    if reference:
        assert model.provenance is not None
        uri, model_id = model.provenance.handle, None
        tags[PROBE_TAG] = b64encode(probe_to_bytes(model.probe())).decode()
    else:
        logged_name = _NOT_IN_LOGGED_NAMES.sub("-", name)
        logged = log_model(model, name=logged_name, model_config=settings)
        uri, model_id = logged.model_uri, logged.model_id
    # The tags come with the version, so that whoever sees the version sees its digest.
    version = client.create_model_version(
        name, source=uri, tags=tags, description=model_description(model), model_id=model_id
    )
    if model_id is not None:
        # A tracking server notes this by itself; a client with a database of its own does not.
        versions = json.dumps([{"name": name, "version": version.version}])
        client.set_logged_model_tags(model_id, {MLFLOW_MODEL_VERSIONS: versions})
    return version


def _delete(client: MlflowClient, version: ModelVersion) -> None:
    client.delete_model_version(version.name, version.version)
    if model_id := source_of(version).model_id:
        client.delete_logged_model(model_id)


def _ensure_model(client: MlflowClient, name: str) -> None:
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _check_reference(model: UnsavedModel, chosen: Sequence[Any]) -> None:
    if model.provenance is None or model.provenance.revision is None:
        raise ModelError(
            "Only a preset on a hub can be referred to, for example hf://owner/name. Received: "
            f"{model.provenance.handle if model.provenance else 'a model of this process'}"
        )
    if HEAD_FILE in model.provenance.digests:
        raise ModelError(
            "A preset with a head must be registered with its weights, so without --reference. "
            f"Received: {model.provenance.handle}"
        )
    if any(value is not None for value in chosen):
        raise ModelError(
            "A reference has its preset's default encoding and settings; register it without "
            "--reference to choose others. "
            f"Received: {', '.join(str(v) for v in chosen if v is not None)}"
        )


def _warn_of_pretrained(model: UnsavedModel) -> None:
    if model.provenance is not None and model.provenance.pretrained:
        _logger.warning(
            "%s was trained to fill in masked words, not to place similar texts near each other: "
            "similarities between its vectors mean little until you tune it. A tuned backbone "
            "saved with save_to_preset() registers the same way.",
            model.provenance.handle,
        )
