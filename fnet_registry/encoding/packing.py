"""Token ids packed as FNet was trained on them: `[CLS] a [SEP]`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from fnet_registry.encoding.config import SPECIAL_TOKENS_PER_TEXT


@dataclass(frozen=True, slots=True)
class Tokens:
    """Packed texts, cut to the sequence length and not yet padded.

    Args:
        values: Int32 ids of all texts, one after the other, specials included.
        offsets: Int64 of shape `(texts + 1,)`: where each text's ids begin, and the end.
        truncated: Bool of shape `(texts,)`: which texts lost tokens.
    """

    values: np.ndarray
    offsets: np.ndarray
    truncated: np.ndarray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each text, specials included: int64 of shape `(texts,)`."""
        return np.diff(self.offsets)

    def __getitem__(self, rows: slice) -> Self:
        """Return a run of texts."""
        start, stop, _ = rows.indices(len(self))
        stop = max(start, stop)
        begin, end = self.offsets[start], self.offsets[stop]
        return type(self)(
            self.values[begin:end],
            self.offsets[start : stop + 1] - begin,
            self.truncated[start:stop],
        )

    def padded(self, length: int, pad_token_id: int) -> np.ndarray:
        """Return the ids as int32 of shape `(texts, length)`, padded on the right."""
        ids = np.full((len(self), length), pad_token_id, dtype=np.int32)
        ids[np.arange(length) < self.lengths[:, None]] = self.values
        return ids


def join_tokens(parts: Sequence[Tokens]) -> Tokens:
    """Return the texts of several, one after the other."""
    offsets = np.concatenate([[0], *(part.lengths for part in parts)]).cumsum()
    values = np.concatenate([part.values for part in parts])
    return Tokens(values, offsets, np.concatenate([part.truncated for part in parts]))


def pack_texts(
    token_ids: Sequence[Sequence[int]],
    sequence_length: int,
    *,
    cls_token_id: int,
    sep_token_id: int,
) -> Tokens:
    """Pack each text's ids by itself, keeping the first where it is too long.

    The `sequence_length`, the most tokens of a packed text, includes the specials.
    """
    room = sequence_length - SPECIAL_TOKENS_PER_TEXT
    counts = np.fromiter(map(len, token_ids), dtype=np.int64, count=len(token_ids))
    offsets = np.zeros(len(token_ids) + 1, dtype=np.int64)
    np.cumsum(np.minimum(counts, room) + SPECIAL_TOKENS_PER_TEXT, out=offsets[1:])
    values = np.empty(offsets[-1], dtype=np.int32)
    for ids, begin, end in zip(token_ids, offsets[:-1], offsets[1:], strict=True):
        values[begin + 1 : end - 1] = ids[:room]
    values[offsets[:-1]] = cls_token_id
    values[offsets[1:] - 1] = sep_token_id
    return Tokens(values, offsets, counts > room)
