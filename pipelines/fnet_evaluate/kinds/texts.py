"""Plain texts: how are the vectors spread, and how much of the texts do they see?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from fnet_evaluate.kinds.kind import Kind


def items(encoder, data) -> pa.Table:
    """To come."""
    raise NotImplementedError


def measure(columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the means of the values that are there; uniformity is the logarithm of its mean."""
    found = {}
    for name, values in columns.items():
        known = ~np.isnan(values)
        found[name] = np.where(known, values, 0).sum(axis=-1) / known.sum(axis=-1)
    return found | {"uniformity": np.log(found["uniformity"])}


TEXTS = Kind(name="texts", items=items, measure=measure)
