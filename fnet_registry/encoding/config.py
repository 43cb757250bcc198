"""What turns a text into a vector, besides the weights and the vocabulary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Self, get_args

import numpy as np

from fnet_registry.errors import ConfigError

Padding = Literal["fixed", "bucket"]
Pooling = Literal["mean", "cls", "pooled"]
LongText = Literal["truncate", "error"]
Quantization = Literal["int8"]

SPECIAL_TOKENS_PER_TEXT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodingConfig:
    """How texts become vectors; frozen, for a registered version always computes the same.

    Args:
        sequence_length: Every text is packed as `[CLS] … [SEP]` and cut to this many tokens. FNet
            mixes padding in with the text, so the padded length is part of what is computed.
        padding: `fixed`: every text is padded to `sequence_length`; `bucket`: to the smallest of
            `buckets` that holds it, so that its vector still depends on the text alone.
        buckets: Lengths in rising order, the last of them `sequence_length`; empty under `fixed`.
        pooling: `mean`: the mean of the sequence output over all tokens that are not padding,
            `[CLS]` and `[SEP]` included; `cls`: the sequence output at `[CLS]`; `pooled`: the
            pooler's output.
        normalize: Whether vectors are scaled to unit length where a call does not say.
        quantization: `int8` runs the dense layers with int8 weights, on the CPU; None does not.

    Raises:
        ConfigError: If a value is none of these.
    """

    sequence_length: int
    padding: Padding = "fixed"
    buckets: tuple[int, ...] = ()
    pooling: Pooling = "mean"
    normalize: bool = False
    quantization: Quantization | None = None

    def __post_init__(self) -> None:
        length = self.sequence_length
        if isinstance(length, bool) or not isinstance(length, int):
            raise ConfigError(
                f"`sequence_length` must be an integer, for example 128. Received: {length!r}"
            )
        if length <= SPECIAL_TOKENS_PER_TEXT:
            raise ConfigError(
                f"`sequence_length` must leave room beside [CLS] and [SEP], so be at least"
                f" {SPECIAL_TOKENS_PER_TEXT + 1}. Received: {length}"
            )
        for name, allowed in (("padding", get_args(Padding)), ("pooling", get_args(Pooling))):
            if getattr(self, name) not in allowed:
                raise ConfigError(
                    f"`{name}` must be one of {', '.join(allowed)}."
                    f" Received: {getattr(self, name)!r}"
                )
        if not isinstance(self.normalize, bool):
            raise ConfigError(f"`normalize` must be True or False. Received: {self.normalize!r}")
        if self.quantization not in (None, *get_args(Quantization)):
            raise ConfigError(
                f"`quantization` must be None or 'int8'. Received: {self.quantization!r}"
            )
        if not isinstance(self.buckets, Sequence) or isinstance(self.buckets, str):
            raise ConfigError(
                f"`buckets` must be lengths, for example 32, 64, 128. Received: {self.buckets!r}"
            )
        object.__setattr__(self, "buckets", tuple(self.buckets))
        self._check_buckets()

    def _check_buckets(self) -> None:
        if self.padding == "fixed" and self.buckets:
            raise ConfigError(
                f"`buckets` need padding='bucket'. Received: {self.buckets} with padding='fixed'"
            )
        if self.padding == "bucket" and not (
            all(isinstance(length, int) for length in self.buckets)
            and sorted(set(self.buckets)) == list(self.buckets)
            and self.buckets[-1:] == (self.sequence_length,)
            and self.buckets[0] > SPECIAL_TOKENS_PER_TEXT
        ):
            raise ConfigError(
                "`buckets` must be lengths in rising order that end in the sequence length, for"
                f" example 32, 64, 128 for a sequence length of 128. Received: {self.buckets}"
            )

    def padded_lengths(self, lengths: np.ndarray) -> np.ndarray:
        """Return how many positions each text is padded to.

        Args:
            lengths: Tokens of each text, specials included.

        Returns:
            Integers of the same shape.
        """
        buckets = np.array(self.buckets or (self.sequence_length,))
        return buckets[np.searchsorted(buckets, lengths)]

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote.

        Raises:
            ConfigError: If a key is unknown or `sequence_length` is missing.
        """
        unknown = sorted(values.keys() - {field.name for field in fields(cls)})
        if unknown or "sequence_length" not in values:
            raise ConfigError(
                "An encoding configuration holds"
                f" {', '.join(field.name for field in fields(cls))}."
                f" Received: {', '.join(sorted(values)) or 'nothing'}"
            )
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as plain values."""
        return asdict(self)


def complete_encoding(
    longest: int,
    *,
    sequence_length: int | None = None,
    buckets: Sequence[int] = (),
    pooling: Pooling = "mean",
    normalize: bool = False,
    quantization: Quantization | None = None,
) -> EncodingConfig:
    """Complete what a user says of an encoding with the model's own defaults.

    Args:
        longest: The model's longest input, which is the default length.
        sequence_length: As in `EncodingConfig`, like all that follow.
        buckets: See above; any imply the padding policy `bucket`.
        pooling: See above.
        normalize: See above.
        quantization: See above.

    Raises:
        ConfigError: If a value is impossible.
    """
    return EncodingConfig(
        sequence_length=longest if sequence_length is None else sequence_length,
        padding="bucket" if buckets else "fixed",
        buckets=tuple(buckets),
        pooling=pooling,
        normalize=normalize,
        quantization=quantization,
    )
