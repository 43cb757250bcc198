"""What `encode` returns: a dataset whose vectors are arrays in batches, and lists in files."""

from __future__ import annotations

import functools
from typing import Any

import pyarrow as pa
from ray.data import Dataset


class EmbeddedDataset(Dataset):
    """A dataset with a column of tensors, which Ray hands out as one float32 array a batch.

    Readers of Parquet without Ray know lists, so the file gets these: the same bytes, by their
    plain type. (Written after a further stage, the column is Arrow's `fixed_shape_tensor`, which
    is stored as such a list.)
    """

    output_column: str

    @classmethod
    def of(cls, dataset: Dataset, column: str) -> EmbeddedDataset:
        """View a dataset so.

        Args:
            dataset: The dataset.
            column: The column of vectors, an Arrow tensor.
        """
        self: Any = Dataset.copy(dataset, _as=cls)
        self.output_column = column
        return self

    def write_parquet(self, path: str, **options: Any) -> None:
        """Write Parquet files, as `ray.data.Dataset.write_parquet`, with vectors as lists."""
        as_lists = functools.partial(_as_lists, self.output_column)
        self.map_batches(as_lists, batch_size=None, batch_format="pyarrow").write_parquet(
            path, **options
        )


def _as_lists(column: str, batch: pa.Table) -> pa.Table:
    place = batch.column_names.index(column)
    vectors = batch[column]
    lists = pa.chunked_array([chunk.storage for chunk in vectors.chunks], vectors.type.storage_type)
    return batch.set_column(place, column, lists)
