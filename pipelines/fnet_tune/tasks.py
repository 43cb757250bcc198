"""The kinds of examples that can be learnt from, as one table; a new one is its line below."""

from __future__ import annotations

from dataclasses import dataclass

from fnet_evaluate.data.shapes import Shape
from fnet_tune.data.columns import labels, numbers, texts, vectors


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is learnt from examples of one shape.

    Args:
        shape: The columns that they are known by; the texts come first.
        texts: How many of the columns hold texts.
        metric: The figure of `fnet evaluate` by which the best state is chosen.
        loss: `module:function` of what is made small.
        paired: Whether a step sets each text beside another one of its label.
        keeps: Whether vectors are kept near those of the parent.
    """

    shape: Shape
    texts: int
    metric: str
    loss: str
    paired: bool = False
    keeps: bool = True

    @property
    def text_columns(self) -> tuple[str, ...]:
        """The columns of texts."""
        return tuple(self.shape.columns)[: self.texts]

    @property
    def target(self) -> str | None:
        """The column of scores, labels or vectors."""
        return next(iter(tuple(self.shape.columns)[self.texts :]), None)


SCORED_PAIRS = Task(
    shape=Shape(name="scored_pairs", columns={"text_a": texts, "text_b": texts, "score": numbers}),
    texts=2,
    metric="spearman",
    loss="fnet_tune.training.losses:order_of_scores",
)
PAIRS = Task(
    shape=Shape(
        name="pairs",
        columns={"anchor": texts, "positive": texts, "negative": texts},
        optional=frozenset({"negative"}),
    ),
    texts=3,
    metric="ndcg@10",
    loss="fnet_tune.training.losses:in_batch_negatives",
)
LABELS = Task(
    shape=Shape(name="labels", columns={"text": texts, "label": labels}),
    texts=1,
    metric="knn_accuracy",
    loss="fnet_tune.training.losses:same_label",
    paired=True,
)

VECTORS = Task(
    shape=Shape(name="vectors", columns={"text": texts, "embedding": vectors}),
    texts=1,
    metric="spearman",
    loss="fnet_tune.training.losses:as_taught",
    keeps=False,
)

TASKS = {task.shape.name: task for task in (SCORED_PAIRS, PAIRS, LABELS, VECTORS)}
"""A shape's name → the task."""

TEXTS = Shape(name="texts", columns={"text": texts})
"""Texts, of which pairs can be made."""
