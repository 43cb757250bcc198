"""Scored pairs: do the texts that people call similar have similar vectors?"""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from fnet_evaluate.kinds.kind import Kind


def items(encoder, data) -> pa.Table:
    """Return each pair's `cosine` and its `score`."""
    raise NotImplementedError


def measure(columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the correlations of cosine and score; NaN where one of them is constant."""
    from scipy.stats import pearsonr, rankdata

    cosine, score = columns["cosine"], columns["score"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of constant input
        ranks = [rankdata(values, axis=-1) for values in (cosine, score)]
        spearman = pearsonr(*ranks, axis=-1).statistic
        return {"spearman": spearman, "pearson": pearsonr(cosine, score, axis=-1).statistic}


SCORED_PAIRS = Kind(name="scored_pairs", items=items, measure=measure)
