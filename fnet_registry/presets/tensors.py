"""The tensors of an FNet checkpoint: one name and one shape for each, whatever file it came from.

Dense kernels are laid out `(inputs, outputs)`, as in Keras.
"""

from __future__ import annotations

from math import prod

from fnet_registry.presets.config import FNetConfig

HEAD = "head"
"""The dense layer, where a model has it, from a pooled vector to the one that is given."""


def tensor_shapes(config: FNetConfig) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor, in the order of the forward pass."""
    hidden, intermediate = config.hidden_dim, config.intermediate_dim
    shapes: dict[str, tuple[int, ...]] = {
        "token_embedding": (config.vocabulary_size, hidden),
        "position_embedding": (config.max_sequence_length, hidden),
        "segment_embedding": (config.num_segments, hidden),
        "embedding_norm.gamma": (hidden,),
        "embedding_norm.beta": (hidden,),
        "embedding_projection.kernel": (hidden, hidden),
        "embedding_projection.bias": (hidden,),
    }
    for index in range(config.num_layers):
        layer = f"layers.{index}"
        shapes |= {
            f"{layer}.mixing_norm.gamma": (hidden,),
            f"{layer}.mixing_norm.beta": (hidden,),
            f"{layer}.intermediate.kernel": (hidden, intermediate),
            f"{layer}.intermediate.bias": (intermediate,),
            f"{layer}.output.kernel": (intermediate, hidden),
            f"{layer}.output.bias": (hidden,),
            f"{layer}.output_norm.gamma": (hidden,),
            f"{layer}.output_norm.beta": (hidden,),
        }
    if config.pooler:
        shapes |= {"pooler.kernel": (hidden, hidden), "pooler.bias": (hidden,)}
    return shapes


def parameter_count(config: FNetConfig) -> int:
    """Return number of parameters of a backbone with this configuration."""
    return sum(prod(shape) for shape in tensor_shapes(config).values())
