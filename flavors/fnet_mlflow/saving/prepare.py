"""What a user wants to save, read as one thing: a checkpoint, its encoding and its origin."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from fnet_mlflow.content.digest import content_digest
from fnet_mlflow.content.probe import PROBE_TEXTS, Probe
from fnet_mlflow.content.settings import digested_settings
from fnet_mlflow.saving.provenance import Provenance, read_provenance
from fnet_registry.encoding.config import (
    EncodingConfig,
    EncodingOptions,
    split_options,
)
from fnet_registry.encoding.stored import preset_encoding
from fnet_registry.errors import ModelError
from fnet_registry.presets.checkpoint import Checkpoint, read_checkpoint
from fnet_registry.presets.fetch import fetch
from fnet_registry.presets.folder import PresetFolder
from fnet_registry.presets.handle import Handle
from fnet_registry.shown import one_line, shown

if TYPE_CHECKING:
    from fnet_registry.encoding.encoder import TextEncoder


@dataclass(frozen=True, kw_only=True)
class UnsavedModel:
    """A model that is about to be saved.

    Args:
        checkpoint: Weights, sizes and tokenizer.
        encoding: How texts become vectors.
        provenance: Where it came from; None for a model made in this process.
    """

    checkpoint: Checkpoint
    encoding: EncodingConfig
    provenance: Provenance | None = None
    _digests: dict[str, str] = field(default_factory=dict, repr=False, compare=False)

    def probe(self) -> Probe:
        """Compute the probe vectors that define the version, in float32 on a CPU."""
        from fnet_registry.encoding.encoder import TextEncoder

        encoder = TextEncoder.from_checkpoint(
            self.checkpoint, self.encoding, device="cpu", dtype="float32"
        )
        return Probe(texts=PROBE_TEXTS, vectors=encoder.encode(PROBE_TEXTS))

    def digest(self, settings: Mapping[str, Any], *, reference: bool = False) -> str:
        """Return the digest of all that changes a vector of the version.

        Args:
            settings: The load-time settings that are saved with it.
            reference: Whether the version only refers to a hub.
        """
        counted = digested_settings(settings, reference=reference)
        known = str(sorted(counted.items()))
        if known not in self._digests:
            self._digests[known] = content_digest(self.checkpoint, self.encoding, counted)
        return self._digests[known]


def prepare_model(
    model: Any, *, tokenizer: Any = None, **encoding: Unpack[EncodingOptions]
) -> UnsavedModel:
    """Read what a user wants to save.

    Args:
        model: A `TextEncoder`, a preset handle, or an `FNetBackbone`.
        tokenizer: The `FNetTokenizer` of a backbone.
        **encoding: How texts become vectors; an encoder brings its own.

    Raises:
        TypeError: The model is none of these, a backbone comes without its tokenizer, or there is
            no such option.
        HandleError: The handle cannot be read.
        PresetError: It leads to no usable FNet preset.
        FetchError: The hub did not deliver.
        ModelError: The encoder's backbone was trained further, which the encoder does not see.
    """
    from fnet_registry.encoding.encoder import TextEncoder

    [chosen] = split_options(encoding, EncodingOptions)
    if isinstance(model, UnsavedModel):
        return model
    if isinstance(model, TextEncoder):
        if chosen:
            raise TypeError(
                "A TextEncoder has its encoding already; set it there, for example "
                "TextEncoder.from_preset('f_net_base_en', pooling='cls'). "
                f"Received: {one_line(shown(chosen))}"
            )
        _check_untrained(model)
        return UnsavedModel(checkpoint=model.checkpoint, encoding=model.config)
    if isinstance(model, str | os.PathLike | Handle):
        return prepare_preset(fetch(model), **chosen)
    if not hasattr(model, "to_checkpoint"):  # KerasHub's backbone has the same name
        raise TypeError(
            "Expected a TextEncoder, a preset handle such as 'f_net_base_en', or an FNetBackbone "
            "of fnet_registry, for example FNetBackbone.from_preset(folder), with tokenizer=. "
            f"Received: {type(model).__name__}"
        )
    if tokenizer is None:
        raise TypeError(
            "A backbone alone cannot read texts: pass tokenizer=, for example "
            "FNetTokenizer.from_preset('f_net_base_en'). Received: tokenizer=None"
        )
    encoder = TextEncoder(model, tokenizer, **chosen)
    return UnsavedModel(checkpoint=encoder.checkpoint, encoding=encoder.config)


def _check_untrained(encoder: TextEncoder) -> None:
    """Refuse an encoder whose backbone was trained after it took its weights."""
    backbone = vars(encoder).get("backbone")
    if backbone is None:  # never asked for
        return
    for name, trained in backbone.to_checkpoint().arrays.items():
        if not np.array_equal(encoder.checkpoint.arrays[name].astype(trained.dtype), trained):
            raise ModelError(
                "An encoder keeps the weights that it was made with; save what you trained with "
                "log_model(encoder.backbone, tokenizer=encoder.tokenizer). "
                f"Received: an encoder whose backbone has another {name}"
            )


def prepare_preset(
    folder: PresetFolder, *, weights: bool = True, **encoding: Unpack[EncodingOptions]
) -> UnsavedModel:
    """Read a preset that lies on this machine, with or without its weights."""
    checkpoint = read_checkpoint(folder.path, weights=weights)
    return UnsavedModel(
        checkpoint=checkpoint,
        encoding=preset_encoding(folder.path, checkpoint.config.max_sequence_length, **encoding),
        provenance=read_provenance(folder),
    )
