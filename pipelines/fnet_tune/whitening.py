"""Whiten a version: a head from the mean and covariance of a corpus's vectors, without labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from fnet_evaluate.data.rows import Rows, column_names
from fnet_evaluate.data.shapes import Shape
from fnet_ray.cluster.failures import quiet_execution
from fnet_ray.cluster.runtime import ray_cluster
from fnet_ray.corpus.files import find_inputs
from fnet_ray.dataset import encode
from fnet_ray.model import PinnedModel, resolve_model
from fnet_registry.encoding.config import EncodingConfig
from fnet_registry.errors import InputError
from fnet_registry.shown import shown
from fnet_tune.data.columns import texts
from fnet_tune.moments import Moments, whitening_head, with_head
from fnet_tune.registering import Target, register_tuned
from fnet_tune.tasks import TEXTS

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from fnet_mlflow.registry.register import Registration

_ROWS = 4096  # the moments of so many vectors take less room than the vectors


@dataclass(frozen=True, slots=True, kw_only=True)
class Whitening:
    """What whitening came to.

    Args:
        registration: The new version.
        texts: How many texts it was made from.
        left_out: Rows without a usable text.
        dims: Length of its vectors.
    """

    registration: Registration
    texts: int
    left_out: int
    dims: int


def whiten(
    model: str | os.PathLike[str],
    corpus: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    name: str,
    column: str = "text",
    dims: int | None = None,
    alias: str | None = None,
    tags: Mapping[str, str] = MappingProxyType({}),
) -> Whitening:
    """Register a version whose vectors have mean 0 and covariance 1 over a corpus.

    Vectors that were never trained to be compared lie close together; whitening spreads them, so
    that cosines tell more. It knows nothing of labels: classification can suffer. One pass on Ray
    Data, in flat memory.

    Args:
        model: `models:/name/version`, `models:/name@alias`, or any preset handle. Where it has a
            head already, the new one does both.
        corpus: Files, folders and globs, as `fnet_ray.embed` takes them.
        name: The registered model of the new version.
        column: The column of texts.
        dims: How many directions to keep, the widest first; by default all that vary.
        alias: An alias to set on the version.
        tags: Tags to set on it, beside its own.

    Raises:
        FNetError: The model or the corpus cannot be used; the message says why.
    """
    parent = resolve_model(model)
    target = Target(name=name, alias=alias, tags=tags)
    _check_dims(dims, parent.checkpoint.dim)
    rows = _open_corpus(corpus, column)
    moments, left_out = corpus_moments(parent, rows)
    if not moments.count:
        raise InputError(f"The corpus must hold texts. Received: none in {rows.name}")
    checkpoint = with_head(parent.checkpoint, whitening_head(moments, dims))
    story = _Story(parent=parent, corpus=rows.name, texts=moments.count)
    return Whitening(
        registration=register_tuned(checkpoint, parent.encoding, target, story),
        texts=moments.count,
        left_out=left_out,
        dims=checkpoint.dim,
    )


def corpus_moments(model: PinnedModel, rows: Rows) -> tuple[Moments, int]:
    """Return the moments of a corpus's vectors before normalising, and how many rows it left out.

    Equal to the last bit in two runs on one machine: parts are added in the order of the corpus.

    Raises:
        FNetError: The corpus cannot be read, or a worker fails.
    """
    import fnet_evaluate
    import fnet_tune

    model = replace(model, encoding=replace(model.encoding, normalize=False))
    with ray_cluster(fnet_evaluate, fnet_tune), quiet_execution() as context:
        context.execution_options.preserve_order = True
        return _add_up(model, rows)


def _add_up(model: PinnedModel, rows: Rows) -> tuple[Moments, int]:
    import ray.data

    total, left_out = Moments.of(np.empty((0, model.checkpoint.dim), np.float32)), 0
    numbers = ray.data.from_items(list(range(len(rows.files))))
    read = numbers.map_batches(_ReadTexts(rows=rows), batch_size=1)
    parts = encode(read, model).map_batches(_part, batch_size=_ROWS, batch_format="numpy")
    for row in parts.iter_rows():
        total, left_out = total + _moments(row), left_out + row["left_out"]
    return total, left_out


@dataclass(frozen=True, slots=True, kw_only=True)
class _ReadTexts:
    """Reads the file whose number is a batch's one row; a row without a text does not count."""

    rows: Rows

    def __call__(self, batch: Any) -> Iterator[pa.Table]:
        file = self.rows.files[batch["item"].item()]
        for rows in replace(self.rows, files=[file]).batches():
            column = rows[next(iter(self.rows.shape.columns))]
            yield pa.table({"text": column.fill_null(""), "counts": column.is_valid()})


def _part(batch: Any) -> dict[str, Any]:
    counts = batch["counts"]
    moments = Moments.of(batch["embedding"][counts])
    return {
        "count": [moments.count],
        "left_out": [len(counts) - moments.count],
        "total": [moments.total.tobytes()],
        "products": [moments.products.tobytes()],
    }


def _moments(row: dict[str, Any]) -> Moments:
    total = np.frombuffer(row["total"])
    products = np.frombuffer(row["products"]).reshape(len(total), -1)
    return Moments(count=row["count"], total=total, products=products)


def _open_corpus(corpus: Any, column: str) -> Rows:
    files = find_inputs(corpus)
    names = column_names(files[0])
    if not names:
        raise InputError(f"Data must have rows. Received: none in {files[0].path}")
    if column not in names:
        raise InputError(
            f"Every file must have the column {column!r}; choose another one with --column. "
            f"Received: {', '.join(names[:20])} in {files[0].path}"
        )
    shape = Shape(name=TEXTS.name, columns={column: texts})  # which no other column stands for
    return Rows(files=files, shape=shape, forgiving=True)


def _check_dims(dims: int | None, most: int) -> None:
    if dims is None:
        return
    if isinstance(dims, bool) or not isinstance(dims, int) or not 1 <= dims <= most:
        raise InputError(
            f"The dims to keep must lie between 1 and {most}, the length of the model's vectors. "
            f"Received: {shown(dims)}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Story:
    """How a whitened model came to be."""

    parent: PinnedModel
    corpus: str
    texts: int

    def tags(self) -> dict[str, str]:
        """Return it as tags."""
        return {"whitened_on": self.corpus, "whitened_texts": str(self.texts)}

    def card(self, encoding: EncodingConfig) -> str:
        """Return it as prose."""
        return (
            f"Whitened from {self.parent.uri} by fnet whiten: a head makes the vectors of "
            f"{self.texts:,} texts of {self.corpus}, padded to {encoding.sequence_length} tokens, "
            "vary alike in all directions. Made for search and similarity; classification can "
            "suffer."
        )
