"""The variables of a Keras backbone under the canonical names of `presets.tensors`."""

from __future__ import annotations

from typing import Any

import numpy as np

from fnet_registry.model.keras_backend import keras, ops


def named_variables(backbone: Any) -> dict[str, Any]:
    """Return every variable of an `FNetBackbone` by its canonical name.

    Where LoRA is enabled, a tensor of the merged weights stands for the variable.
    """
    variables = {
        "token_embedding": backbone.token_embedding.embeddings,
        "position_embedding": backbone.position_embedding.position_embeddings,
        "segment_embedding": backbone.segment_embedding.embeddings,
        **_norm("embedding_norm", backbone.embeddings_layer_norm),
        **_dense("embedding_projection", backbone.embedding_projection),
    }
    for index, encoder in enumerate(backbone.transformer_layers):
        layer = f"layers.{index}"
        variables |= _norm(f"{layer}.mixing_norm", encoder._mixing_layer_norm)
        variables |= _dense(f"{layer}.intermediate", encoder._intermediate_dense)
        variables |= _dense(f"{layer}.output", encoder._output_dense)
        variables |= _norm(f"{layer}.output_norm", encoder._output_layer_norm)
    if backbone.pooled_dense is not None:
        variables |= _dense("pooler", backbone.pooled_dense)
    return variables


def as_viewed_array(values: Any) -> np.ndarray:
    """Return a variable or tensor as an array; on torch and the CPU a view of its memory."""
    if keras.config.backend() == "torch":
        from fnet_registry.engine.arrays import as_array

        return as_array(getattr(values, "value", values))
    return np.asarray(ops.convert_to_numpy(values))


def _norm(part: str, layer: Any) -> dict[str, Any]:
    return {f"{part}.gamma": layer.gamma, f"{part}.beta": layer.beta}


def _dense(part: str, layer: Any) -> dict[str, Any]:
    return {f"{part}.kernel": layer.kernel, f"{part}.bias": layer.bias}
