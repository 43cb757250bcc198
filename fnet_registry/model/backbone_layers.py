"""The layers of an FNet backbone, under KerasHub's names and with its initialisers."""

from __future__ import annotations

from typing import Any

from fnet_registry.model.keras_backend import keras, ops
from fnet_registry.model.layers import FNetEncoder, PositionEmbedding
from fnet_registry.presets.config import FNetConfig

_LAYER_NORM_EPSILON = 1e-12
_INITIALIZER_STDDEV = 0.02


def make_layers(config: FNetConfig, policy: keras.DTypePolicy) -> dict[str, Any]:
    """Make every layer but the inputs, by their names, in the order of the forward pass.

    The policy is that of all but the normalisations, which run in float32.
    """
    hidden_dim = config.hidden_dim
    layers: list[keras.layers.Layer] = [
        keras.layers.ReversibleEmbedding(
            config.vocabulary_size,
            hidden_dim,
            embeddings_initializer=_normal(),
            dtype=policy,
            name="token_embedding",
        ),
        PositionEmbedding(
            config.max_sequence_length,
            initializer=_normal(),
            dtype=policy,
            name="position_embedding",
        ),
        keras.layers.Embedding(
            config.num_segments,
            hidden_dim,
            embeddings_initializer=_normal(),
            dtype=policy,
            name="segment_embedding",
        ),
        keras.layers.Add(dtype=policy, name="embeddings_add"),
        keras.layers.LayerNormalization(
            epsilon=_LAYER_NORM_EPSILON, dtype="float32", name="embeddings_layer_norm"
        ),
        _dense(hidden_dim, policy, "embedding_projection"),
        keras.layers.Dropout(config.dropout, dtype=policy, name="embeddings_dropout"),
        *(_encoder(config, policy, index) for index in range(config.num_layers)),
    ]
    if config.pooler:
        layers.append(_dense(hidden_dim, policy, "pooled_dense", activation="tanh"))
    return {layer.name: layer for layer in layers}


def _encoder(config: FNetConfig, policy: keras.DTypePolicy, index: int) -> FNetEncoder:
    return FNetEncoder(
        config.intermediate_dim,
        dropout=config.dropout,
        activation=_gelu_tanh,
        layer_norm_epsilon=_LAYER_NORM_EPSILON,
        kernel_initializer=_normal(),
        bias_initializer=_normal(),
        dtype=policy,
        name=f"f_net_layer_{index}",
    )


def _dense(
    units: int, policy: keras.DTypePolicy, name: str, activation: str | None = None
) -> keras.layers.Dense:
    return keras.layers.Dense(
        units,
        activation=activation,
        kernel_initializer=_normal(),
        bias_initializer=_normal(),
        dtype=policy,
        name=name,
    )


def _normal() -> Any:
    return keras.initializers.RandomNormal(stddev=_INITIALIZER_STDDEV)


@keras.saving.register_keras_serializable(package="fnet_registry", name="gelu_tanh")
def _gelu_tanh(x: Any) -> Any:
    return ops.gelu(x, approximate=True)
