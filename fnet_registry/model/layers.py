"""The Keras layers of FNet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fnet_registry.inputs import check_length
from fnet_registry.model.fourier import fourier_mixing
from fnet_registry.model.keras_backend import keras, ops


@keras.saving.register_keras_serializable(package="fnet_registry")
class PositionEmbedding(keras.layers.Layer):
    """A learned vector for every position.

    Args:
        sequence_length: Rows of the table: the longest input, in tokens.
        initializer: Initializer of the table.
        **kwargs: Keras's own layer arguments, such as `name` and `dtype`.
    """

    def __init__(
        self, sequence_length: int, initializer: Any = "glorot_uniform", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.sequence_length = sequence_length
        self.initializer: Any = keras.initializers.get(initializer)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the table, of shape `(sequence_length, hidden)`."""
        self.position_embeddings = self.add_weight(
            name="embeddings",
            shape=(self.sequence_length, input_shape[-1]),
            initializer=self.initializer,
        )

    def call(self, inputs: Any) -> Any:
        """Look up the first positions, in the shape of the input, `(batch, sequence, hidden)`.

        Raises:
            TokensError: If the input is longer than the table.
        """
        length = inputs.shape[1]
        if length is not None:
            check_length(length, self.sequence_length)
        shape: Any = ops.shape(inputs)  # with a length even where it is traced
        table: Any = ops.convert_to_tensor(self.position_embeddings)
        return ops.broadcast_to(table[: shape[1]], shape)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the input's own shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            **super().get_config(),
            "sequence_length": self.sequence_length,
            "initializer": keras.initializers.serialize(self.initializer),
        }


@keras.saving.register_keras_serializable(package="fnet_registry")
class FNetEncoder(keras.layers.Layer):
    """One FNet layer: Fourier mixing, then a feed-forward block, each added and normalised.

    As in "FNet: Mixing Tokens with Fourier Transforms" (Lee-Thorp et al., 2021), with the
    arguments of KerasHub's `FNetEncoder`. There is no padding mask: every position, padding
    included, is mixed with every other.

    Args:
        intermediate_dim: Width inside the feed-forward block.
        dropout: Share of the block's outputs dropped in training.
        activation: Activation inside the block.
        layer_norm_epsilon: Added to the variance by both normalisations.
        kernel_initializer: Initializer of the dense kernels.
        bias_initializer: Initializer of the dense biases.
        **kwargs: Keras's own layer arguments, such as `name` and `dtype`.
    """

    def __init__(
        self,
        intermediate_dim: int,
        dropout: float = 0.0,
        activation: str | Callable = "relu",
        layer_norm_epsilon: float = 1e-5,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.intermediate_dim = intermediate_dim
        self.dropout = dropout
        self.activation: Any = keras.activations.get(activation)
        self.layer_norm_epsilon = layer_norm_epsilon
        self.kernel_initializer: Any = keras.initializers.get(kernel_initializer)
        self.bias_initializer: Any = keras.initializers.get(bias_initializer)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the two normalisations and the two dense layers."""
        hidden_dim = input_shape[-1]
        # KerasHub's order and private names: `get_weights` and `.weights.h5` files follow them.
        self._mixing_layer_norm = self._norm("mixing_layer_norm")
        self._mixing_layer_norm.build(input_shape)
        self._output_layer_norm = self._norm("output_layer_norm")
        self._output_layer_norm.build(input_shape)
        self._intermediate_dense = self._dense(
            self.intermediate_dim, "intermediate_dense", activation=self.activation
        )
        self._intermediate_dense.build(input_shape)
        self._output_dense = self._dense(hidden_dim, "output_dense")
        self._output_dense.build((*input_shape[:-1], self.intermediate_dim))
        self._output_dropout = keras.layers.Dropout(
            self.dropout, dtype=self.dtype_policy, name="output_dropout"
        )

    def _norm(self, name: str) -> keras.layers.LayerNormalization:
        # In float32 under every policy: what comes in is a sum that half precision overflows.
        return keras.layers.LayerNormalization(
            epsilon=self.layer_norm_epsilon, dtype="float32", name=name
        )

    def _dense(
        self, units: int | None, name: str, activation: Callable | None = None
    ) -> keras.layers.Dense:
        return keras.layers.Dense(
            units,
            activation=activation,
            kernel_initializer=self.kernel_initializer.clone(),
            bias_initializer=self.bias_initializer.clone(),
            dtype=self.dtype_policy,
            name=name,
        )

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Run the layer on `(batch, sequence, hidden)`; the result has the layer's dtype."""
        mixed = self._mixing_layer_norm(ops.cast(inputs, "float32") + fourier_mixing(inputs))
        block = self._output_dense(self._intermediate_dense(mixed))
        block = self._output_dropout(block, training=training)
        outputs = self._output_layer_norm(mixed + ops.cast(block, "float32"))
        return ops.cast(outputs, self.compute_dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the input's own shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            **super().get_config(),
            "intermediate_dim": self.intermediate_dim,
            "dropout": self.dropout,
            "activation": keras.activations.serialize(self.activation),
            "layer_norm_epsilon": self.layer_norm_epsilon,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
        }
