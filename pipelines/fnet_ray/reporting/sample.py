"""Some rows of an output, from some of its files, and their neighbours among all rows of these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from fnet_ray.corpus.arrow_types import to_rows
from fnet_ray.corpus.files import reading
from fnet_ray.corpus.parquet import open_parquet
from fnet_ray.nearest.hits import NearestRows
from fnet_ray.nearest.stored import StoredRows
from fnet_ray.output.manifest import Manifest
from fnet_ray.output.store import Store
from fnet_registry.errors import InputError

MOST_ROWS = 1500
_MOST_FILES = 16
_NEIGHBOURS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Rows drawn at random, the same ones each time.

    Args:
        table: Their columns, but for the vectors.
        vectors: Float32 array of shape `(rows, dim)`; vectors that are not finite are left out.
        rows: Their numbers among the rows of the files that were read.
        stored: These files.
        among: How many rows these hold.
        files: How many files these are, and how many the output has.
        infinite: How many rows were left out.
    """

    table: pa.Table
    vectors: np.ndarray
    rows: np.ndarray
    stored: StoredRows
    among: int
    files: tuple[int, int]
    infinite: int

    @property
    def text(self) -> str | None:
        """The column of texts, where the output has them."""
        column = self.stored.manifest.parameters.column
        return column if column in self.table.column_names else None

    @property
    def told(self) -> list[str]:
        """The columns that tell a row: its text, where the output has it, and its place."""
        return [*([self.text] if self.text else []), *self.stored.places]

    def rows_told(self, chosen: Sequence[int]) -> list[dict[str, Any]]:
        """Return these columns of some of the rows."""
        return to_rows(self.table.select(self.told).take(pa.array(chosen, pa.int64())))

    @property
    def dim(self) -> int:
        """The length of a vector."""
        return self.vectors.shape[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """The rows that are nearest to one of the sample.

    Args:
        row: The row's place in the sample.
        scores: The cosines, falling.
        found: The texts of the rows found, where the output has them, and where they come from.
    """

    row: int
    scores: Sequence[float]
    found: Sequence[dict[str, Any]]


def draw_sample(store: Store, manifest: Manifest, files: Sequence[tuple[str, int]]) -> Sample:
    """Draw rows from files that are spread over an output.

    Args:
        store: The output.
        manifest: What it was begun with.
        files: Names of files with rows, and how many each has.

    Raises:
        InputError: A file cannot be read.
    """
    spread = np.linspace(0, len(files) - 1, min(len(files), _MOST_FILES)).round().astype(int)
    chosen = [files[place] for place in spread]
    stored = _stored(store, manifest, [name for name, _ in chosen])
    among = sum(rows for _, rows in chosen)
    draw = np.random.default_rng(0).choice(among, min(among, MOST_ROWS), replace=False)
    rows, dim = np.sort(draw), _dim(stored)
    parts = [
        block.vectors[np.isin(block.rows, rows, assume_unique=True)] for block in stored.blocks(dim)
    ]
    vectors = np.concatenate(parts).astype(np.float32)
    finite = np.isfinite(vectors).all(1)
    rows = rows[finite]
    with reading(store.url):
        table = stored.columns(rows, _other_columns(stored))
    return Sample(
        table=table,
        vectors=vectors[finite],
        rows=rows,
        stored=stored,
        among=among,
        files=(len(chosen), len(files)),
        infinite=int((~finite).sum()),
    )


def find_neighbours(sample: Sample, chosen: Sequence[int]) -> list[Neighbours]:
    """Find the nearest rows of some rows of a sample, among all rows of the files read."""
    rows = sample.rows[list(chosen)]
    nearest = NearestRows(sample.vectors[list(chosen)], _NEIGHBOURS, left_out=rows.tolist())
    stored = _stored(sample.stored.store, sample.stored.manifest, sample.stored.names)
    for block in stored.blocks(sample.dim):
        nearest.add(block.vectors, block.rows)
    there = nearest.hits.rows >= 0
    found = to_rows(stored.columns(nearest.hits.rows[there], sample.told))
    ends = np.cumsum(there.sum(1))
    return [
        Neighbours(
            row=row,
            scores=nearest.hits.scores[query][there[query]].tolist(),
            found=found[ends[query] - there[query].sum() : ends[query]],
        )
        for query, row in enumerate(chosen)
    ]


def _stored(store: Store, manifest: Manifest, names: Sequence[str]) -> StoredRows:
    return StoredRows(store=store, manifest=manifest, names=names)


def _dim(stored: StoredRows) -> int:
    path = stored.store.path(stored.names[0])
    with reading(path), open_parquet(path) as file:
        field = file.schema_arrow.field(stored.vectors)
        if not pa.types.is_fixed_size_list(field.type):
            raise InputError(
                f"`{stored.vectors}` must hold vectors. Received: {field.type} in {path}"
            )
        return field.type.list_size


def _other_columns(stored: StoredRows) -> list[str]:
    path = stored.store.path(stored.names[0])
    with reading(path), open_parquet(path) as file:
        return [name for name in file.schema_arrow.names if name != stored.vectors]
