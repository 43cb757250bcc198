"""From a sequence output to one vector for each text."""

import torch

from fnet_registry.encoding.config import Pooling
from fnet_registry.engine.engine import Engine


def pool(
    engine: Engine, sequences: torch.Tensor, lengths: list[int], pooling: Pooling
) -> torch.Tensor:
    """Reduces a sequence output.

    Args:
        engine: Holds the pooler.
        sequences: Float32 tensor of shape `(texts, sequence, hidden)`.
        lengths: Tokens of each text that are not padding.
        pooling: As in `EncodingConfig`.

    Returns:
        Float32 tensor of shape `(texts, hidden)`.
    """
    if pooling == "pooled":
        return engine.pooled_outputs(sequences[:, 0])
    if pooling == "cls":
        return sequences[:, 0]
    return torch.stack(
        [row[:length].mean(0) for row, length in zip(sequences, lengths, strict=True)]
    )
