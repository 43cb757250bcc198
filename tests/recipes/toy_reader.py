"""Files of texts that are parted by semicolons."""

from __future__ import annotations

import pyarrow as pa

from fnet_ray.corpus.readers.rows import Opener, Rows, with_marks
from fnet_ray.options import Columns


def read(open_file: Opener, columns: Columns) -> Rows:
    with open_file() as data:
        texts = data.read().decode().split(";")
    schema = with_marks(pa.schema([(columns.text, pa.string())]))
    values = [texts, range(len(texts)), [None] * len(texts)]
    arrays = [pa.array(v, kind) for v, kind in zip(values, schema.types, strict=True)]
    return schema, iter([pa.record_batch(arrays, schema=schema)])
