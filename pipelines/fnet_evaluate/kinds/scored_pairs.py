"""Scored pairs: do the texts that people call similar have similar vectors?"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from fnet_evaluate.baselines import TfIdf
from fnet_evaluate.data.rows import Rows
from fnet_evaluate.data.shapes import SCORED_PAIRS as SHAPE
from fnet_evaluate.kinds.kind import Data, Encoder, Kind, cosine_of_pairs, read_table
from fnet_registry.errors import InputError


def read(rows: Rows) -> Data[pa.Table]:
    """Read pairs whose scores differ."""
    data = read_table(rows)
    if np.ptp(data.content["score"].to_numpy()) == 0:
        raise InputError(
            "The scores must differ, for a correlation with them. Received: "
            f"{data.content['score'][0]} in every row of {rows.name}"
        )
    return data


def items(encoder: Encoder, data: pa.Table) -> pa.Table:
    """Return each pair's `cosine` and its `score`."""
    first, second = (encoder.encode(data[name].to_pylist()) for name in ("text_a", "text_b"))
    return pa.table({"cosine": cosine_of_pairs(first, second), "score": data["score"]})


def tf_idf_items(data: pa.Table) -> pa.Table:
    """Return each pair's items under TF-IDF."""
    texts = [text for name in ("text_a", "text_b") for text in data[name].to_pylist()]
    return items(TfIdf(texts), data)


def measure(columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the correlations of cosine and score; NaN where one of them is constant."""
    from scipy.stats import pearsonr, rankdata

    cosine, score = columns["cosine"], columns["score"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of constant input
        ranks = [rankdata(values, axis=-1) for values in (cosine, score)]
        found: Any = {"spearman": pearsonr(*ranks, axis=-1)[0]}
        return found | {"pearson": pearsonr(cosine, score, axis=-1)[0]}


SCORED_PAIRS = Kind(
    name="scored_pairs",
    unit="pairs",
    shapes=(SHAPE,),
    read=read,
    items=items,
    measure=measure,
    baselines={"TF-IDF": tf_idf_items},
)
