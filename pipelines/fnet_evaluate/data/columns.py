"""How a column's values are read and checked: each function brings them to one type.

They raise `BadValueError`, which says what is wrong and, where it is one row, in which.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from fnet_ray.corpus.arrow_types import as_plain, can_identify, id_texts, is_text
from fnet_ray.corpus.damage import invalid_values
from fnet_registry.errors import InputError

_LISTS = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)

Column = Callable[[pa.ChunkedArray], pa.ChunkedArray]


class BadValueError(InputError):
    """A column that cannot be used.

    Args:
        must: What the column must do, such as `hold texts`.
        received: What it does instead.
        row: The row where it does so, of those that were read.
    """

    def __init__(self, must: str, received: str, row: int | None = None) -> None:
        super().__init__(f"A column must {must}. Received: {received}")
        self.must, self.received, self.row = must, received, row


def texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Read texts."""
    if not is_text(column.type):
        raise BadValueError("hold texts", str(column.type))
    _refuse_nulls(column, "hold a text in every row")
    plain = _plain(column)
    _refuse_other_bytes(plain)
    return plain.cast(pa.string())


def optional_texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Read texts that may be missing; these are empty."""
    return pc.call_function("coalesce", [ids_or_nulls(column), pa.scalar("")])


def ids(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Read ids or labels, as texts; where a format knows no nulls, an empty text is one."""
    found = ids_or_nulls(column)
    _refuse(pc.call_function("is_valid", [found]), "hold a value in every row", column)
    _refuse(
        pc.call_function("not_equal", [found, pa.scalar("")]), "hold a value in every row", found
    )
    return found


def ids_or_nulls(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Read ids as texts, or nulls, which pandas writes as NaN among numbers."""
    if not can_identify(column.type):
        raise BadValueError("hold numbers or texts", str(column.type))
    plain = _plain(column)
    _refuse_other_bytes(plain)
    if pa.types.is_floating(plain.type):
        missing = pc.call_function("is_nan", [plain])
        plain = pc.call_function("if_else", [missing, pa.scalar(None, plain.type), plain])
    return id_texts(plain).cast(pa.string())


def id_lists(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Read lists of ids, or one id in each row, as lists of texts."""
    _refuse_nulls(column, "hold an id in every row")
    if not any(known(column.type) for known in _LISTS):
        single = ids(column).combine_chunks()
        offsets = pa.array(range(len(single) + 1), pa.int32())
        return pa.chunked_array([pa.ListArray.from_arrays(offsets, single)])
    lengths = pc.call_function("list_value_length", [column])
    empty = pc.call_function("index", [lengths], pc.IndexOptions(pa.scalar(0, lengths.type)))
    if empty.as_py() >= 0:
        raise BadValueError("hold an id in every row", "an empty list", empty.as_py())
    flat = pc.call_function("list_flatten", [column])
    offsets = pa.array([0, *lengths.to_pylist()], pa.int32())
    ends = pc.call_function("cumulative_sum", [offsets])
    try:
        values = ids(flat if isinstance(flat, pa.ChunkedArray) else pa.chunked_array([flat]))
    except BadValueError as error:
        if error.row is not None:
            error.row = bisect_right(ends.to_pylist(), error.row) - 1
        raise
    return pa.chunked_array([pa.ListArray.from_arrays(ends, values.combine_chunks())])


def vectors(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Read vectors, as `fnet embed` writes them."""
    if not pa.types.is_fixed_size_list(column.type):
        raise BadValueError("hold vectors of one length", str(column.type))
    _refuse_nulls(column, "hold a vector in every row")
    return column.cast(pa.list_(pa.float32(), column.type.list_size))


def numbers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Read finite numbers."""
    _refuse_nulls(column, "hold a number in every row")
    found = numbers_or_nulls(column)
    finite = pc.call_function("is_finite", [found])
    _refuse(finite, "hold finite numbers", found)
    return found


def numbers_or_nulls(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Read numbers, finite or not, or nulls."""
    try:
        return _plain(column).cast(pa.float64(), safe=False)  # integers above 2**53 are rounded
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise BadValueError("hold numbers", str(column.type)) from None


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    plain = as_plain(column)
    return plain.cast(plain.type.value_type) if pa.types.is_dictionary(plain.type) else plain


def _refuse_other_bytes(column: pa.ChunkedArray) -> None:
    rows = invalid_values(column)
    if rows:
        raise BadValueError("hold UTF-8", "other bytes", rows[0])


def _refuse_nulls(column: pa.ChunkedArray, must: str) -> None:
    if column.null_count:
        _refuse(pc.call_function("is_valid", [column]), must, column)


def _refuse(good: pa.ChunkedArray, must: str, values: pa.ChunkedArray) -> None:
    row = pc.call_function("index", [good], pc.IndexOptions(pa.scalar(False))).as_py()
    if row >= 0:
        value = values[row].as_py()
        what = {None: "a null", "": "an empty text"}.get(value, str(value))
        raise BadValueError(must, what, row)
