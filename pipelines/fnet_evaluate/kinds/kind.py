"""What a kind of data is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa


class Encoder(Protocol):
    """What turns texts into vectors: a `TextEncoder`, or a baseline."""

    def encode(self, texts: list[str], /) -> Any:
        """Return a row for each text: an array, or a sparse one."""
        ...


Measure = Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of data, and what is computed on it.

    Args:
        name: What `Evaluation.kind` says.
        items: Evaluates an encoder on the data: one row for each unit that the bootstrap draws,
            with columns of float64.
        measure: The figures by name, from the items' columns of shape `(…, items)`: of all
            resamples at once, along the last axis.
    """

    name: str
    items: Callable[[Any, Any], pa.Table]
    measure: Measure
