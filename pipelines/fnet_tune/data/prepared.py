"""Examples made ready: tokenized once, however often the tuning is gone on with."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fnet_registry.encoding.tokenizer import FNetTokenizer
from fnet_registry.errors import InputError
from fnet_tune.data.held_out import kept
from fnet_tune.data.reading import Source
from fnet_tune.data.survey import Survey
from fnet_tune.data.tokens import TokenizedExamples, open_examples, write_examples


def prepare(
    source: Source,
    found: Survey,
    folder: Path,
    *,
    tokenizer: FNetTokenizer,
    sequence_length: int,
) -> TokenizedExamples:
    """Tokenize the examples that are trained on into a folder, or find them there.

    Raises:
        InputError: All of their scores, labels or vectors are the same.
    """
    if not (examples := open_examples(folder)):
        write_examples(
            kept(source, found),
            folder,
            task=source.task,
            tokenizer=tokenizer,
            sequence_length=sequence_length,
        )
        examples = open_examples(folder)
        assert examples is not None
    targets = examples.targets
    if targets is not None and not np.ptp(targets, axis=0).any():
        raise InputError(
            f"Examples must have different {source.task.target}s. Received: one and the same in "
            f"{len(examples):,} rows of {source.rows.name}"
        )
    return examples
