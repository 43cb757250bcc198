"""The configuration of an FNet backbone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from fnet_registry.errors import ConfigError
from fnet_registry.shown import shown

# Far above any FNet in use; a bound keeps a hostile file from declaring terabytes, or so many
# layers that their names alone fill the memory. A thousand rows of any width are multiplied.
_LARGEST = {"vocabulary_size": 1 << 24, "num_segments": 1 << 24, "num_layers": 1024}
WIDEST = 1 << 16
_MOST_PARAMETERS = 1 << 29


@dataclass(frozen=True, slots=True, kw_only=True)
class FNetConfig:
    """Sizes of an FNet backbone, named as in KerasHub's `FNetBackbone`.

    Args:
        vocabulary_size: Rows of the token embedding table.
        num_layers: Number of encoder layers.
        hidden_dim: Width of every position's vector.
        intermediate_dim: Width inside the feed-forward block.
        dropout: Share of values dropped in training, in [0, 1).
        max_sequence_length: Rows of the position table: the longest input, in tokens.
        num_segments: Rows of the segment table.
        pooler: Whether there is a pooler; KerasHub's always has one.

    Raises:
        ConfigError: If a size is not a positive integer, the sizes make a model far larger than
            any, the dropout is no probability, or `pooler` is neither True nor False.
    """

    vocabulary_size: int
    num_layers: int
    hidden_dim: int
    intermediate_dim: int
    dropout: float = 0.1
    max_sequence_length: int = 512
    num_segments: int = 4
    pooler: bool = True

    def __post_init__(self) -> None:
        for name in _SIZES:
            size = getattr(self, name)
            if isinstance(size, bool) or not isinstance(size, int):
                raise ConfigError(
                    f"`{name}` must be a positive integer, for example 512. Received: {shown(size)}"
                )
            largest = _LARGEST.get(name, WIDEST)
            if not 0 < size <= largest:
                raise ConfigError(
                    f"`{name}` must lie between 1 and {largest:,}. Received: {shown(size)}"
                )
        rate = self.dropout
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate < 1:
            raise ConfigError(
                f"`dropout` must be a number in [0, 1), for example 0.1. Received: {shown(rate)}"
            )
        object.__setattr__(self, "dropout", float(rate))
        if not isinstance(self.pooler, bool):
            raise ConfigError(f"`pooler` must be True or False. Received: {shown(self.pooler)}")
        self._check_parameters()

    def _check_parameters(self) -> None:
        rows = self.vocabulary_size + self.max_sequence_length + self.num_segments
        kernels = 2 * self.hidden_dim + 2 * self.num_layers * self.intermediate_dim
        parameters = self.hidden_dim * (rows + kernels)
        if parameters > _MOST_PARAMETERS:
            raise ConfigError(
                f"An FNet must have at most {_MOST_PARAMETERS:,} parameters."
                f" Received: sizes that make {parameters:,}"
            )

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """Pick the configuration's own keys out of a larger mapping.

        Raises:
            ConfigError: If a size without a default is missing.
        """
        known = {field.name: values[field.name] for field in fields(cls) if field.name in values}
        missing = [name for name in _REQUIRED if name not in known]
        if missing:
            raise ConfigError(
                f"An FNet configuration needs {', '.join(_REQUIRED)}."
                f" Received: {', '.join(known) or 'nothing'}. Missing: {', '.join(missing)}"
            )
        return cls(**known)

    def to_dict(self) -> dict[str, Any]:
        """Return the sizes under KerasHub's argument names; `pooler` only where there is none."""
        values = asdict(self)
        if self.pooler:
            del values["pooler"]
        return values


_REQUIRED = ("vocabulary_size", "num_layers", "hidden_dim", "intermediate_dim")
_SIZES = (*_REQUIRED, "max_sequence_length", "num_segments")
