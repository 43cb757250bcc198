"""What turns a text into a vector, besides the weights and the vocabulary.

A new option stands here alone, and where it is computed: in `EncodingConfig`, `EncodingOptions` and
`ENCODING_ARGUMENTS`, from which every function and command that takes it reads it.
"""

from __future__ import annotations

from argparse import ArgumentTypeError, BooleanOptionalAction
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, Self, TypedDict, Unpack, get_args

import numpy as np

from fnet_registry.encoding.pooling import POOLINGS, Pooling
from fnet_registry.errors import ConfigError
from fnet_registry.shown import one_line, shown

if TYPE_CHECKING:
    from fnet_registry.engine.engine import ComputeDtype

Padding = Literal["fixed", "bucket"]
LongText = Literal["truncate", "error"]
Quantization = Literal["int8"]

SPECIAL_TOKENS_PER_TEXT = 2
LARGEST_TEXT = 64 << 20  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodingConfig:
    """How texts become vectors; frozen, because a registered version always computes the same.

    Args:
        sequence_length: Every text is packed as `[CLS] … [SEP]` and cut to this many tokens. FNet
            mixes padding in with the text, so the padded length is part of what is computed.
        padding: `fixed`: every text is padded to `sequence_length`; `bucket`: to the smallest of
            `buckets` that holds it, so that its vector still depends on the text alone.
        buckets: Lengths in rising order, the last of them `sequence_length`; empty under `fixed`.
        pooling: How the outputs at a text's tokens become one vector: a name of
            `pooling.POOLINGS`.
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
                f"`sequence_length` must be an integer, for example 128. Received: {shown(length)}"
            )
        if length <= SPECIAL_TOKENS_PER_TEXT:
            raise ConfigError(
                f"`sequence_length` must leave room beside [CLS] and [SEP], so be at least"
                f" {SPECIAL_TOKENS_PER_TEXT + 1}. Received: {shown(length)}"
            )
        self._check_choice("padding", get_args(Padding))
        self._check_choice("pooling", tuple(POOLINGS))
        self._check_choice("normalize", (True, False))
        self._check_choice("quantization", (None, *get_args(Quantization)))
        if not isinstance(self.buckets, Sequence) or isinstance(self.buckets, str):
            raise ConfigError(
                "`buckets` must be lengths, for example 32, 64, 128."
                f" Received: {shown(self.buckets)}"
            )
        object.__setattr__(self, "buckets", tuple(self.buckets))
        self._check_buckets()

    def _check_choice(self, name: str, allowed: tuple[Any, ...]) -> None:
        value = getattr(self, name)
        if not any(isinstance(value, type(each)) and value == each for each in allowed):
            raise ConfigError(
                f"`{name}` must be one of {', '.join(map(str, allowed))}. Received: {shown(value)}"
            )

    def _check_buckets(self) -> None:
        if self.padding == "fixed" and self.buckets:
            raise ConfigError(
                "`buckets` need padding='bucket'."
                f" Received: {shown(self.buckets)} with padding='fixed'"
            )
        if self.padding == "bucket" and not (
            all(isinstance(length, int) for length in self.buckets)
            and sorted(set(self.buckets)) == list(self.buckets)
            and self.buckets[-1:] == (self.sequence_length,)
            and self.buckets[0] > SPECIAL_TOKENS_PER_TEXT
        ):
            raise ConfigError(
                "`buckets` must be lengths in rising order that end in the sequence length, for"
                " example 32, 64, 128 for a sequence length of 128."
                f" Received: {shown(self.buckets)}"
            )

    def padded_lengths(self, lengths: np.ndarray) -> np.ndarray:
        """Return how many positions texts of so many tokens, specials included, are padded to."""
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
                "An encoding configuration holds a sequence_length, and maybe"
                f" {', '.join(field.name for field in fields(cls)[1:])}."
                f" Received: {', '.join(sorted(values)) or 'nothing'}"
            )
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as plain values."""
        return asdict(self)

    def chosen(self) -> dict[str, Any]:
        """Return what differs from the defaults, which an option added later does not change."""
        defaults = {field.name: field.default for field in fields(self)}
        return {name: value for name, value in asdict(self).items() if value != defaults[name]}


class EncodingOptions(TypedDict, total=False):
    """What a user may say of an encoding: fields of `EncodingConfig`, which describes them.

    An option that is left out, or None, has its default; that of `sequence_length` is the model's
    longest input. Where there are `buckets`, texts are padded to them.
    """

    sequence_length: int | None
    buckets: Sequence[int] | None
    pooling: Pooling | None
    normalize: bool | None
    quantization: Quantization | None


class LoadOptions(TypedDict, total=False):
    """How a model runs; an option that is left out, or None, has its default.

    Args:
        device: A torch device; by default a GPU where there is one.
        dtype: `float32` (default) or `bfloat16`.
        batch_size: Texts to work on at once where a call does not say; vectors do not depend
            on it.
        num_threads: CPU threads of this process's torch; by default torch's own choice.
    """

    device: str | None
    dtype: ComputeDtype | None
    batch_size: int | None
    num_threads: int | None


class EncoderOptions(EncodingOptions, LoadOptions, total=False):
    """All options of a `TextEncoder`."""


def _lengths(text: str) -> tuple[int, ...]:
    lengths = text.split(",")
    if not all(length.strip().isdecimal() for length in lengths):
        raise ArgumentTypeError(f"lengths are written like 32,64,128. Received: {shown(text)}")
    return tuple(map(int, lengths))


ENCODING_ARGUMENTS: Mapping[str, Mapping[str, Any]] = {
    "sequence_length": {
        "type": int,
        "metavar": "TOKENS",
        "help": "pad length; default: as the preset carries it, else the model's maximum",
    },
    "buckets": {
        "type": _lengths,
        "metavar": "A,B,…",
        "help": "pad to the smallest of these lengths that holds a text; cut at the last",
    },
    "pooling": {
        "choices": tuple(POOLINGS),
        "help": "default: as the preset carries it, else mean",
    },
    "normalize": {
        "action": BooleanOptionalAction,
        "help": "give vectors of length 1, or as they are",
    },
    "quantization": {
        "choices": get_args(Quantization),
        "help": "run the dense layers with int8 weights",
    },
}
"""Option to what `argparse`'s `add_argument` is told of it; one that is left out is None."""


def split_options(options: Mapping[str, Any], *kinds: type) -> list[dict[str, Any]]:
    """Return keyword arguments by their kind, such as `LoadOptions`, without those that are None.

    Raises:
        TypeError: If one is of no kind.
    """
    known = [kind.__annotations__ for kind in kinds]
    unknown = [name for name in options if not any(name in names for names in known)]
    if unknown:
        raise TypeError(
            f"Expected the options {', '.join(name for names in known for name in names)}."
            f" Received: {one_line(', '.join(unknown))}"
        )
    given = {name: value for name, value in options.items() if value is not None}
    return [{name: given[name] for name in names if name in given} for names in known]


def _last(buckets: Any, *, else_: int) -> int:
    """Return the last of some lengths, by which a text is cut; what is none is refused later."""
    usable = isinstance(buckets, Sequence) and type(buckets[-1]) is int
    return buckets[-1] if usable else else_


def complete_encoding(
    longest: int, *, stored: EncodingConfig | None = None, **options: Unpack[EncodingOptions]
) -> EncodingConfig:
    """Complete what a user says of an encoding.

    Args:
        longest: The model's longest input, in tokens.
        stored: What the model's preset carries, which an option replaces. A sequence length and
            buckets are one choice: either of them replaces the stored buckets, and buckets alone
            imply the sequence length.
        **options: What a user says.

    Raises:
        ConfigError: If a value is impossible.
        TypeError: If there is no such option.
    """
    [given] = split_options(options, EncodingOptions)
    values: dict[str, Any] = {"sequence_length": longest}
    if stored is not None:
        values = stored.to_dict()
    if "sequence_length" in given:
        values["buckets"] = ()
    elif given.get("buckets"):
        values["sequence_length"] = _last(given["buckets"], else_=values["sequence_length"])
    values |= given
    values["padding"] = "bucket" if values.get("buckets") else "fixed"
    return EncodingConfig(**values)
