"""A kind of data: texts with a number, and how vectors' lengths correlate with it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from fnet_evaluate.data.shapes import NUMBERED
from fnet_evaluate.kinds.kind import Kind, means, read_table


def items(encoder, data):
    """Return whether each vector is longer than its number."""
    lengths = np.linalg.norm(encoder.encode(data["text"].to_pylist()), axis=1)
    return pa.table({"longer": (lengths > data["number"].to_numpy()).astype(float)})


NUMBERED_KIND = Kind(
    name="numbered", unit="texts", shapes=(NUMBERED,), read=read_table, items=items, measure=means
)
