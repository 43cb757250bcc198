"""Vectors with the texts that they are of: computed or taken over, each once, for rows to share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
import pyarrow as pa

from fnet_ray.stages.tokens import Windows

NO_PIECES = pa.schema(
    [
        ("document", pa.int64()),
        ("number", pa.int32()),
        ("start", pa.int64()),
        ("end", pa.int64()),
        ("truncated", pa.bool_()),
    ]
)


def unique_texts(texts: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """Return the different texts, and which of them each text is: int64 of shape `(texts,)`."""
    numbers: dict[str, int] = {}
    of_row = [numbers.setdefault(text, len(numbers)) for text in texts]
    return list(numbers), np.array(of_row, dtype=np.int64)


def of_rows(reasons: Mapping[int, str], text_of_row: np.ndarray) -> dict[int, str]:
    """Return why rows are rejected, by their index, from why their texts are."""
    if not reasons:
        return {}
    return {row: reasons[text] for row, text in enumerate(text_of_row.tolist()) if text in reasons}


def rows_of(document: np.ndarray, text_of_row: np.ndarray) -> np.ndarray:
    """Return how many rows share each window, from the text that each window is of."""
    return np.bincount(text_of_row, minlength=document.max(initial=-1) + 1)[document]


def runs(starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the numbers of many runs, one after the other: each from its start, so many."""
    ends = np.cumsum(counts)
    return np.repeat(starts - ends + counts, counts) + np.arange(ends[-1] if len(ends) else 0)


def take_joined(arrays: Sequence[np.ndarray], taken: np.ndarray) -> np.ndarray:
    """Return `np.concatenate(arrays)[taken]` without joining them first: vectors are large."""
    found = np.empty((len(taken), *arrays[0].shape[1:]), arrays[0].dtype)
    ends = np.cumsum([len(each) for each in arrays])
    part = np.searchsorted(ends, taken, side="right")
    for number, values in enumerate(arrays):
        mine = np.flatnonzero(part == number)
        found[mine] = values[taken[mine] - ends[number] + len(values)]
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Pieces:
    """Vectors of windows of texts, or of whole texts.

    Args:
        document: Int64 of shape `(pieces,)`: the text that each is of.
        number: Int32 of shape `(pieces,)`: its number within the text.
        span: Int64 of shape `(pieces, 2)`: its characters within the text, as of `Windows`.
        truncated: Bool of shape `(pieces,)`: whether it lost tokens.
        vectors: Floats of shape `(pieces, dim)`.
    """

    document: np.ndarray
    number: np.ndarray
    span: np.ndarray
    truncated: np.ndarray
    vectors: np.ndarray

    @classmethod
    def computed(cls, windows: Windows, vectors: np.ndarray) -> Self:
        """View what was computed; `vectors` is float32 of shape `(windows, dim)`."""
        return cls(
            document=windows.document,
            number=windows.number,
            span=windows.span,
            truncated=windows.tokens.truncated,
            vectors=vectors,
        )

    def to_table(self) -> pa.Table:
        """Return the pieces as Arrow columns."""
        values, dim = pa.array(self.vectors.reshape(-1)), self.vectors.shape[1]
        columns = [self.document, self.number, self.span[:, 0], self.span[:, 1], self.truncated]
        table = pa.table(columns, schema=NO_PIECES)
        vectors = pa.FixedSizeListArray.from_arrays(values, dim)
        return table.append_column("vector", vectors)

    @classmethod
    def from_batch(cls, batch: pa.RecordBatch) -> Self:
        """View a part of what `to_table` gave."""
        document, number, start, end, truncated = (
            batch[name].to_numpy(zero_copy_only=False) for name in NO_PIECES.names
        )
        return cls(
            document=document,
            number=number,
            span=np.stack([start, end], axis=1),
            truncated=truncated,
            vectors=batch["vector"].flatten().to_numpy().reshape(len(batch), -1),
        )

    @classmethod
    def of_rows(cls, parts: Sequence[Self], texts: np.ndarray) -> Self:
        """Return the pieces of rows, which their `document` then numbers.

        Args:
            parts: Pieces of different texts, in no order of the texts.
            texts: Int64 of shape `(rows,)`: the text of each row.
        """
        parts = [each for each in parts if len(each.document)] or parts
        document = np.concatenate([each.document for each in parts])
        order = np.argsort(document, kind="stable")
        begins, ends = (
            np.searchsorted(document, texts, side, sorter=order) for side in ("left", "right")
        )
        row = np.repeat(np.arange(len(texts)), ends - begins)
        taken = order[runs(begins, ends - begins)]
        if len(parts) == 1 and np.array_equal(taken, np.arange(len(order))):
            return replace(parts[0], document=row)  # all are different: spare the copy
        others = [each.name for each in fields(cls) if each.name != "document"]
        values = {name: take_joined([getattr(p, name) for p in parts], taken) for name in others}
        return cls(document=row, **values)

    def take(self, taken: np.ndarray) -> Self:
        """Return some pieces, by their indices."""
        return type(self)(**{each.name: getattr(self, each.name)[taken] for each in fields(self)})
