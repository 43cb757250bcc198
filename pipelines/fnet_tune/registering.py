"""The new version: what it says of where it came from."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from fnet_mlflow.registry.lookup import look_up
from fnet_mlflow.registry.naming import check_names
from fnet_mlflow.registry.register import Registration, register_preset
from fnet_mlflow.registry.uri import ModelUri
from fnet_mlflow.saving.description import TAG_PREFIX
from fnet_mlflow.saving.prepare import UnsavedModel
from fnet_mlflow.saving.provenance import Provenance
from fnet_ray.model import PinnedModel
from fnet_registry.encoding.config import EncodingConfig
from fnet_registry.errors import FNetError
from fnet_registry.presets.card import read_card
from fnet_registry.presets.checkpoint import Checkpoint
from fnet_registry.presets.fetch import fetch
from fnet_registry.shown import counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a tuned model goes.

    Args:
        name: The registered model; made where there is none.
        alias: An alias to set on the version.
        tags: Tags to set on it, beside its own.

    Raises:
        ModelError: A name, alias or tag is refused; see `check_names`.
        MlflowException: MLflow takes no such name.
    """

    name: str
    alias: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_names(self.name, alias=self.alias, tags=self.tags)


class Origin(Protocol):
    """How a model came to be."""

    @property
    def parent(self) -> PinnedModel:
        """What it was made of."""
        ...

    def tags(self) -> dict[str, str]:
        """Return what there is to tell beside the parent, as tags without our prefix."""
        ...

    def card(self, encoding: EncodingConfig) -> str:
        """Return it as prose."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """How a tuned model came to be.

    Args:
        parent: What it was tuned from.
        metric: The figure that it was chosen by.
        before: The parent's, on the held-out examples.
        after: Its own.
        data: The name of the examples.
        data_digest: Their SHA-256.
        held_out: How many were held out.
        seed: The recipe's seed.
        step: The step that it was seen after.
    """

    parent: PinnedModel
    metric: str
    before: float
    after: float
    data: str
    data_digest: str
    held_out: int
    seed: int
    step: int

    def tags(self) -> dict[str, str]:
        """Return it as tags."""
        metric = self.metric.replace("@", "_at_")
        return {
            "tuned_on": self.data,
            "tuned_on_sha256": self.data_digest,
            "seed": str(self.seed),
            "step": str(self.step),
            f"held_out_{metric}": f"{self.after:.6g}",
            f"held_out_{metric}_of_parent": f"{self.before:.6g}",
        }

    def card(self, encoding: EncodingConfig) -> str:
        """Return it as prose."""
        *shorter, longest = encoding.buckets or (encoding.sequence_length,)
        lengths = f"{', '.join(map(str, shorter))} or {longest}" if shorter else longest
        return (
            f"Tuned from {self.parent.uri} on {self.data} by fnet tune, seed {self.seed}, "
            f"{counted(self.step, 'step')}. On {counted(self.held_out, 'held-out example')}, "
            f"{self.metric} is "
            f"{self.after:.4f}; the parent's was {self.before:.4f}. Texts are padded to {lengths} "
            "tokens, as they were in training."
        )


def register_tuned(
    checkpoint: Checkpoint, encoding: EncodingConfig, target: Target, story: Origin
) -> Registration:
    """Register a tuned model, with tags and a card that say how it came to be."""
    provenance = Provenance(
        handle=story.parent.uri, license=_license(story.parent), model_card=story.card(encoding)
    )
    dtype = story.parent.compute_dtype
    told = {
        "parent": story.parent.uri,
        "parent_sha256": story.parent.digest,
        **story.tags(),
    }
    return register_preset(
        UnsavedModel(checkpoint=checkpoint, encoding=encoding, provenance=provenance),
        target.name,
        alias=target.alias,
        tags={f"{TAG_PREFIX}{name}": value for name, value in told.items()} | dict(target.tags),
        model_config=None if dtype == "float32" else {"dtype": dtype},
    )


def _license(parent: PinnedModel) -> str | None:
    """Return the parent's licence, which holds for what was made of it."""
    stored = look_up(ModelUri.parse(parent.uri))
    if stored is not None:
        return stored.tags.get(f"{TAG_PREFIX}license")
    with suppress(FNetError):  # not every model was made of a preset
        return read_card(fetch(parent.uri, weights=False)).license
    return None
