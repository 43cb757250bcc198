"""The ways from a model's outputs to one vector for each text.

A new one is a function here, its name in `Pooling`, and its line in `POOLINGS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch

    from fnet_registry.engine.engine import Engine

Pooling = Literal["mean", "cls", "pooled"]


def mean(engine: Engine, token_ids: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
    """Return the mean of the sequence output over all tokens that are not padding.

    `[CLS]` and `[SEP]` count; nothing is computed that the mean does not need.

    Args:
        engine: The model.
        token_ids: Integers of shape `(texts, sequence)`.
        lengths: Tokens of each text that are not padding.

    Returns:
        Float32 tensor of shape `(texts, hidden)`, as for every pooling.
    """
    return engine.mean_outputs(token_ids, lengths)


def cls(engine: Engine, token_ids: torch.Tensor, _lengths: Sequence[int]) -> torch.Tensor:
    """Return the sequence output at `[CLS]`; see `mean` for the shapes."""
    return engine.first_outputs(token_ids)


def pooled(engine: Engine, token_ids: torch.Tensor, _lengths: Sequence[int]) -> torch.Tensor:
    """Return the pooler's output; see `mean` for the shapes."""
    return engine.pooled_outputs(engine.first_outputs(token_ids))


POOLINGS: Mapping[Pooling, Callable[[Engine, torch.Tensor, Sequence[int]], torch.Tensor]] = {
    "mean": mean,
    "cls": cls,
    "pooled": pooled,
}


def in_words(pooling: Pooling) -> str:
    """Return what a person would call a pooling."""
    return "the pooler's output" if pooling == "pooled" else f"{pooling} pooling"
