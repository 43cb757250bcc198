"""The map's rows in a file of their own, for a program that shows millions of points."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fnet_ray.nearest.hits import NearestRows
from fnet_ray.nearest.stored import renamed
from fnet_ray.output.local_store import writing
from fnet_ray.reporting.facts import Facts
from fnet_registry.errors import InputError, OutputError

_OWN = ("x", "y", "neighbors")
_NEIGHBOURS = 10


def check_name(path: str) -> None:
    """Refuse what Embedding Atlas would not read, or take for a data set to download.

    Raises:
        InputError: It does not end in `.parquet`.
    """
    if not path.lower().endswith(".parquet"):
        raise InputError(
            f"The file to export to must end in .parquet, for example map.parquet. Received: {path}"
        )


def export_map(facts: Facts, path: str) -> str:
    """Write the sample's places, neighbours and columns to a Parquet file.

    Columns of the sample that are called `x`, `y` or `neighbors` go by such a name with `_` behind.

    Args:
        facts: What is known of an output.
        path: The file.

    Returns:
        The command by which Embedding Atlas shows it.

    Raises:
        OutputError: The output has no rows yet, or the file cannot be written.
    """
    if facts.look is None:
        raise OutputError(f"An output must have rows to map. Received: none in {facts.output}")
    sample, places = facts.look.sample, facts.look.map.places
    names = renamed(sample.table.column_names, beside=_OWN)
    columns = {
        "x": pa.array(places[:, 0]),
        "y": pa.array(places[:, 1]),
        "neighbors": _neighbours(sample.vectors),
        **dict(zip(names, sample.table.columns, strict=True)),
    }
    # Arrow takes a name with a colon for an address.
    with writing(Path(path)), open(path, "wb") as file:
        pq.write_table(pa.table(columns), file)
    text = (
        []
        if sample.text is None
        else ["--text", names[sample.table.schema.get_field_index(sample.text)]]
    )
    own = [word for name in _OWN for word in (f"--{name}", name)]
    file = f"./{path}" if path.startswith("-") else path
    return shlex.join(["embedding-atlas", file, *text, *own])


def _neighbours(vectors: np.ndarray) -> pa.Array:
    """Return each row's nearest rows of the sample, in the form that Embedding Atlas reads."""
    rows = np.arange(len(vectors))
    nearest = NearestRows(vectors, _NEIGHBOURS, left_out=rows.tolist())
    nearest.add(vectors, rows)
    there = nearest.hits.rows >= 0
    found = [
        {"ids": ids[known].tolist(), "distances": (1 - scores[known]).tolist()}
        for ids, scores, known in zip(nearest.hits.rows, nearest.hits.scores, there, strict=True)
    ]
    lists = [("ids", pa.list_(pa.int64())), ("distances", pa.list_(pa.float64()))]
    return pa.array(found, pa.struct(lists))
