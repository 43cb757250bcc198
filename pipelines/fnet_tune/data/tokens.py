"""Examples as token ids on disk, read from there as a step asks for them.

Texts lie one after the other, those of an example side by side, in files that are mapped: however
many there are, the memory of the process does not grow with them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa

from fnet_registry.encoding.packing import Tokens, pack_texts
from fnet_registry.encoding.tokenizer import FNetTokenizer
from fnet_registry.engine.arrays import release
from fnet_registry.presets.writing import write_json
from fnet_tune.data.vectors import unit_vectors
from fnet_tune.tasks import Task

_SUMMARY = "examples.json"
_IDS, _ENDS, _TARGETS = "ids.bin", "ends.bin", "targets.bin"
_LARGEST_16_BIT = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizedExamples:
    """Examples on disk.

    Args:
        texts: How many texts an example has; some may be missing.
        ids: All texts' ids, specials included: uint16 where the vocabulary allows, else int32.
        ends: Int64 of shape `(examples · texts,)`: where each text's ids end.
        targets: Float64 scores or int32 labels of shape `(examples,)`, or teacher vectors of
            length 1, float16 of shape `(examples, width)`; None for pairs.
    """

    texts: int
    ids: np.ndarray
    ends: np.ndarray
    targets: np.ndarray | None

    def __len__(self) -> int:
        return len(self.ends) // self.texts

    def read(self, rows: np.ndarray) -> tuple[Tokens, np.ndarray]:
        """Read examples.

        Returns:
            The tokens of their texts, and for each text of each example its row among them, int64
            of shape `(examples, texts)`; -1 for a missing text.
        """
        places = (rows[:, None] * self.texts + np.arange(self.texts)).ravel()
        ends = self.ends[places]
        begins = np.where(places > 0, self.ends[places - 1], 0)
        there = ends > begins
        parts = [self.ids[b:e] for b, e in zip(begins[there], ends[there], strict=True)]
        offsets = np.concatenate([[0], np.cumsum(ends[there] - begins[there])])
        truncated = np.zeros(len(parts), bool)
        tokens = Tokens(np.concatenate(parts).astype(np.int32), offsets, truncated)
        place = np.where(there, np.cumsum(there) - 1, -1)
        for mapped in (self.ids, self.ends):
            release(mapped)
        return tokens, place.reshape(-1, self.texts)


def write_examples(
    batches: Iterable[pa.RecordBatch],
    folder: Path,
    *,
    task: Task,
    tokenizer: FNetTokenizer,
    sequence_length: int,
) -> None:
    """Tokenize examples into a folder.

    Args:
        batches: The examples, with the columns of the task.
        folder: The folder. It holds a summary once all is written.
        task: What they are.
        tokenizer: Turns texts into ids.
        sequence_length: What texts are cut to.
    """
    ids_type = np.dtype(np.uint16 if tokenizer.vocabulary_size() <= _LARGEST_16_BIT else np.int32)
    targets = _Targets()
    with ExitStack() as stack:
        ids, ends, wanted = (
            stack.enter_context((folder / name).open("wb")) for name in (_IDS, _ENDS, _TARGETS)
        )
        end = 0
        for batch in batches:
            columns = [batch[name].to_pylist() for name in task.text_columns]
            texts = list(chain.from_iterable(zip(*columns, strict=True)))
            tokens, lengths = _tokenize(texts, tokenizer, sequence_length)
            ids.write(tokens.astype(ids_type).data)
            found = end + np.cumsum(lengths)
            ends.write(found.data)
            end = int(found[-1]) if len(found) else end
            if task.target is not None:
                wanted.write(targets.numbers(batch[task.target]).data)
    summary = {"texts": task.texts, "ids": ids_type.name, "targets": targets.type}
    write_json(summary | {"width": targets.width}, folder / _SUMMARY)


def open_examples(folder: Path) -> TokenizedExamples | None:
    """Open what `write_examples` wrote to its end; None where it did not."""
    if not (folder / _SUMMARY).exists():
        return None
    summary = json.loads((folder / _SUMMARY).read_text())
    targets = None
    if summary["targets"] is not None:
        targets = np.memmap(folder / _TARGETS, summary["targets"], "r")
        if width := summary.get("width"):
            targets = targets.reshape(-1, width)
    return TokenizedExamples(
        texts=summary["texts"],
        ids=np.memmap(folder / _IDS, summary["ids"], "r"),
        ends=np.memmap(folder / _ENDS, np.int64, "r"),
        targets=targets,
    )


def _tokenize(
    texts: list[str | None], tokenizer: FNetTokenizer, sequence_length: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the ids of all texts, one after the other, and the length of each; 0 for none."""
    there = np.array([text is not None for text in texts], bool)
    packed = pack_texts(
        tokenizer.tokenize(
            [text for text in texts if text is not None], num_threads=os.cpu_count() or 1
        ),
        sequence_length,
        cls_token_id=tokenizer.cls_token_id,
        sep_token_id=tokenizer.sep_token_id,
    )
    lengths = np.zeros(len(texts), np.int64)
    lengths[there] = packed.lengths
    return packed.values, lengths


class _Targets:
    """Scores as they are, labels as numbers in the order of their first text, and vectors."""

    def __init__(self) -> None:
        self.type: str | None = None
        self.width: int | None = None
        self._labels: dict[str, int] = {}

    def numbers(self, column: pa.Array) -> np.ndarray:
        """Return float64 scores, int32 labels, or float16 vectors of length 1."""
        if pa.types.is_list(column.type):
            vectors = unit_vectors(column)
            self.type, self.width = "float16", vectors.shape[1] or self.width
            return vectors.astype(np.float16)
        if pa.types.is_floating(column.type):
            self.type = "float64"
            return column.to_numpy(zero_copy_only=False).astype(np.float64)
        self.type = "int32"
        known = self._labels
        labels = column.to_pylist()
        return np.array([known.setdefault(label, len(known)) for label in labels], np.int32)
