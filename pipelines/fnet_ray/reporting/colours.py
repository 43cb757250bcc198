"""By which column a map is coloured, and which rows share a colour."""

from __future__ import annotations

import itertools
import math
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from fnet_ray.corpus.arrow_types import to_values
from fnet_ray.reporting.sample import Sample
from fnet_registry.errors import InputError
from fnet_registry.shown import shown

MOST_COLOURS = 10
_MOST_VALUES = 50
_BANDS = 5
OTHERS, NOTHING = "other", "no value"


@dataclass(frozen=True, slots=True, kw_only=True)
class Colours:
    """Rows of a sample in groups.

    Args:
        column: The column whose values part them; None where all are one group.
        names: The groups' names, ten at most.
        counts: How many rows each has.
        group: Each row's group, of shape `(rows,)`.
        is_ordered: Whether the groups are bands of a number, from low to high.
    """

    column: str | None
    names: Sequence[str]
    counts: Sequence[int]
    group: np.ndarray
    is_ordered: bool = False


def colour(sample: Sample, column: str | None = None) -> Colours:
    """Group a sample's rows by a column.

    Args:
        sample: The rows.
        column: The column; by default the first with few values, or the file that rows are from.

    Raises:
        InputError: There is no such column, or it holds lists or objects.
    """
    column = _chosen(sample) if column is None else _checked(sample, column)
    if column is None:
        return Colours(
            column=None,
            names=["a row"],
            counts=[len(sample.rows)],
            group=np.zeros(len(sample.rows), int),
        )
    values = [None if _is_nan(value) else value for value in to_values(sample.table[column])]
    kind = sample.table[column].type
    is_number = pa.types.is_floating(kind) or pa.types.is_integer(kind)
    if is_number and len(set(values)) > MOST_COLOURS:
        return _bands(column, values)
    told = [NOTHING if value is None else str(value) for value in values]
    if column == "source_file":
        told = _without_common_folder(told)
    names = [name for name, _ in Counter(told).most_common()]
    if len(names) > MOST_COLOURS:
        kept = set(names[: MOST_COLOURS - 1])
        told = [name if name in kept else OTHERS for name in told]
        names = [*names[: MOST_COLOURS - 1], OTHERS]
    return _grouped(column, told, names)


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _chosen(sample: Sample) -> str | None:
    parameters = sample.stored.manifest.parameters
    passed_over = {parameters.column, parameters.id_column, *sample.stored.places}
    names = [name for name in sample.table.column_names if name not in passed_over]
    counted = {name: _count(sample.table[name]) for name in [*names, *_files(sample)]}
    parting = {name: count for name, count in counted.items() if count > 1}
    few = [name for name, count in parting.items() if count <= MOST_COLOURS]
    some = [name for name, count in parting.items() if count <= _MOST_VALUES < len(sample.rows)]
    return next(iter([*few, *some]), None)


def _files(sample: Sample) -> list[str]:
    return [name for name in ("source_file",) if name in sample.table.column_names]


def _count(values: pa.ChunkedArray) -> int:
    """Return how many values there are; 0 where rows are not to be parted by them."""
    kind = values.type
    plain = pa.types.is_boolean(kind) or pa.types.is_integer(kind) or _is_text(kind)
    return len(values.unique().drop_null()) if plain else 0


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _checked(sample: Sample, column: str) -> str:
    names = sample.table.column_names
    if column not in names:
        raise InputError(
            f"A map must be coloured by a column of the output, one of {', '.join(names)}. "
            f"Received: {shown(column)}"
        )
    if pa.types.is_nested(sample.table[column].type):
        raise InputError(
            "A map must be coloured by a column of texts, numbers or truth values. "
            f"Received: {shown(column)}, of {sample.table[column].type}"
        )
    return column


def _bands(column: str, values: Sequence[Any]) -> Colours:
    numbers = np.array([np.nan if value is None else value for value in values], float)
    known = np.isfinite(numbers)
    if not known.any():
        return _grouped(column, [NOTHING] * len(values), [NOTHING])
    edges = np.unique(np.quantile(numbers[known], np.linspace(0, 1, _BANDS + 1)))
    names = [f"{low:,g} to {high:,g}" for low, high in itertools.pairwise(edges)]
    names = names or [f"{edges[0]:,g}"]
    band = np.clip(np.searchsorted(edges, numbers, side="right") - 1, 0, max(len(names) - 1, 0))
    told = [names[b] if ok else NOTHING for b, ok in zip(band, known, strict=True)]
    return _grouped(column, told, [*names, *[NOTHING] * (not known.all())], is_ordered=True)


def _grouped(
    column: str, told: Sequence[str], names: Sequence[str], *, is_ordered: bool = False
) -> Colours:
    names = list(dict.fromkeys(names))
    place = {name: number for number, name in enumerate(names)}
    group = np.array([place[name] for name in told], int)
    counts = np.bincount(group, minlength=len(names)).tolist()
    return Colours(column=column, names=names, counts=counts, group=group, is_ordered=is_ordered)


def _without_common_folder(paths: Sequence[str]) -> list[str]:
    same = os.path.commonprefix(paths).rfind("/") + 1  # noqa: RUF071 - of URLs, too
    return [path[same:] for path in paths]
