"""From token ids to one vector for each text."""

from __future__ import annotations

import torch

from fnet_registry.encoding.config import Pooling
from fnet_registry.engine.engine import Engine


def pooled_vectors(
    engine: Engine, token_ids: torch.Tensor, lengths: list[int], pooling: Pooling
) -> torch.Tensor:
    """Run the model and reduce its output, computing no more than the pooling needs.

    Args:
        engine: The model.
        token_ids: Integers of shape `(texts, sequence)`.
        lengths: Tokens of each text that are not padding.
        pooling: As in `EncodingConfig`.

    Returns:
        Float32 tensor of shape `(texts, hidden)`.
    """
    if pooling == "mean":
        return engine.mean_outputs(token_ids, lengths)
    first = engine.first_outputs(token_ids)
    return engine.pooled_outputs(first) if pooling == "pooled" else first
