"""Labels: does a text lie among those of its own label?

Each text is predicted from the others by cross-validation, so that no second file is needed.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from fnet_evaluate.baselines import TfIdf
from fnet_evaluate.data.rows import Rows
from fnet_evaluate.data.shapes import LABELS as SHAPE
from fnet_evaluate.kinds.kind import Data, Encoder, Kind, means, read_table
from fnet_registry.errors import InputError

FEWEST_FOLDS, MOST_FOLDS = 2, 5
NEIGHBOURS = 10
_SEED = 0


def read(rows: Rows) -> Data[pa.Table]:
    """Read texts of at least two labels, each of at least two texts."""
    data = read_table(rows)
    counts = Counter(data.content["label"].to_pylist())
    if _folds(counts) < FEWEST_FOLDS:
        many = [label for label, count in counts.items() if count > 1]
        raise InputError(
            "At least two labels must have two texts or more. Received: "
            f"{len(counts):,} labels, {len(many):,} of them so, in {rows.name}"
        )
    return data


def items(encoder: Encoder, data: pa.Table) -> pa.Table:
    """Return whether the nearest neighbours and the linear probe tell each text's label."""
    return _measured(encoder, data, {"knn_accuracy": _knn, "probe_accuracy": _probe})


def knn_items(encoder: Encoder, data: pa.Table) -> pa.Table:
    """Return what the nearest neighbours tell alone, in a small part of the time."""
    return _measured(encoder, data, {"knn_accuracy": _knn})


def tf_idf_items(data: pa.Table) -> pa.Table:
    """Return each text's items under TF-IDF."""
    return items(TfIdf(data["text"].to_pylist()), data)


def _measured(
    encoder: Encoder, data: pa.Table, classifiers: Mapping[str, Callable[[Any, np.ndarray], Any]]
) -> pa.Table:
    vectors = encoder.encode(data["text"].to_pylist())
    labels = np.unique(data["label"].to_pylist(), return_inverse=True)[1]
    return pa.table(
        {
            name: _correct(make(vectors, labels), vectors, labels)
            for name, make in classifiers.items()
        }
    )


def _knn(_: Any, labels: np.ndarray) -> Any:
    from sklearn.neighbors import KNeighborsClassifier

    return KNeighborsClassifier(_neighbours(labels), metric="cosine", algorithm="brute")


def _probe(vectors: Any, _: np.ndarray) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    probe = LogisticRegression(max_iter=1000)
    return make_pipeline(StandardScaler(), probe) if isinstance(vectors, np.ndarray) else probe


def _correct(classifier: Any, vectors: Any, labels: np.ndarray) -> np.ndarray:
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    folds = _folds(Counter(labels.tolist()))
    split = StratifiedKFold(folds, shuffle=True, random_state=_SEED)
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # of rare labels, and of a probe that is not at its best yet
        predicted: Any = cross_val_predict(classifier, vectors, labels, cv=split)
    return np.equal(predicted, labels).astype(float)


def _folds(counts: Counter) -> int:
    """Return as many folds as leave two labels in each fold's remainder."""
    two = counts.most_common(2)
    return min(MOST_FOLDS, two[1][1]) if len(two) > 1 else 0


def _neighbours(labels: np.ndarray) -> int:
    """Return how many neighbours vote; fewer where a fold leaves fewer texts."""
    folds = _folds(Counter(labels.tolist()))
    return min(NEIGHBOURS, len(labels) - -(-len(labels) // folds))


LABELS = Kind(
    name="labels",
    unit="texts",
    shapes=(SHAPE,),
    read=read,
    items=items,
    measure=means,
    baselines={"TF-IDF": tf_idf_items},
)
