"""What a model says about itself where MLflow shows it: flavor, metadata and tags."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fnet_registry.encoding.pooling import in_words
from fnet_registry.errors import ModelError
from fnet_registry.presets.tensors import parameter_count
from fnet_registry.shown import shown

if TYPE_CHECKING:
    from fnet_mlflow.saving.prepare import UnsavedModel

FLAVOR_NAME = "fnet"
DIGEST_KEY = "content_sha256"
"""In the flavor's entry of `MLmodel`: the digest of all that changes a vector."""
REFERENCE_KEY = "reference"
"""There too: whether the model refers to a hub's preset, which the digest counts as a setting."""
TASK_KEY = "task"
"""There, and in the metadata for MLflow: the form of answers where they are no plain vectors."""
TAG_PREFIX = "fnet."
DIGEST_TAG = f"{TAG_PREFIX}{DIGEST_KEY}"
PROBE_TAG = f"{TAG_PREFIX}probe"
"""On a version that refers to a hub: its probe as a base64 npz, for it has no files of its own."""
_NOT_IN_TAGS = re.compile(r"[^\w./ -]", re.ASCII)
LONGEST_DESCRIPTION = 5000
"""Characters that MLflow's database keeps of a description."""


def describe(model: UnsavedModel) -> dict[str, Any]:
    """Return a model's metadata: what a client needs to know, and where the model came from."""
    described: dict[str, Any] = {
        "embedding_dim": model.checkpoint.dim,
        **model.encoding.to_dict(),
        "weights_dtype": model.checkpoint.dtype,
        "weights_bytes": sum(array.nbytes for array in model.checkpoint.arrays.values()) or None,
        "parameter_count": parameter_count(model.checkpoint.config),
        "config": model.checkpoint.config.to_dict(),
    }
    if model.provenance is not None:
        described |= {
            "handle": model.provenance.handle,
            "revision": model.provenance.revision,
            "license": model.provenance.license,
            "source_sha256": dict(model.provenance.digests),
        }
    return {name: value for name, value in described.items() if value is not None}


def check_owner(tags: Mapping[str, Any]) -> None:
    """Refuse a user's tag with a name of ours.

    Raises:
        ModelError: One begins as those that say what a version is.
    """
    own = [tag for tag in tags if tag.startswith(TAG_PREFIX)]
    if own:
        raise ModelError(
            f"A tag must not begin with {TAG_PREFIX}, as those that say what a version is, for "
            f"example team=search. Received: {shown(own[0])}"
        )


def version_tags(
    model: UnsavedModel, settings: Mapping[str, Any], *, reference: bool = False
) -> dict[str, str]:
    """Return a version's metadata and digest as its tags, which people read.

    Numbers, truth values and lists of numbers are as JSON has them. Of what is larger, each file's
    digest is a tag of its own; the configuration stands in `MLmodel`, with all of this, and in the
    preset.
    """
    told = describe(model)
    for file, digest in told.pop("source_sha256", {}).items():
        told[f"source_sha256.{_NOT_IN_TAGS.sub('_', file)}"] = digest
    tags = {
        f"{TAG_PREFIX}{name}": value if isinstance(value, str) else json.dumps(value)
        for name, value in told.items()
        if name != "config"
    }
    return tags | {DIGEST_TAG: model.digest(settings, reference=reference)}


def model_description(model: UnsavedModel) -> str:
    """Return a version's description: the model card, or a sentence where there is none."""
    card = model.provenance and model.provenance.model_card
    text = card or _sentence(model)
    return text if len(text) <= LONGEST_DESCRIPTION else text[: LONGEST_DESCRIPTION - 1] + "…"


def _sentence(model: UnsavedModel) -> str:
    config, encoding = model.checkpoint.config, model.encoding
    return (
        f"FNet text encoder with {config.num_layers} layers and {model.checkpoint.dim} dimensions; "
        f"{in_words(encoding.pooling)} over texts padded to {encoding.sequence_length} tokens."
    )
