"""What an evaluation says."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import pyarrow as pa


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure with the interval that a bootstrap over the items gives it.

    Args:
        value: The figure over all items; NaN where it is not defined.
        low: The interval's lower end.
        high: The interval's upper end.
    """

    value: float
    low: float
    high: float

    def plain(self) -> dict[str, float | None]:
        """Return the figure as JSON has it: what is not defined is None."""
        return {end: None if math.isnan(value) else value for end, value in asdict(self).items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """One model on one set of data.

    Args:
        model: What was evaluated, pinned, as a user would type it: `models:/fnet/3`, a preset
            handle; for a baseline `BM25` or `TF-IDF`.
        data: The data's name: that of its file or folder.
        data_digest: SHA-256 of the data's rows, whatever files hold them.
        kind: A name in `fnet_evaluate.kinds.KINDS`.
        count: Rows of the data: pairs, queries or texts.
        figures: The figures by name, in the order of the kind.
        items: One row for each unit that the bootstrap draws, with columns of float64 from which
            all figures follow.
    """

    model: str
    data: str
    data_digest: str
    kind: str
    count: int
    figures: Mapping[str, Figure]
    items: pa.Table
