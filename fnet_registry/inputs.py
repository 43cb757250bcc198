"""What a model takes, checked for the Keras model and for the engine alike."""

from __future__ import annotations

import math
from typing import Any

from fnet_registry.errors import ConfigError, TokensError
from fnet_registry.presets.config import FNetConfig
from fnet_registry.shown import shown

_SHAPE = ("batch", "sequence")
_INTEGERS = ("torch.int32", "torch.int64")


def check_tokens(config: FNetConfig, token_ids: Any, segment_ids: Any) -> None:
    """Refuse torch tensors that are no input of the model.

    Raises:
        TokensError: If they are not integers of one shape `(batch, sequence)`, are too many, or
            lie outside their tables.
    """
    received = [f"{ids.dtype} of shape {tuple(ids.shape)}" for ids in (token_ids, segment_ids)]
    if (
        token_ids.ndim != len(_SHAPE)
        or token_ids.shape != segment_ids.shape
        or len(token_ids) == 0
        or not all(text.startswith(_INTEGERS) for text in received)
    ):
        raise TokensError(
            "Token and segment ids must be int32 or int64 of one shape (batch, sequence), for"
            f" example (1, 512). Received: {' and '.join(received)}"
        )
    check_length(token_ids.shape[1], config.max_sequence_length)
    check_ids("token_ids", token_ids, config.vocabulary_size)
    check_ids("segment_ids", segment_ids, config.num_segments)


def check_length(length: int, longest: int) -> None:
    """Refuse an input whose texts have no tokens or too many, padding included.

    Raises:
        TokensError: If it is one.
    """
    if not 0 < length <= longest:
        raise TokensError(
            f"An input must be 1 to {longest} tokens long, padding included. Received: {length}"
        )


def check_ids(name: str, ids: Any, rows: int) -> None:
    """Refuse ids, which the message calls `name`, that a table of so many rows does not have.

    Raises:
        TokensError: If one lies outside; the message holds the first of them.
    """
    outside = ids[(ids < 0) | (ids >= rows)]
    if len(outside):
        raise TokensError(f"`{name}` must lie in [0, {rows}). Received: {outside[0].item()}")


def positive(name: str, value: int, *, most: float = math.inf) -> int:
    """Return an option that must be a positive integer.

    Raises:
        ConfigError: It is none, or more than the most.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        bounded = "" if most == math.inf else f" of at most {most:,}"
        raise ConfigError(
            f"`{name}` must be a positive integer{bounded}, for example 32."
            f" Received: {shown(value)}"
        )
    return value
