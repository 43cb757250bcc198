"""Examples as they stand in a user's files: the good ones, and what is wrong with the others."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np
import pyarrow as pa

from fnet_evaluate.data.rows import Path, Rows, column_names, open_rows
from fnet_ray.corpus.files import InputFile, find_inputs
from fnet_ray.corpus.readers.rows import ROW
from fnet_registry.errors import InputError
from fnet_tune.data.splitting import split_texts
from fnet_tune.tasks import PAIRS, TASKS, TEXTS, Task

MOST_NAMED = 5


@dataclass(slots=True, kw_only=True)
class BadRows:
    """Rows that cannot be learnt from.

    Args:
        count: How many.
        named: What is wrong with the first of them.
    """

    count: int = 0
    named: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The examples in a user's files.

    Args:
        rows: The files.
        task: What is learnt from them. Where it is another than their shape's, texts are split.
    """

    rows: Rows
    task: Task

    def batches(self, bad: BadRows | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the good examples with all columns of the task; a null stands for no negative.

        Raises:
            InputError: A file cannot be read or lacks a column.
        """
        bad = BadRows() if bad is None else bad
        for file in self.rows.files:
            for batch in replace(self.rows, files=[file], forgiving=True).batches():
                yield self._good(batch, bad, os.path.basename(file.path))

    def _good(self, batch: pa.RecordBatch, bad: BadRows, file: str) -> pa.RecordBatch:
        rows, split = batch[ROW], self.rows.shape == TEXTS
        if split:
            batch = split_texts(batch["text"])
        columns, optional = self.task.shape.columns, self.task.shape.optional
        required = [name for name in columns if name not in optional]
        missing = {name: np.asarray(batch[name].is_null(), bool) for name in required}
        wrong = np.logical_or.reduce(list(missing.values()))
        for row in np.flatnonzero(wrong)[: MOST_NAMED - len(bad.named)].tolist():
            name = next(name for name in required if missing[name][row])
            what = "text of two parts" if split else f"usable {name}"
            bad.named.append(f"{file}, row {rows[row].as_py() + 1}: no {what}")
        bad.count += int(wrong.sum())
        there = {name: batch[name] for name in columns if name in batch.schema.names}
        absent = {name: pa.nulls(len(batch), pa.string()) for name in columns if name not in there}
        whole = pa.RecordBatch.from_pydict({**there, **absent}).select(list(columns))
        return whole.filter(pa.array(~wrong))


def renamed_in(
    data: Path | Sequence[Path], renamed: Mapping[str, str], others: Sequence[Path]
) -> dict[str, str]:
    """Leave out what a user says of columns that only other data has."""
    own, foreign = find_inputs(data), [find_inputs(other)[0] for other in others]
    names = cache(column_names)  # a file without a footer is parsed for them

    def has(files: Sequence[InputFile], column: str) -> bool:
        return any(column in names(file) for file in files)

    return {
        name: column
        for name, column in renamed.items()
        if not has(foreign, column) or has(own, column)
    }


def open_source(
    data: Path | Sequence[Path], renamed: Mapping[str, str], *, split_texts: bool = False
) -> Source:
    """Find examples and tell by the columns of the first file what they are.

    Args:
        data: Their files.
        renamed: A column's own name → its name in the files.
        split_texts: Whether to make pairs of the parts of texts, whatever else there is.

    Raises:
        InputError: There are no such files, or none that can be learnt from.
    """
    known = () if split_texts else tuple(task.shape for task in TASKS.values())
    rows = open_rows(data, renamed=renamed, shapes=[*known, TEXTS])
    if rows.shape == TEXTS and not split_texts:
        raise InputError(
            f"Data must have the columns {'; or '.join(map(str, known))}; of texts alone, "
            "--split-texts makes pairs of their own parts. "
            f"Received: {', '.join(column_names(rows.files[0])[:20])} in {rows.files[0].path}"
        )
    return Source(rows=rows, task=PAIRS if split_texts else TASKS[rows.shape.name])
