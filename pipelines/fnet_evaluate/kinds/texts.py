"""Plain texts: how are the vectors spread, and how much of the texts do they see?

Alignment and uniformity are those of Wang and Isola (2020); the two halves of a text stand for two
texts that mean the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from fnet_evaluate.data.rows import BATCH_ROWS, Rows
from fnet_evaluate.data.shapes import TEXTS as SHAPE
from fnet_evaluate.kinds.kind import Data, Encoder, Kind, cosine_of_pairs, read_table
from fnet_registry.errors import InputError

_SEED = 0


def read(rows: Rows) -> Data[pa.Table]:
    """Read at least two texts."""
    data = read_table(rows)
    if data.count == 1:
        raise InputError(f"Plain texts must be two or more. Received: one in {rows.name}")
    return data


def items(encoder: Encoder, data: pa.Table) -> pa.Table:
    """Return each text's values.

    Every text is in one random pair at most, so that the pairs are independent; the first of a pair
    has its values, and the second has NaN there.
    """
    count = data.num_rows
    columns = {name: np.full(count, np.nan) for name in ("random_cosine", "alignment")}
    cut = np.zeros(count)
    order = np.random.default_rng(_SEED).permutation(count)
    half = count // 2
    for start in range(0, half, BATCH_ROWS):
        firsts = order[:half][start : start + BATCH_ROWS]
        seconds = order[half : 2 * half][start : start + BATCH_ROWS]
        vectors = [
            encoder.encode(data["text"].take(rows).to_pylist()) for rows in (firsts, seconds)
        ]
        columns["random_cosine"][firsts] = cosine_of_pairs(*vectors)
    for start in range(0, count, BATCH_ROWS):
        here = slice(start, start + BATCH_ROWS)
        texts = data["text"][here].to_pylist()
        cut[here] = encoder.tokenize(texts).truncated
        columns["alignment"][here] = _alignment(encoder, texts)
    columns["uniformity"] = np.exp(-2 * _squared_distance(columns["random_cosine"]))
    return pa.table({**columns, "cut_share": cut})


def measure(columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the means of the values that are there; uniformity is the logarithm of its mean."""
    found = {}
    with np.errstate(invalid="ignore", divide="ignore"):  # of resamples without a value
        for name, values in columns.items():
            known = ~np.isnan(values)
            found[name] = np.where(known, values, 0).sum(axis=-1) / known.sum(axis=-1)
        return found | {"uniformity": np.log(found["uniformity"])}


def _alignment(encoder: Encoder, texts: Sequence[str]) -> np.ndarray:
    halves = [_halves(text) for text in texts]
    vectors = [encoder.encode([pair[side] for pair in halves]) for side in (0, 1)]
    distances = _squared_distance(cosine_of_pairs(*vectors))
    whole = [not (first and second) for first, second in halves]
    distances[np.array(whole)] = np.nan
    return distances


def _halves(text: str) -> tuple[str, str]:
    """Cut a text at the gap between words that is nearest to its middle, else in the middle."""
    text = text.strip()
    middle = len(text) // 2
    gaps = (index for index, sign in enumerate(text) if sign.isspace())
    place = min(gaps, key=lambda index: abs(index - middle), default=middle)
    return text[:place].strip(), text[place:].strip()


def _squared_distance(cosine: np.ndarray) -> np.ndarray:
    """Return the squared distance of vectors of length 1."""
    return 2 - 2 * cosine


TEXTS = Kind(name="texts", unit="texts", shapes=(SHAPE,), read=read, items=items, measure=measure)
