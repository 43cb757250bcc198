"""FNet as a Keras model, with the constructor, inputs, outputs and presets of KerasHub's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from fnet_registry.errors import ConfigError
from fnet_registry.inputs import check_ids
from fnet_registry.model.backbone_layers import make_layers
from fnet_registry.model.keras_backend import keras, ops
from fnet_registry.model.layers import FNetEncoder
from fnet_registry.model.variables import as_viewed_array, named_variables
from fnet_registry.presets.builtin import BUILT_IN_PRESETS, BuiltInPreset
from fnet_registry.presets.checkpoint import Checkpoint, read_checkpoint
from fnet_registry.presets.config import FNetConfig
from fnet_registry.presets.formats.kerashub import check_policy
from fnet_registry.presets.handle import Handle
from fnet_registry.presets.writing import write_checkpoint


class Backbone(keras.Model):
    """A text backbone that is built from, and saved as, a preset.

    `Backbone.from_preset` builds whichever model the preset holds; FNet is the one model here.
    """

    presets: Mapping[str, BuiltInPreset] = MappingProxyType({})

    @classmethod
    def from_preset(
        cls, preset: str | Path | Handle, load_weights: bool = True, **kwargs: Any
    ) -> FNetBackbone:
        """Build the backbone of a preset.

        Args:
            preset: Any preset handle.
            load_weights: False gives random weights and fetches none.
            **kwargs: Override the preset's own configuration, for example
                `dtype="mixed_bfloat16"` or `dropout=0.0`. Without `dtype`, Keras's global policy
                holds, whatever the weights are stored in; so does KerasHub.

        Returns:
            The model; `preset_handle` on it is the pinned handle it was loaded from.

        Raises:
            FNetError: If the preset cannot be had or used.
        """
        # Here, so that a served model needs none of what talks to hubs.
        from fnet_registry.presets.fetch import fetch

        folder = fetch(preset, weights=load_weights)
        backbone = build_backbone(folder.path, load_weights=load_weights, **kwargs)
        backbone.preset_handle = folder.handle
        return backbone


@keras.saving.register_keras_serializable(package="fnet_registry")
class FNetBackbone(Backbone):
    """An FNet encoder network: embeddings, Fourier mixing layers and a pooler.

    As in "FNet: Mixing Tokens with Fourier Transforms" (Lee-Thorp et al., 2021) and in
    KerasHub's `FNetBackbone`. There is no padding mask: the number of padding positions is part
    of what the model computes, so inputs should always be padded to one length.

    The inputs are `{"token_ids", "segment_ids"}`, integers of shape `(batch, sequence)`. The
    outputs are `{"sequence_output", "pooled_output"}` of shapes `(batch, sequence, hidden)` and
    `(batch, hidden)`. The layers are attributes under KerasHub's names.

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
        pooler: False leaves out the pooler and `pooled_output`, as Transformers does under
            `add_pooling_layer=False`.
        name: The model's name in Keras.
        trainable: Whether training changes the weights.

    Raises:
        ConfigError: If a size is impossible. `max_sequence_length=None` is refused: the position
            table is made before the model sees an input, so its length must be said.
        TokensError: In a call, if the input is longer than the position table, or an id lies
            outside its table. Ids are looked at on torch and the CPU alone.
    """

    presets = MappingProxyType(BUILT_IN_PRESETS)
    preset_handle: Handle | None = None
    cls_token_index = 0

    vocabulary_size: int
    num_layers: int
    hidden_dim: int
    intermediate_dim: int
    dropout: float
    max_sequence_length: int
    num_segments: int
    pooler: bool = True

    token_embedding: Any
    position_embedding: Any
    segment_embedding: Any
    embeddings_add: Any
    embeddings_layer_norm: Any
    embedding_projection: Any
    embeddings_dropout: Any
    transformer_layers: list[FNetEncoder]
    pooled_dense: Any

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
        pooler: bool = True,
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
            pooler=pooler,
        )
        policy = keras.dtype_policies.get(dtype)
        layers = make_layers(config, policy)
        encoders = [layers.pop(f"f_net_layer_{index}") for index in range(num_layers)]

        token_ids = keras.Input(shape=(None,), dtype="int32", name="token_ids")
        segment_ids = keras.Input(shape=(None,), dtype="int32", name="segment_ids")
        tokens = layers["token_embedding"](token_ids)
        positions = layers["position_embedding"](tokens)
        x = layers["embeddings_add"]([tokens, positions, layers["segment_embedding"](segment_ids)])
        x = layers["embeddings_layer_norm"](x)
        x = layers["embedding_projection"](x)
        x = layers["embeddings_dropout"](x)
        for encoder in encoders:
            x = encoder(x)
        outputs = {"sequence_output": x}
        if pooler:
            outputs["pooled_output"] = layers["pooled_dense"](x[:, self.cls_token_index, :])

        super().__init__(
            inputs={"token_ids": token_ids, "segment_ids": segment_ids},
            outputs=outputs,
            name=name,
            trainable=trainable,
        )
        self.dtype_policy = policy
        self.fnet_config = config
        for attribute, value in {**config.to_dict(), **layers}.items():
            setattr(self, attribute, value)
        self.transformer_layers = encoders
        self.pooled_dense = layers.get("pooled_dense")

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> dict[str, Any]:
        """Run the model, as the class says; `mask` is not used, for FNet mixes every position."""
        if keras.config.backend() == "torch":
            self._check_ids(inputs)
        return super().call(inputs, training=training, mask=mask)

    def _check_ids(self, inputs: Any) -> None:
        import torch

        if torch.compiler.is_compiling() or not isinstance(inputs, Mapping):
            return
        rows = {"token_ids": self.vocabulary_size, "segment_ids": self.num_segments}
        for name in [name for name in rows if name in inputs]:
            ids: Any = ops.convert_to_tensor(inputs[name])
            # A look at the values of another device would make it wait.
            if ids.device.type == "cpu":
                check_ids(name, ids, rows[name])

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": keras.dtype_policies.serialize(self._policies()),
            **self.fnet_config.to_dict(),
        }

    def _policies(self) -> keras.DTypePolicy:
        """Return the dtype policy; once layers were quantised, with theirs by their paths."""
        policy_map = keras.dtype_policies.DTypePolicyMap
        quantised = [layer for layer in self._flatten_layers() if layer.quantization_mode]
        if not quantised or isinstance(self.dtype_policy, policy_map):
            return self.dtype_policy
        return policy_map(
            self.dtype_policy, {layer.path: layer.dtype_policy for layer in quantised}
        )

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        """Build the model that `get_config` described."""
        del custom_objects
        return cls(**config)

    def tensors(self) -> dict[str, Any]:
        """Return the model's variables under the canonical names of `presets.tensors`.

        Where LoRA is enabled, a tensor of the merged weights stands for the variable.
        """
        return named_variables(self)

    def to_checkpoint(self, tokenizer_proto: bytes | None = None) -> Checkpoint:
        """Return the model as data; on torch and the CPU the arrays view the model's own tensors.

        Raises:
            ConfigError: If a layer is quantised, or of another type than float32, float16 and
                bfloat16: a preset cannot hold it.
        """
        for layer in self._flatten_layers():
            check_policy(layer.dtype_policy.name)
        return Checkpoint(
            config=self.fnet_config,
            arrays={name: as_viewed_array(values) for name, values in self.tensors().items()},
            tokenizer_proto=tokenizer_proto,
            dtype=self.dtype_policy.name,
        )

    def save_to_preset(self, preset_dir: str | Path) -> None:
        """Write a preset folder that this project and KerasHub load.

        `FNetTokenizer.save_to_preset` writes the tokenizer into the same folder.

        Raises:
            ConfigError: As `to_checkpoint`.
        """
        write_checkpoint(self.to_checkpoint(), preset_dir)


def build_backbone(
    source: Path | Checkpoint, *, load_weights: bool = True, **overrides: Any
) -> FNetBackbone:
    """Build the Keras model of a preset folder or a checkpoint; overrides replace its own sizes.

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
