"""To come."""

from __future__ import annotations

import pyarrow as pa

from fnet_evaluate.kinds.kind import Kind
from fnet_evaluate.kinds.measures import means


def items(encoder, data) -> pa.Table:
    """To come."""
    raise NotImplementedError


RETRIEVAL = Kind(name="retrieval", items=items, measure=means)
