"""Evaluate models side by side on one set of data."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from fnet_evaluate.bootstrap import intervals
from fnet_evaluate.evaluation import Evaluation
from fnet_evaluate.opening import Subject, open_encoders, open_subject
from fnet_registry.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

    from fnet_registry import TextEncoder

Path = str | os.PathLike[str]


def evaluate(
    models: Path | TextEncoder | Sequence[Path | TextEncoder],
    data: Path | Sequence[Path],
    *,
    corpus: Path | Sequence[Path] | None = None,
    map: Mapping[str, str] = MappingProxyType({}),  # noqa: A002  (the command's name for it)
    baselines: bool = False,
) -> list[Evaluation]:
    """Evaluate models on a user's own data, offline. Nothing is logged.

    What the data is, its columns say: `text_a`, `text_b` and `score` (correlations of cosine and
    score); `anchor` and `positive`, or `query` and `relevant_ids` beside `corpus`, or a BEIR folder
    (nDCG, recall, MRR and MAP); `text` and `label` (accuracies of nearest neighbours and of a
    linear probe); `text` alone (how the vectors are spread, and how many texts are cut).

    Args:
        models: `models:/name/version`, `models:/name@alias`, `runs:/…`, a model folder, a preset
            handle or a `TextEncoder`, or several of these.
        data: Files, folders and globs of Parquet, JSON lines, CSV, TSV or text; or a BEIR folder,
            whose split is `test` unless a file of its `qrels` is given.
        corpus: For queries, the texts with the columns `id`, `text` and maybe `title`; a BEIR
            folder; or an output of `fnet embed`, whose vectors are not computed again.
        map: A column's name above → its name in the files, such as `{"anchor": "question"}`.
        baselines: Whether to evaluate BM25 and TF-IDF, too, where the kind of data allows it.

    Returns:
        An evaluation for each model in their order, then for each baseline. Two calls give equal
        figures to the last digit, on one machine with as many threads.

    Raises:
        FNetError: A model or the data cannot be used; the message says why.
        mlflow.MlflowException: The registry knows no such model.
    """
    asked = models if isinstance(models, Sequence) and not isinstance(models, str) else [models]
    encoders = open_encoders(asked)
    subject = open_subject(data, corpus=corpus, renamed=map)
    if baselines and not subject.kind.baselines:
        raise InputError(
            "Baselines are for pairs, queries and labels. Received: data of the kind "
            f"{subject.kind.name}"
        )
    kind, content = subject.kind, subject.data.content
    found = [_evaluation(name, subject, kind.items(encoder, content)) for name, encoder in encoders]
    if baselines:
        compute = kind.baselines.items()
        found += [_evaluation(name, subject, items(content)) for name, items in compute]
    return found


def _evaluation(model: str, subject: Subject, items: pa.Table) -> Evaluation:
    return Evaluation(
        model=model,
        data=subject.name,
        data_digest=subject.data.digest,
        kind=subject.kind.name,
        count=subject.data.count,
        figures=intervals(subject.kind.name, items),
        items=items,
    )
