"""What turns a text into a vector, besides the weights and the vocabulary."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Self, get_args

from fnet_registry.errors import ConfigError

Padding = Literal["fixed"]
Pooling = Literal["mean", "cls", "pooled"]
LongText = Literal["truncate", "error"]

SPECIAL_TOKENS_PER_TEXT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodingConfig:
    """How texts become vectors; frozen, for a registered version always computes the same.

    Args:
        sequence_length: Every text is packed as `[CLS] … [SEP]` and padded to this many tokens.
            FNet mixes padding in with the text, so the length is part of what is computed.
        padding: `fixed`: one length for all texts.
        pooling: `mean`: the mean of the sequence output over all tokens that are not padding,
            `[CLS]` and `[SEP]` included; `cls`: the sequence output at `[CLS]`; `pooled`: the
            pooler's output.
        normalize: Whether vectors are scaled to unit length where a call does not say.

    Raises:
        ConfigError: If a value is none of these.
    """

    sequence_length: int
    padding: Padding = "fixed"
    pooling: Pooling = "mean"
    normalize: bool = False

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

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Reads what `to_dict` wrote.

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
        """The configuration as plain values."""
        return asdict(self)
