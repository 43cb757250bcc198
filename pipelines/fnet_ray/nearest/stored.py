"""An output's rows: vectors file by file, and other columns of those that were found."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fnet_ray.corpus.files import reading
from fnet_ray.corpus.parquet import Footer, open_parquet, read_footers
from fnet_ray.nearest.where import Condition
from fnet_ray.output.layout import DATA_FILE_NAME, EMBEDDINGS
from fnet_ray.output.manifest import Manifest
from fnet_ray.output.store import Store
from fnet_ray.output.stores import open_store
from fnet_registry.errors import InputError, OutputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Some rows of an output.

    Args:
        vectors: Float32 array of shape `(rows, dim)`.
        rows: Their numbers in the output.
    """

    vectors: np.ndarray
    rows: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRows:
    """The rows of an output, numbered through its data files in their order.

    Args:
        store: The output.
        manifest: What it was begun with.
        names: Its data files.
        starts: The number of each file's first row, and of the row after the last.
    """

    store: Store
    manifest: Manifest
    names: Sequence[str]
    starts: list[int] = field(default_factory=lambda: [0])

    @property
    def vectors(self) -> str:
        """The column of vectors."""
        return self.manifest.parameters.output_column

    @property
    def places(self) -> list[str]:
        """The columns that say which row of the inputs one is, or which window of it."""
        parameters = self.manifest.parameters
        own = [parameters.id_column] if parameters.id_column else ["source_file", "source_row"]
        return [*own, *(["window", "start", "end"] if parameters.window_rows else [])]

    def blocks(self, dim: int, condition: Condition | None = None) -> Iterator[Block]:
        """Yield the rows, or those that a condition holds for; the next file is read meanwhile.

        Args:
            dim: The length of their vectors.
            condition: What must be true of a row.

        Raises:
            InputError: A file cannot be read, or holds other vectors.
        """
        names, read = iter(self.names), partial(self._read, dim=dim, condition=condition)
        with ThreadPoolExecutor(1) as thread:
            ahead = [thread.submit(read, name) for name in islice(names, 1)]
            while ahead:
                count, vectors, kept = ahead.pop().result()
                ahead += [thread.submit(read, name) for name in islice(names, 1)]
                start = self.starts[-1]
                self.starts.append(start + count)
                yield Block(vectors=vectors, rows=start + kept)

    def columns(self, rows: np.ndarray, names: Sequence[str]) -> pa.Table:
        """Return columns of rows, in their order, after the blocks were read."""
        wanted, order = np.unique(rows, return_inverse=True)
        numbers = np.searchsorted(self.starts, wanted, side="right") - 1
        tables = []
        for number in np.unique(numbers).tolist() or [0]:  # none found are columns all the same
            with self._open(self.names[number]) as file:
                table = file.read(columns=list(names)).select(list(names))
            tables.append(table.take(wanted[numbers == number] - self.starts[number]))
        return pa.concat_tables(tables).take(order)

    def _read(
        self, name: str, *, dim: int, condition: Condition | None
    ) -> tuple[int, np.ndarray, np.ndarray]:
        with reading(self.store.path(name)), self._open(name) as file:
            count = file.metadata.num_rows
            kept = np.arange(count)
            if condition is not None:
                others = [each for each in file.schema_arrow.names if each != self.vectors]
                kept = np.flatnonzero(condition(file.read(columns=others)))
            if not len(kept):
                return count, np.empty((0, dim), np.float32), kept
            vectors = as_array(file.read(columns=[self.vectors]), self.vectors, dim)
            return count, vectors[kept] if len(kept) < count else vectors, kept

    def _open(self, name: str) -> pq.ParquetFile:
        return open_parquet(self.store.path(name))


def count_rows(output: str) -> int:
    """Return how many rows an output has, from its files' footers."""
    stored, _ = open_rows(output, None)
    footers = read_footers([stored.store.path(name) for name in stored.names])
    return sum(footer.rows for footer in footers if isinstance(footer, Footer))


def as_array(table: pa.Table, name: str, dim: int) -> np.ndarray:
    """View an output's column of vectors as an array of shape `(rows, dim)`.

    Raises:
        InputError: It holds no such vectors.
    """
    found = table[name].combine_chunks() if name in table.column_names else pa.array([])
    kind = found.type
    if not (
        pa.types.is_fixed_size_list(kind)
        and kind.list_size == dim
        and pa.types.is_floating(kind.value_type)
        and not found.flatten().null_count
    ):
        raise InputError(
            f"Every file of an output must hold `{name}`, vectors of {dim} numbers. "
            f"Received: {kind}"
        )
    return found.flatten().to_numpy().reshape(len(found), dim)


def renamed(names: Sequence[str], *, beside: Collection[str]) -> list[str]:
    """Return names with `_` behind those that other columns beside them have already."""
    taken, found = {*beside, *names}, []
    for name in names:
        new = name
        while new in beside or (new != name and new in taken):
            new += "_"
        taken.add(new)
        found.append(new)
    return found


def open_rows(output: str, show: Sequence[str] | None) -> tuple[StoredRows, list[str]]:
    """Open an output to search.

    Args:
        output: Its folder or URL.
        show: Columns to show; None for the texts, where the output has them.

    Returns:
        Its rows, and the columns to show.

    Raises:
        OutputError: No job was begun there, or it has no rows yet.
        InputError: It has no such column.
    """
    store = open_store(output)
    manifest = Manifest.read(store)
    if manifest is None:
        raise OutputError(f"Expected the output of fnet embed. Received: {store.url}")
    files = [name for name in store.names(EMBEDDINGS) if DATA_FILE_NAME.fullmatch(name)]
    names = [f"{EMBEDDINGS}/{name}" for name in files]
    rows = StoredRows(store=store, manifest=manifest, names=names)
    if not names:
        raise OutputError(f"An output must have rows to search. Received: none in {store.url}")
    with reading(store.path(names[0])), open_parquet(store.path(names[0])) as file:
        there = [name for name in file.schema_arrow.names if name != rows.vectors]
    text = manifest.parameters.column
    shown = [text] * (text in there) if show is None else list(dict.fromkeys(show))
    missing = [name for name in shown if name not in there]
    if missing:
        raise InputError(
            f"The columns to show must be among {', '.join(there)}. Received: {missing[0]!r}"
        )
    return rows, [name for name in shown if name not in rows.places]
