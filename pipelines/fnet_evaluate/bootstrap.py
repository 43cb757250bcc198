"""How sure a figure is: the figures of many resamples of the items that it was computed from.

The same resamples are drawn for all models, so the difference of two of them is that of a pair:
what makes an item hard makes it hard for both, and does not count as noise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa

from fnet_evaluate.evaluation import Figure
from fnet_evaluate.kinds import KINDS
from fnet_registry.errors import InputError

RESAMPLES = 2000
LEVEL = 0.95
FEWEST_ITEMS = 6
"""In more than 5 of 100 cases, chance alone favours one of two models in all of fewer items."""
_SEED = 2105_03824
_DRAWN_AT_ONCE = 1 << 20

Columns = Mapping[str, np.ndarray]
Figures = dict[str, np.ndarray]


def intervals(kind: str, items: pa.Table) -> dict[str, Figure]:
    """Return the figures of items, each with its own 95 % interval.

    Args:
        kind: A name in `KINDS`.
        items: What the kind's `items` gave, or what was stored of it.

    Returns:
        The figures by name; equal to the last digit for equal items.
    """
    columns = _columns(items)
    drawn = _join(_resampled(kind, columns, draw) for draw in _draws(items.num_rows))
    return _figures(KINDS[kind].measure(columns), drawn, count=items.num_rows, level=LEVEL)


def paired_difference(kind: str, items: pa.Table, other_items: pa.Table) -> dict[str, Figure]:
    """Return the figures of `items` less those of `other_items`, another model's on the same data.

    All the intervals hold together in 95 of 100 cases (each is widened for the number of figures
    that are compared at once), so two models that differ by noise alone are told apart by any of
    the figures in at most 5 of 100.

    Where there are fewer than `FEWEST_ITEMS`, nothing is told apart: the ends are NaN.

    Raises:
        InputError: The two are not items of the same data.
    """
    if items.num_rows != other_items.num_rows:
        raise InputError(
            "A paired difference needs the same data under both models. Received: "
            f"{items.num_rows:,} items and {other_items.num_rows:,}"
        )
    columns, others = _columns(items), _columns(other_items)
    measure = KINDS[kind].measure
    value = _difference(measure(columns), measure(others))
    if items.num_rows < FEWEST_ITEMS:
        unknown = float("nan")
        return {
            name: Figure(value=float(v), low=unknown, high=unknown) for name, v in value.items()
        }
    drawn = _join(
        _difference(_resampled(kind, columns, draw), _resampled(kind, others, draw))
        for draw in _draws(items.num_rows)
    )
    return _figures(value, drawn, count=items.num_rows, level=1 - (1 - LEVEL) / len(value))


def _columns(items: pa.Table) -> dict[str, np.ndarray]:
    return {name: items[name].to_numpy() for name in items.column_names}


def _draws(count: int) -> Iterator[np.ndarray]:
    """Yield indices of shape `(resamples, count)`, the same in every run."""
    random = np.random.default_rng(_SEED)
    step = max(1, _DRAWN_AT_ONCE // max(count, 1))
    for start in range(0, RESAMPLES, step):
        yield random.integers(count, size=(min(step, RESAMPLES - start), count))


def _resampled(kind: str, columns: Columns, draw: np.ndarray) -> Figures:
    return KINDS[kind].measure({name: values[draw] for name, values in columns.items()})


def _difference(first: Figures, second: Figures) -> Figures:
    return {name: first[name] - second[name] for name in first}


def _join(parts: Iterator[Figures]) -> Figures:
    every = list(parts)
    return {name: np.concatenate([part[name] for part in every]) for name in every[0]}


def _figures(values: Figures, drawn: Figures, *, count: int, level: float) -> dict[str, Figure]:
    end = _percentile(count, level)
    found = {}
    for name, value in values.items():
        known = drawn[name][~np.isnan(drawn[name])]
        low, high = np.quantile(known, (1 - end, end)) if known.size else (np.nan, np.nan)
        found[name] = Figure(value=float(value), low=float(low), high=float(high))
    return found


def _percentile(count: int, level: float) -> float:
    """Return which share of the resamples lies below an interval's upper end.

    The fewer the items, the further out: resamples take the items' spread for the population's, and
    a normal distribution for Student's (Hesterberg, 2015).
    """
    from scipy.stats import norm, t

    if count == 1:
        return 1.0
    spread = np.sqrt(count / (count - 1)) * t.ppf((1 + level) / 2, count - 1)
    return float(norm.cdf(spread))
