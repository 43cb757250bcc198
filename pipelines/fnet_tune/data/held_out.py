"""The held-out examples: in a file of their own, which `fnet evaluate` reads as it reads any."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fnet_evaluate.data.beir import judgement_file
from fnet_evaluate.data.retrieval import Retrieval
from fnet_evaluate.data.rows import column_names
from fnet_evaluate.data.shapes import CORPUS, SHAPES
from fnet_evaluate.evaluating import evaluate
from fnet_evaluate.evaluation import Evaluation
from fnet_evaluate.kinds.labels import LABELS, knn_items
from fnet_evaluate.kinds.retrieval import RETRIEVAL
from fnet_evaluate.opening import Subject, open_subject
from fnet_ray.corpus.files import find_inputs
from fnet_registry.errors import InputError
from fnet_registry.presets.whole_file import write_file
from fnet_registry.shown import counted
from fnet_tune.data.reading import BadRows, Source, open_source
from fnet_tune.data.survey import MOST_HELD_OUT, Survey, text_numbers
from fnet_tune.data.vectors import scored_by_teacher
from fnet_tune.tasks import TEXTS, VECTORS, Task

if TYPE_CHECKING:
    from fnet_registry import TextEncoder

logger = logging.getLogger(__name__)

AnyPath = str | os.PathLike[str]

HELD_OUT_FILE = "held-out.parquet"
METRICS = {"scored_pairs": "spearman", "retrieval": "ndcg@10", "labels": "knn_accuracy"}
"""A kind of data that `fnet evaluate` knows → the figure by which the best state is chosen."""


def kept(source: Source, survey: Survey) -> Iterator[pa.RecordBatch]:
    """Yield the examples that are trained on."""
    for batch in source.batches():
        yield batch.filter(pa.array(~survey.held_out(batch)))


def write_held_out(source: Source, survey: Survey, folder: Path) -> Judge:
    """Write the held-out examples into a folder.

    Raises:
        InputError: They are most of the examples, for these hardly differ.
    """
    batches = [batch.filter(pa.array(survey.held_out(batch))) for batch in source.batches()]
    table = pa.Table.from_batches(batches)
    if 2 * table.num_rows > survey.count:
        raise InputError(
            "Examples must have different first texts, for some to be held out. Received: one of "
            f"them in {table.num_rows:,} of {survey.count:,} examples in {source.rows.name}"
        )
    return write_judge(_as_evaluated(table, source.task), folder)


def read_held_out(
    data: AnyPath, renamed: Mapping[str, str], *, split_texts: bool, bad: BadRows
) -> pa.Table | None:
    """Read held-out examples that `fnet evaluate` does not know: teacher vectors, texts to split.

    Returns:
        What it knows instead: scored pairs, pairs; None for data of all other kinds.

    Raises:
        InputError: They cannot be read, or are too few.
    """
    names = column_names(find_inputs(data)[0])
    renamed = {name: column for name, column in renamed.items() if column in names}
    known = [shape for shape in SHAPES if shape.name != TEXTS.name]
    ours = [VECTORS.shape, *([TEXTS] if split_texts else [])]
    if judgement_file(data) or any(shape.sources(names, renamed) for shape in known):
        return None
    if not any(shape.sources(names, renamed) for shape in ours):
        return None
    source = open_source(data, renamed, split_texts=split_texts)
    batches = list(source.batches(bad))
    return _as_evaluated(pa.Table.from_batches(batches), source.task) if batches else None


def warn_of_overlap(source: Source, held_out: Retrieval | pa.Table) -> None:
    """Tell how many examples begin with a text that is held out: they are trained on."""
    texts = held_out.queries if isinstance(held_out, Retrieval) else held_out[0].to_pylist()
    known = text_numbers(pa.record_batch([pa.array(texts, pa.string())], ["text"]))
    shared = sum(int(np.isin(text_numbers(batch), known).sum()) for batch in source.batches())
    if shared:
        logger.warning(
            "The first text of %s in %s is held out, too: figures will look better than they are",
            counted(shared, "example"),
            source.rows.name,
        )


def write_judge(examples: pa.Table, folder: Path) -> Judge:
    """Write held-out examples, as `fnet evaluate` knows them, into a folder."""
    path = folder / HELD_OUT_FILE
    write_file(path, lambda target: pq.write_table(examples, target))
    return Judge(data=path, renamed={}, given=False)


def _as_evaluated(examples: pa.Table, task: Task) -> pa.Table:
    required = [name for name in examples.column_names if name not in task.shape.optional]
    examples = examples.select(required)
    return scored_by_teacher(examples.slice(0, MOST_HELD_OUT)) if task == VECTORS else examples


def open_judge(data: AnyPath, renamed: Mapping[str, str]) -> Judge:
    """Name a user's data to evaluate on.

    What the user says of columns that it has not is of other files.

    Raises:
        InputError: There is no such file.
    """
    names = column_names(find_inputs(data)[0])
    shapes = [CORPUS] if judgement_file(data) else SHAPES
    own = [shape.of_its_columns(renamed).items() for shape in shapes]
    there = {name: column for name, column in chain.from_iterable(own) if column in names}
    return Judge(data=data, renamed=there)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Data that models are evaluated on.

    Args:
        data: Its files.
        renamed: A column's own name → its name in the files.
        given: Whether a user has the files, so that other models can be evaluated on them.
    """

    data: AnyPath
    renamed: Mapping[str, str]
    given: bool = True

    def open(self) -> Subject:
        """Open the data.

        Raises:
            InputError: It cannot be read.
        """
        try:
            return open_subject(self.data, corpus=None, renamed=self.renamed)
        except InputError as error:
            if self.given:
                raise
            raise InputError(
                "The held-out examples must be some that a state can be chosen by; give more "
                f"examples, or others as --held-out. Received: {error}"
            ) from None

    def open_to_choose(self) -> Subject:
        """Open the data to choose a state by.

        Raises:
            InputError: It cannot be read, or has no figure to choose a state by.
        """
        subject = self.open()
        if subject.kind.name not in METRICS:
            raise InputError(
                "Held-out examples must be pairs, scored pairs or labels. Received: "
                f"{subject.kind.name} in {subject.name}"
            )
        if subject.kind == RETRIEVAL and _all_are_right(subject.data.content):
            texts = counted(subject.data.content.size, "text")
            raise InputError(
                "Held-out pairs must have different anchors and positives, some of which do not "
                f"belong together. Received: each of {texts} belongs to each of "
                f"{counted(subject.data.count, 'anchor')} in {subject.name}"
            )
        return subject

    def evaluate(self, encoder: TextEncoder, name: str) -> Evaluation:
        """Return all figures of a model, which they call by a name."""
        [evaluation] = evaluate(encoder, self.data, map=self.renamed)
        return replace(evaluation, model=name)


def _all_are_right(content: Retrieval) -> bool:
    """Return whether any order of the texts is as good as any other, for every query."""
    return all(len(relevant) == content.size for relevant in content.relevant)


def figure(subject: Subject, encoder: TextEncoder) -> float:
    """Return the figure of a model that states are chosen by; the lowest where it has none."""
    measured = knn_items if subject.kind == LABELS else subject.kind.items
    items = measured(encoder, subject.data.content)
    columns = {name: items[name].to_numpy() for name in items.column_names}
    return as_score(float(subject.kind.measure(columns)[METRICS[subject.kind.name]]))


def as_score(found: float) -> float:
    """Return a figure for comparison; where there is none, the lowest."""
    return -math.inf if math.isnan(found) else found
