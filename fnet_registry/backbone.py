"""FNet as a Keras model, with the constructor, inputs, outputs and presets of KerasHub's."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import numpy as np

from fnet_registry.errors import ConfigError
from fnet_registry.keras_backend import keras, ops
from fnet_registry.layers import FNetEncoder, PositionEmbedding
from fnet_registry.presets.builtin import BUILT_IN_PRESETS, BuiltInPreset
from fnet_registry.presets.checkpoint import Checkpoint, read_checkpoint
from fnet_registry.presets.config import FNetConfig
from fnet_registry.presets.fetch import fetch
from fnet_registry.presets.handle import Handle
from fnet_registry.presets.kerashub import check_policy
from fnet_registry.presets.writing import write_checkpoint

_LAYER_NORM_EPSILON = 1e-12
_INITIALIZER_STDDEV = 0.02


class Backbone(keras.Model):
    """A text backbone that is built from, and saved as, a preset.

    `Backbone.from_preset` builds whichever model the preset holds; FNet is the one model here.
    """

    presets: Mapping[str, BuiltInPreset] = MappingProxyType({})

    @classmethod
    def from_preset(
        cls, preset: str | Path | Handle, load_weights: bool = True, **kwargs: Any
    ) -> "FNetBackbone":
        """Builds the backbone of a preset.

        Args:
            preset: A built-in id such as `f_net_base_en`, `kaggle://org/model/keras/variant/3`,
                `hf://org/name@revision`, or a local folder.
            load_weights: False gives random weights and fetches none.
            **kwargs: Override the preset's own configuration, for example
                `dtype="mixed_bfloat16"` or `dropout=0.0`. Without `dtype`, Keras's global policy
                holds, whatever the weights are stored in; so does KerasHub.

        Returns:
            The model; `preset_handle` on it is the pinned handle it was loaded from.

        Raises:
            HandleError: If the handle cannot be read.
            FetchError: If a hub does not deliver.
            PresetError: If what it names is no usable FNet preset.
        """
        folder = fetch(preset, weights=load_weights)
        backbone = build_backbone(folder.path, load_weights=load_weights, **kwargs)
        backbone.preset_handle = folder.handle
        return backbone


class FNetBackbone(Backbone):
    """An FNet encoder network: embeddings, Fourier mixing layers and a pooler.

    As in "FNet: Mixing Tokens with Fourier Transforms" (Lee-Thorp et al., 2021) and in
    KerasHub's `FNetBackbone`. There is no padding mask: the number of padding positions is part
    of what the model computes, so inputs should always be padded to one length.

    The inputs are `{"token_ids", "segment_ids"}`, integers of shape `(batch, sequence)`. The
    outputs are `{"sequence_output", "pooled_output"}` of shapes `(batch, sequence, hidden)` and
    `(batch, hidden)`.

    Args:
        vocabulary_size: Rows of the token embedding table.
        num_layers: Number of encoder layers.
        hidden_dim: Width of every position's vector.
        intermediate_dim: Width inside the feed-forward blocks.
        dropout: Share of values dropped in training.
        max_sequence_length: Rows of the position table: the longest input, in tokens.
        num_segments: Rows of the segment table.
        dtype: A dtype name or `keras.DTypePolicy`. Normalisation and mixing are computed in
            float32 whatever it says.
        name: The model's name in Keras.
        trainable: Whether training changes the weights.

    Raises:
        ConfigError: If a size is impossible. `max_sequence_length=None` is refused: the position
            table is made before the model sees an input, so its length must be said.
    """

    presets = MappingProxyType(BUILT_IN_PRESETS)
    preset_handle: Handle | None = None

    def __init__(
        self,
        vocabulary_size: int,
        num_layers: int,
        hidden_dim: int,
        intermediate_dim: int,
        dropout: float = 0.1,
        max_sequence_length: int | None = 512,
        num_segments: int = 4,
        dtype: Any = None,
        *,
        name: str | None = None,
        trainable: bool = True,
    ) -> None:
        if max_sequence_length is None:
            raise ConfigError(
                "`max_sequence_length` must be a number, for example 512: the position table is"
                " made before the model sees an input. Received: None"
            )
        config = FNetConfig(
            vocabulary_size=vocabulary_size,
            num_layers=num_layers,
            hidden_dim=hidden_dim,
            intermediate_dim=intermediate_dim,
            dropout=dropout,
            max_sequence_length=max_sequence_length,
            num_segments=num_segments,
        )
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
        layers = _make_layers(config, policy)

        token_ids = keras.Input(shape=(None,), dtype="int32", name="token_ids")
        segment_ids = keras.Input(shape=(None,), dtype="int32", name="segment_ids")
        tokens = layers["token_embedding"](token_ids)
        x = layers["embeddings_add"](
            [
                tokens,
                layers["position_embedding"](tokens),
                layers["segment_embedding"](segment_ids),
            ]
        )
        x = layers["embeddings_layer_norm"](x)
        x = layers["embeddings_dropout"](x)
        x = layers["embedding_projection"](x)
        for index in range(config.num_layers):
            x = layers[f"f_net_layer_{index}"](x)
        sequence_output = x
        pooled_output = layers["pooled_dense"](sequence_output[:, 0, :])

        super().__init__(
            inputs={"token_ids": token_ids, "segment_ids": segment_ids},
            outputs={"sequence_output": sequence_output, "pooled_output": pooled_output},
            name=name,
            trainable=trainable,
        )
        self.dtype_policy = policy
        self.fnet_config = config
        self.token_embedding = layers["token_embedding"]

    @property
    def vocabulary_size(self) -> int:
        """Rows of the token embedding table."""
        return self.fnet_config.vocabulary_size

    @property
    def num_layers(self) -> int:
        """Number of encoder layers."""
        return self.fnet_config.num_layers

    @property
    def hidden_dim(self) -> int:
        """Width of every position's vector."""
        return self.fnet_config.hidden_dim

    @property
    def intermediate_dim(self) -> int:
        """Width inside the feed-forward blocks."""
        return self.fnet_config.intermediate_dim

    @property
    def dropout(self) -> float:
        """Share of values dropped in training."""
        return self.fnet_config.dropout

    @property
    def max_sequence_length(self) -> int:
        """Rows of the position table."""
        return self.fnet_config.max_sequence_length

    @property
    def num_segments(self) -> int:
        """Rows of the segment table."""
        return self.fnet_config.num_segments

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
            **self.fnet_config.to_dict(),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        """Builds the model that `get_config` described."""
        del custom_objects
        return cls(**config)

    def tensors(self) -> dict[str, Any]:
        """The model's variables under the canonical names of `presets.tensors`.

        Where LoRA is enabled, a tensor of the merged weights stands for the variable.
        """
        embedding = self.get_layer("embedding_projection")
        variables = {
            "token_embedding": self.token_embedding.embeddings,
            "position_embedding": self.get_layer("position_embedding").position_embeddings,
            "segment_embedding": self.get_layer("segment_embedding").embeddings,
            **_norm_variables("embedding_norm", self.get_layer("embeddings_layer_norm")),
            **_dense_variables("embedding_projection", embedding),
        }
        for index in range(self.num_layers):
            layer, encoder = f"layers.{index}", self.get_layer(f"f_net_layer_{index}")
            variables |= _norm_variables(f"{layer}.mixing_norm", encoder.mixing_layer_norm)
            variables |= _dense_variables(f"{layer}.intermediate", encoder.intermediate_dense)
            variables |= _dense_variables(f"{layer}.output", encoder.output_dense)
            variables |= _norm_variables(f"{layer}.output_norm", encoder.output_layer_norm)
        return variables | _dense_variables("pooler", self.get_layer("pooled_dense"))

    def to_checkpoint(self, tokenizer_proto: bytes | None = None) -> Checkpoint:
        """The model as data; on torch and the CPU the arrays view the model's own tensors.

        Args:
            tokenizer_proto: The serialised SentencePiece model to go with it.

        Raises:
            ConfigError: If a layer is quantised, or of another type than float32, float16 and
                bfloat16: a preset cannot hold it.
        """
        for layer in self._flatten_layers():
            check_policy(layer.dtype_policy.name)
        return Checkpoint(
            config=self.fnet_config,
            arrays={name: _view(values) for name, values in self.tensors().items()},
            tokenizer_proto=tokenizer_proto,
            dtype=self.dtype_policy.name,
        )

    def save_to_preset(self, preset_dir: str | Path) -> None:
        """Writes a preset folder that this project and KerasHub load.

        Args:
            preset_dir: The folder; made where it does not exist. `FNetTokenizer.save_to_preset`
                writes the tokenizer into the same folder.

        Raises:
            ConfigError: As `to_checkpoint`.
        """
        write_checkpoint(self.to_checkpoint(), preset_dir)


def build_backbone(
    source: Path | Checkpoint, *, load_weights: bool = True, **overrides: Any
) -> FNetBackbone:
    """Builds the Keras model of a preset folder or a checkpoint.

    Args:
        source: The folder, or what was read from it.
        load_weights: False leaves the weights random.
        **overrides: Constructor arguments that replace the preset's own.

    Raises:
        PresetError: If the preset is unusable, or does not fit the overrides.
    """
    sizes = {k: v for k, v in overrides.items() if k in FNetConfig.__dataclass_fields__}
    kwargs = {k: v for k, v in overrides.items() if k not in sizes}
    checkpoint = source
    if not isinstance(checkpoint, Checkpoint):
        checkpoint = read_checkpoint(checkpoint, weights=load_weights, **sizes)
    backbone = FNetBackbone(**checkpoint.config.to_dict(), **kwargs)
    if load_weights:
        for name, variable in backbone.tensors().items():
            variable.assign(checkpoint.arrays[name])
    return backbone


def _make_layers(config: FNetConfig, policy: keras.DTypePolicy) -> dict[str, keras.layers.Layer]:
    """Every layer by its name, which is KerasHub's."""

    def initializer() -> Any:
        return keras.initializers.TruncatedNormal(stddev=_INITIALIZER_STDDEV)

    layers: list[keras.layers.Layer] = [
        keras.layers.ReversibleEmbedding(
            config.vocabulary_size,
            config.hidden_dim,
            embeddings_initializer=initializer(),
            dtype=policy,
            name="token_embedding",
        ),
        PositionEmbedding(
            config.max_sequence_length,
            initializer=initializer(),
            dtype=policy,
            name="position_embedding",
        ),
        keras.layers.Embedding(
            config.num_segments,
            config.hidden_dim,
            embeddings_initializer=initializer(),
            dtype=policy,
            name="segment_embedding",
        ),
        keras.layers.Add(dtype=policy, name="embeddings_add"),
        keras.layers.LayerNormalization(
            epsilon=_LAYER_NORM_EPSILON, dtype="float32", name="embeddings_layer_norm"
        ),
        keras.layers.Dropout(config.dropout, dtype=policy, name="embeddings_dropout"),
        keras.layers.Dense(
            config.hidden_dim,
            kernel_initializer=initializer(),
            dtype=policy,
            name="embedding_projection",
        ),
        *(
            FNetEncoder(
                config.intermediate_dim,
                dropout=config.dropout,
                activation=_gelu_tanh,
                layer_norm_epsilon=_LAYER_NORM_EPSILON,
                kernel_initializer=initializer(),
                dtype=policy,
                name=f"f_net_layer_{index}",
            )
            for index in range(config.num_layers)
        ),
        keras.layers.Dense(
            config.hidden_dim,
            activation="tanh",
            kernel_initializer=initializer(),
            dtype=policy,
            name="pooled_dense",
        ),
    ]
    return {layer.name: layer for layer in layers}


@keras.saving.register_keras_serializable(package="fnet_registry", name="gelu_tanh")
def _gelu_tanh(x: Any) -> Any:
    return ops.gelu(x, approximate=True)


def _norm_variables(part: str, layer: Any) -> dict[str, keras.Variable]:
    return {f"{part}.gamma": layer.gamma, f"{part}.beta": layer.beta}


def _dense_variables(part: str, layer: Any) -> dict[str, keras.Variable]:
    return {f"{part}.kernel": layer.kernel, f"{part}.bias": layer.bias}


def _view(values: Any) -> np.ndarray:
    if keras.config.backend() == "torch":
        from fnet_registry.engine.arrays import as_array

        return as_array(getattr(values, "value", values))
    return np.asarray(ops.convert_to_numpy(values))
