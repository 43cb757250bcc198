"""How a column is read where a bad value is no reason to stop: it becomes a null."""

from __future__ import annotations

import json
from contextlib import suppress

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fnet_evaluate.data import columns
from fnet_evaluate.data.columns import BadValueError, Column
from fnet_ray.corpus.arrow_types import as_plain, is_text
from fnet_ray.corpus.damage import invalid_values
from fnet_registry.encoding.config import LARGEST_TEXT

_LIST = pa.list_(pa.float32())
# Arrow 25 casts no views of lists: it gives the bytes beside them.
_LISTS = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list, pa.types.is_null)


def texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Read texts; what is blank, or larger than any model takes, is a null."""
    found = _readable(columns.texts, column)
    trimmed = pc.call_function("utf8_trim_whitespace", [found])
    sizes = (pc.call_function("binary_length", [each]) for each in (found, trimmed))
    size, content = (np.asarray(each.fill_null(0)) for each in sizes)
    return _keep(found, (content > 0) & (size <= LARGEST_TEXT))


def numbers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Read finite numbers; all others are nulls."""
    if is_text(column.type):  # one word among the numbers of a file makes all of them texts
        column = pa.chunked_array([[_number(text) for text in _plain_texts(column)]], pa.float64())
    found = columns.numbers_or_nulls(column)
    return _keep(found, _is_true("is_finite", found))


def labels(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Read labels as texts; an empty one is a null."""
    found = _readable(columns.ids_or_nulls, column)
    return _keep(found, _is_true("not_equal", found, pa.scalar("")))


def vectors(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Read vectors as lists of float32; one that is empty, zero or not finite is a null.

    Where a format has no lists, a vector is a text such as `[0.1, 0.2]`.
    """
    lists = _as_lists(column).combine_chunks()
    good = np.asarray(lists.is_valid(), bool)
    there = lists.filter(pa.array(good))
    lengths = there.value_lengths().to_numpy(zero_copy_only=False)
    values = there.flatten().to_numpy(zero_copy_only=False).astype(np.float64)
    squares = np.bincount(
        np.repeat(np.arange(len(there)), lengths), values**2, minlength=len(there)
    )
    good[good] = np.isfinite(squares) & (squares > 0)
    return _keep(pa.chunked_array([lists]), good)


def _as_lists(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if isinstance(column.type, pa.BaseExtensionType):
        column = column.cast(column.type.storage_type)
    if is_text(column.type):
        column = pa.chunked_array([[_listed(text) for text in _plain_texts(column)]], _LIST)
    with suppress(pa.ArrowInvalid, pa.ArrowNotImplementedError):
        if any(known(column.type) for known in _LISTS):
            return pc.cast(column, options=pc.CastOptions.unsafe(_LIST))
    raise BadValueError("hold vectors, as lists of numbers", str(column.type))


def _plain_texts(column: pa.ChunkedArray) -> list[str | None]:
    return _readable(columns.texts, column).to_pylist()


def _listed(text: str | None) -> list[float] | None:
    try:
        values = np.array(json.loads(text or ""), np.float32)
        return values.tolist() if values.ndim == 1 else None
    except (ValueError, TypeError, OverflowError, RecursionError):
        return None


def _number(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:
        return None


def _readable(read: Column, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Read a column whose nulls, and texts that are not UTF-8, are nulls."""
    column = as_plain(column)
    good = np.asarray(column.is_valid(), bool)
    good[invalid_values(column)] = False
    return _spread(read(column.filter(pa.array(good))), good)


def _is_true(function: str, *arguments: pa.ChunkedArray | pa.Scalar) -> np.ndarray:
    """Return where a function is true; it is not where there is a null."""
    return np.asarray(pc.call_function(function, list(arguments)).fill_null(False), bool)


def _keep(column: pa.ChunkedArray, good: np.ndarray) -> pa.ChunkedArray:
    return _spread(column.filter(pa.array(good)), good)


def _spread(values: pa.ChunkedArray, good: np.ndarray) -> pa.ChunkedArray:
    """Put values where it is `good`, and nulls elsewhere."""
    places = pa.array(np.maximum(np.cumsum(good) - 1, 0), pa.int64(), mask=~good)
    return values.take(places)
