"""How a column is read where a bad value is no reason to stop: it becomes a null."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fnet_evaluate.data import columns
from fnet_evaluate.data.columns import BadValueError, Column
from fnet_registry.encoding.config import LARGEST_TEXT


def texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Read texts; what is blank, or larger than any model takes, is a null."""
    found = _bad_as_nulls(columns.texts, column)
    trimmed = pc.call_function("utf8_trim_whitespace", [found])
    sizes = (pc.call_function("binary_length", [each]) for each in (found, trimmed))
    size, content = (np.asarray(each.fill_null(0)) for each in sizes)
    return _keep(found, (content > 0) & (size <= LARGEST_TEXT))


def numbers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Read finite numbers; all others are nulls."""
    return _bad_as_nulls(columns.numbers, column)


def labels(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Read labels as texts; an empty one is a null."""
    return _bad_as_nulls(columns.ids, column)


def _bad_as_nulls(read: Column, column: pa.ChunkedArray) -> pa.ChunkedArray:
    good = np.asarray(column.is_valid(), bool)
    while True:
        try:
            found = read(column.filter(pa.array(good)))
        except BadValueError as error:
            if error.row is None:
                raise
            good[np.flatnonzero(good)[error.row]] = False
        else:
            return _spread(found, good)


def _keep(column: pa.ChunkedArray, good: np.ndarray) -> pa.ChunkedArray:
    return _spread(column.filter(pa.array(good)), good)


def _spread(values: pa.ChunkedArray, good: np.ndarray) -> pa.ChunkedArray:
    """Put values where it is `good`, and nulls elsewhere."""
    places = pa.array(np.maximum(np.cumsum(good) - 1, 0), pa.int64(), mask=~good)
    return values.take(places)
