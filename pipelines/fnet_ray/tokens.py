"""Texts to windows of token ids: one per text, or several where long texts are split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, Self

import numpy as np
import pyarrow as pa

from fnet_registry.encoding.packing import Tokens, pack_texts
from fnet_registry.encoding.tokenizer import FNetTokenizer
from fnet_registry.errors import JobError

LongText = Literal["truncate", "split", "error"]
SPECIALS = 2  # [CLS] and [SEP]


@dataclass(frozen=True, slots=True, kw_only=True)
class Windowing:
    """How a text meets the model's length."""

    sequence_length: int
    long_text: LongText = "truncate"
    overlap: int = 0
    """Tokens that neighbouring windows share, under `split`."""

    def __post_init__(self) -> None:
        if not 0 <= self.overlap < self.room:
            raise JobError(
                f"The overlap of windows must be at least 0 and less than their {self.room} tokens."
                f" Received: {self.overlap}"
            )

    @property
    def room(self) -> int:
        """A window's tokens without `[CLS]` and `[SEP]`."""
        return self.sequence_length - SPECIALS

    def cut(self, ids: list[int]) -> list[list[int]]:
        """Return a text's windows; only `split` gives more than one."""
        if self.long_text != "split" or len(ids) <= self.room:
            return [ids]
        step = self.room - self.overlap
        return [ids[start : start + self.room] for start in range(0, len(ids) - self.overlap, step)]


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows of many texts, in order.

    Args:
        tokens: The packed windows.
        document: Int64 of shape `(windows,)`: the text that each window is of.
        number: Int32 of shape `(windows,)`: the window's number within its text.
    """

    tokens: Tokens
    document: np.ndarray
    number: np.ndarray

    def to_table(self) -> pa.Table:
        """Return the windows as Arrow columns, over the same memory."""
        ids = pa.LargeListArray.from_arrays(self.tokens.offsets, self.tokens.values)
        return pa.table(
            {
                "document": self.document,
                "number": self.number,
                "ids": ids,
                "truncated": self.tokens.truncated,
            }
        )

    @classmethod
    def from_table(cls, table: pa.Table) -> Self:
        """Read what `to_table` gave."""
        truncated = table["truncated"].to_numpy()
        tokens = tokens_of(table["ids"], truncated)
        return cls(tokens, table["document"].to_numpy(), table["number"].to_numpy())


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
        too_long = {i: len(t) + SPECIALS for i, t in enumerate(ids) if len(t) > windowing.room}
    cut = [windowing.cut(text) for i, text in enumerate(ids) if i not in too_long]
    tokens = pack_texts(
        [window for windows in cut for window in windows],
        windowing.sequence_length,
        cls_token_id=tokenizer.cls_token_id,
        sep_token_id=tokenizer.sep_token_id,
    )
    counts = [len(windows) for windows in cut]
    document = np.repeat(np.arange(len(cut), dtype=np.int64), counts)
    numbers = [np.arange(count, dtype=np.int32) for count in counts]
    number = np.concatenate(numbers) if numbers else np.empty(0, np.int32)
    return Windows(tokens, document, number), too_long
