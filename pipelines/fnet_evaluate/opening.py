"""What is given as data and as models, opened."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from fnet_evaluate.data.beir import judgement_file
from fnet_evaluate.data.corpus import open_corpus
from fnet_evaluate.data.retrieval import retrieval_of_beir, retrieval_of_queries
from fnet_evaluate.data.rows import Path, open_rows
from fnet_evaluate.data.shapes import CORPUS, QUERIES, SHAPES, check_names
from fnet_evaluate.kinds import KINDS
from fnet_evaluate.kinds.kind import Data, Kind
from fnet_evaluate.kinds.retrieval import RETRIEVAL, as_data
from fnet_ray.model import PinnedModel, resolve_model
from fnet_registry.errors import InputError

if TYPE_CHECKING:
    from fnet_registry import TextEncoder

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Data to evaluate on.

    Args:
        name: What it is called: its file or folder.
        kind: Its kind.
        data: What it holds.
    """

    name: str
    kind: Kind
    data: Data[Any]


def open_subject(
    data: Path | Sequence[Path],
    *,
    corpus: Path | Sequence[Path] | None,
    renamed: Mapping[str, str],
) -> Subject:
    """Read and check data, whatever it is.

    Raises:
        InputError: It cannot be used.
    """
    data, corpus = _single(data), _single(corpus)
    if judgements := judgement_file(data):
        folder = judgements.parent.parent
        texts = open_corpus(folder if corpus is None else corpus, renamed=renamed)
        found = as_data(retrieval_of_beir(judgements, texts))
        split = f"/{judgements.stem}" if judgements.stem != "test" else ""
        return Subject(name=f"{folder.resolve().name}{split}", kind=RETRIEVAL, data=found)
    if corpus is not None:
        return _with_corpus(data, corpus, renamed)
    rows = open_rows(data, renamed=renamed)
    kind = next(kind for kind in KINDS.values() if rows.shape in kind.shapes)
    return Subject(name=rows.name, kind=kind, data=kind.read(rows))


def _single(paths: T) -> T | Path:
    """Return one path for a list of one, for only a path may be a BEIR folder or an output."""
    return paths[0] if isinstance(paths, list | tuple) and len(paths) == 1 else paths


def _with_corpus(
    data: Path | Sequence[Path], corpus: Path | Sequence[Path], renamed: Mapping[str, str]
) -> Subject:
    check_names(renamed, [QUERIES, CORPUS])
    rows = open_rows(data, renamed=QUERIES.of_its_columns(renamed), shapes=[QUERIES, *SHAPES])
    if rows.shape != QUERIES:
        raise InputError(
            f"A corpus goes with queries and their relevant ids ({QUERIES}) or a BEIR folder. "
            f"Received: {rows.shape} in {rows.name}, and a corpus"
        )
    texts = open_corpus(corpus, renamed=CORPUS.of_its_columns(renamed))
    return Subject(name=rows.name, kind=RETRIEVAL, data=as_data(retrieval_of_queries(rows, texts)))


def open_encoders(models: Iterable[Path | TextEncoder]) -> Iterator[tuple[str, TextEncoder]]:
    """Yield each model's pinned name and its encoder; all are found before the first is opened.

    Raises:
        FNetError: One cannot be had or used.
        mlflow.MlflowException: The registry knows no such model.
    """
    named = (str, os.PathLike)
    found = [resolve_model(each) if isinstance(each, named) else each for each in models]
    return map(_open, found)


def _open(model: PinnedModel | TextEncoder) -> tuple[str, TextEncoder]:
    from fnet_registry import TextEncoder

    if not isinstance(model, PinnedModel):
        return "TextEncoder", model
    dtype: Any = model.compute_dtype
    return model.uri, TextEncoder.from_checkpoint(model.checkpoint, model.encoding, dtype=dtype)
