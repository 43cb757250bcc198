"""A first look at all examples: how many, their digest, and which of them are held out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from fnet_evaluate.data.digest import RowDigest
from fnet_registry.errors import InputError
from fnet_tune.data.reading import BadRows, Source
from fnet_tune.data.vectors import several_widths, unit_vectors
from fnet_tune.tasks import PAIRS, SCORED_PAIRS, VECTORS

HELD_OUT_SHARE = 10
MOST_HELD_OUT = 1000
FEWEST = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What a first look tells.

    Args:
        count: Good examples.
        digest: SHA-256 of them.
        bad: The others.
        threshold: An example is held out if the number of its first text is at most this one;
            -1 where none is.
        texts: How many of its first texts the number is of.
    """

    count: int
    digest: str
    bad: BadRows
    threshold: int
    texts: int = 1

    def held_out(self, batch: pa.RecordBatch) -> np.ndarray:
        """Return which examples of a batch are held out: bool of shape `(examples,)`."""
        return text_numbers(batch, self.texts) <= self.threshold


def survey(source: Source, *, hold_out: bool) -> Survey:
    """Read all examples once.

    A tenth is held out, and at most 1,000: those whose first texts have the lowest hashes, so that
    all examples of one text go the same way, whatever their order. Where that is one anchor alone,
    for which every positive would be right, pairs are taken by both of their texts.

    Raises:
        InputError: The examples cannot be read, are too few, or have all one first text.
    """
    bad, digest, count = BadRows(), RowDigest(source.rows.shape.name), 0
    widths, texts = set(), 2 if source.task == PAIRS else 1
    lowest, highest = [np.empty(0, np.int64)] * texts, [-1] * texts
    for batch in source.batches(bad):
        digest.add_batch(batch)
        if source.task == VECTORS and len(batch):
            widths.add(unit_vectors(batch["embedding"]).shape[1])
        count += len(batch)
        for place in range(texts):
            numbers = text_numbers(batch, place + 1)
            highest[place] = max(highest[place], numbers.max(initial=-1))
            lowest[place] = np.sort(np.concatenate([lowest[place], numbers]))[:MOST_HELD_OUT]
    if len(widths) > 1:
        raise several_widths(sorted(widths))
    if count < FEWEST:
        why = f" and {bad.count:,} unusable ({'; '.join(bad.named)})" if bad.count else ""
        raise InputError(
            f"Tuning needs at least {FEWEST} examples, and hundreds to learn much. Received: "
            f"{count:,}{why}, in {source.rows.name}"
        )
    if source.task != SCORED_PAIRS and lowest[0][0] == highest[0]:
        raise InputError(
            "Examples must have different first texts. Received: one and the same in "
            f"{count:,} rows of {source.rows.name}"
        )
    held = min(MOST_HELD_OUT, count // HELD_OUT_SHARE)
    if lowest[0][0] != lowest[0][held - 1]:
        texts = 1
    threshold = int(lowest[texts - 1][held - 1]) if hold_out else -1
    return Survey(count=count, digest=digest.hex(), bad=bad, threshold=threshold, texts=texts)


def text_numbers(batch: pa.RecordBatch, texts: int = 1) -> np.ndarray:
    """Return a number of 63 bits for each example's first text, or its first few."""
    rows = zip(*(column.to_pylist() for column in batch.columns[:texts]), strict=True)
    hashes = [hashlib.blake2b("\n".join(row).encode(), digest_size=8) for row in rows]
    digests = b"".join(each.digest() for each in hashes)
    return (np.frombuffer(digests, "<u8") >> np.uint64(1)).astype(np.int64)
