"""What a kind of data is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Generic, TypeVar

import numpy as np
import pyarrow as pa

from fnet_evaluate.data.digest import digest_of
from fnet_evaluate.data.rows import Rows
from fnet_evaluate.data.shapes import Shape

T = TypeVar("T")

Encoder = Any
"""What turns texts into vectors: a `TextEncoder`, or a baseline with such an `encode`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Data(Generic[T]):
    """Data that was read and checked.

    Args:
        content: What the kind evaluates on.
        digest: SHA-256 of its rows.
        count: How many texts, pairs or queries it holds.
    """

    content: T
    digest: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind(Generic[T]):
    """A kind of data, and what is computed on it.

    Args:
        name: What `Evaluation.kind` says.
        unit: What the data's count counts.
        shapes: The columns that it knows itself by.
        read: Reads and checks rows; texts to be found are beside them under `--corpus`.
        items: Evaluates an encoder on the data: one row for each unit that the bootstrap draws,
            with columns of float64.
        measure: The figures by name, from the items' columns of shape `(…, items)`: of all
            resamples at once, along the last axis.
        baselines: A baseline's name → its items.
    """

    name: str
    unit: str
    shapes: tuple[Shape, ...]
    read: Callable[[Rows], Data[T]]
    items: Callable[[Encoder, T], pa.Table]
    measure: Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]]
    baselines: Mapping[str, Callable[[T], pa.Table]] = field(
        default_factory=lambda: MappingProxyType({})
    )


def read_table(rows: Rows) -> Data[pa.Table]:
    """Read rows that are evaluated as they are."""
    table = rows.table()
    digest = digest_of(table.to_batches(), rows.shape.name)
    return Data(content=table, digest=digest, count=table.num_rows)


def means(columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return each column's mean along the last axis."""
    return {name: values.mean(axis=-1) for name, values in columns.items()}


def cosine_of_pairs(first: Any, second: Any) -> np.ndarray:
    """Return the cosine of each row of an array, or a sparse one, with the same row of another."""
    from sklearn.preprocessing import normalize

    first, second = (normalize(each.astype(np.float64)) for each in (first, second))
    products = first * second if isinstance(first, np.ndarray) else first.multiply(second)
    return np.asarray(products.sum(axis=1)).ravel()
