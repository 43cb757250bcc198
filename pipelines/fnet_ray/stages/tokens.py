"""Texts to windows of token ids: one per text, or several where long texts are split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Literal, Self

import numpy as np
import pyarrow as pa

from fnet_registry.encoding.config import SPECIAL_TOKENS_PER_TEXT
from fnet_registry.encoding.packing import Tokens, pack_texts
from fnet_registry.encoding.tokenizer import FNetTokenizer
from fnet_registry.errors import JobError

_LENGTH_DIGITS = 6
LongTextHandling = Literal["truncate", "split", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Windowing:
    """How a text meets the model's length.

    Args:
        sequence_length: Tokens of a window, `[CLS]` and `[SEP]` among them.
        long_text: What becomes of a text that is longer.
        overlap: Tokens that neighbouring windows share, under `split`.

    Raises:
        JobError: The windows would not move on.
    """

    sequence_length: int
    long_text: LongTextHandling = "truncate"
    overlap: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.overlap < self.room:
            raise JobError(
                f"The overlap of windows must be at least 0 and less than their {self.room} tokens."
                f" Received: {self.overlap}"
            )

    @property
    def room(self) -> int:
        """A window's tokens without `[CLS]` and `[SEP]`."""
        return self.sequence_length - SPECIAL_TOKENS_PER_TEXT

    def cut(self, count: int) -> list[slice]:
        """Return which of a text's `count` tokens each window holds; only `split` cuts."""
        if self.long_text != "split" or count <= self.room:
            return [slice(0, count)]
        step = self.room - self.overlap
        return [
            slice(at, min(at + self.room, count)) for at in range(0, count - self.overlap, step)
        ]


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows of many texts, in order.

    Args:
        tokens: The packed windows.
        document: Int64 of shape `(windows,)`: the text that each window is of.
        number: Int32 of shape `(windows,)`: the window's number within its text.
        span: Int64 of shape `(windows, 2)`: the window's first character within its text, and the
            one after its last. The windows of a text cover all of it.
        lengths: Int64 of shape `(texts,)`: the tokens of each text before any is cut off, `[CLS]`
            and `[SEP]` among them; none where they were not counted.
    """

    tokens: Tokens
    document: np.ndarray
    number: np.ndarray
    span: np.ndarray
    lengths: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))

    def to_table(self) -> pa.Table:
        """Return the windows as Arrow columns, over the same memory."""
        ids = pa.LargeListArray.from_arrays(self.tokens.offsets, self.tokens.values)
        return pa.table(
            {
                "document": self.document,
                "number": self.number,
                "start": self.span[:, 0],
                "end": self.span[:, 1],
                "ids": ids,
                "truncated": self.tokens.truncated,
            }
        )

    @classmethod
    def from_table(cls, table: pa.Table) -> Self:
        """Read what `to_table` gave."""
        truncated = table["truncated"].to_numpy()
        tokens = tokens_of(table["ids"], truncated)
        document, number, start, end = (
            table[name].to_numpy() for name in ("document", "number", "start", "end")
        )
        return cls(tokens, document, number, np.stack([start, end], axis=1))

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Put windows one after the other; their numbers of texts stay."""
        whole = cls.from_table(pa.concat_tables([part.to_table() for part in parts]))
        return replace(whole, lengths=np.concatenate([part.lengths for part in parts]))


def tokens_of(ids: pa.ChunkedArray, truncated: np.ndarray | None = None) -> Tokens:
    """Read packed ids from an Arrow column of lists.

    Args:
        ids: The column.
        truncated: Bool of shape `(windows,)`; by default none is.
    """
    lists = pa.concat_arrays(ids.chunks) if ids.chunks else pa.array([], ids.type)
    offsets = lists.offsets.to_numpy()
    if truncated is None:
        truncated = np.zeros(len(lists), dtype=bool)
    return Tokens(lists.flatten().to_numpy(zero_copy_only=False), offsets - offsets[0], truncated)


@lru_cache(maxsize=2)
def load_tokenizer(proto: bytes) -> FNetTokenizer:
    """Return the tokenizer, which a worker's process keeps between tasks."""
    return FNetTokenizer(proto)


def make_windows(
    texts: Sequence[str], windowing: Windowing, tokenizer: FNetTokenizer
) -> tuple[Windows, dict[int, int]]:
    """Tokenize texts.

    Returns:
        The windows, and the texts that are too long where that is refused (their index and
        length in tokens). The windows number the texts without these.
    """
    ids = tokenizer.tokenize(texts)
    too_long: dict[int, int] = {}
    if windowing.long_text == "error":
        lengths = ((i, len(tokens)) for i, tokens in enumerate(ids))
        too_long = {i: n + SPECIAL_TOKENS_PER_TEXT for i, n in lengths if n > windowing.room}
    kept = [i for i in range(len(texts)) if i not in too_long]
    cuts = [windowing.cut(len(ids[i])) for i in kept]
    tokens = pack_texts(
        [ids[i][part] for i, cut in zip(kept, cuts, strict=True) for part in cut],
        windowing.sequence_length,
        cls_token_id=tokenizer.cls_token_id,
        sep_token_id=tokenizer.sep_token_id,
    )
    counts = [len(cut) for cut in cuts]
    document = np.repeat(np.arange(len(cuts), dtype=np.int64), counts)
    number = np.concatenate([np.empty(0, np.int32), *map(_numbers, counts)])
    spans = [_spans(texts[i], ids[i], cut, tokenizer) for i, cut in zip(kept, cuts, strict=True)]
    span = np.concatenate([np.empty((0, 2), np.int64), *spans])
    lengths = np.array([len(ids[i]) for i in kept], np.int64) + SPECIAL_TOKENS_PER_TEXT
    return Windows(tokens, document, number, span, lengths), too_long


def count_lengths(lengths: np.ndarray) -> list[list[int]]:
    """Return how many texts have which length, as pairs, rising.

    Lengths are rounded down to six binary digits, so that those of a shard are two hundred pairs
    at most or so, whatever its texts.
    """
    found = Counter(length - length % length_step(length) for length in lengths.tolist())
    return [list(pair) for pair in sorted(found.items())]


def length_step(length: int) -> int:
    """Return how far apart counted lengths are around a length: 1 below 64, then 2."""
    return 1 << max(0, length.bit_length() - _LENGTH_DIGITS)


def _numbers(count: int) -> np.ndarray:
    return np.arange(count, dtype=np.int32)


def _spans(text: str, ids: list[int], cut: list[slice], tokenizer: FNetTokenizer) -> np.ndarray:
    """Return the characters of each window of a text."""
    if len(cut) == 1:
        return np.array([[0, len(text)]])
    edges = np.concatenate([[0], tokenizer.ends(text, ids)])
    edges[-1] = len(text)
    return edges[np.array([[part.start, part.stop] for part in cut])]
