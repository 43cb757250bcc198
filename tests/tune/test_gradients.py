"""A step's gradients do not depend on what memory there is."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fnet_registry import FNetTokenizer, TextEncoder
from fnet_registry.encoding.config import EncodingConfig, complete_encoding
from fnet_registry.presets.checkpoint import Checkpoint
from fnet_tune.data.reading import open_source
from fnet_tune.data.tokens import TokenizedExamples, open_examples, write_examples
from fnet_tune.training import batches
from fnet_tune.training.batches import Batches
from fnet_tune.training.gradients import backward, fits
from fnet_tune.training.losses import in_batch_negatives
from fnet_tune.training.network import Network
from fnet_tune.training.sampling import EachOnce


@pytest.fixture
def examples(pairs_file: Path, checkpoint: Checkpoint, tmp_path: Path) -> TokenizedExamples:
    source = open_source(pairs_file, {})
    tokenizer = FNetTokenizer(checkpoint.tokenizer_proto or b"")
    write_examples(
        source.batches(), tmp_path, task=source.task, tokenizer=tokenizer, sequence_length=32
    )
    found = open_examples(tmp_path)
    assert found is not None
    return found


@pytest.mark.parametrize("encoding", [
    complete_encoding(64, sequence_length=32),
    complete_encoding(64, sequence_length=32, buckets=(8, 16, 32)),
])  # fmt: skip
def test_parts_that_are_computed_twice_give_the_gradients_of_those_that_are_kept(
    encoding: EncodingConfig,
    examples: TokenizedExamples,
    checkpoint: Checkpoint,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batches, "PART_POSITIONS", 200)
    assert checkpoint.config.dropout == 0.1
    batch = Batches(
        examples=examples,
        sampler=EachOnce(count=len(examples), seed=0),
        batch_size=24,
        encoding=encoding,
        pad_token_id=3,
    ).read(0)
    assert len(batch.parts) > 3
    assert {part.token_ids.shape[1] for part in batch.parts} <= set(encoding.buckets or (32,))
    assert sorted(np.concatenate([part.rows for part in batch.parts])) == list(range(48))
    found = []
    for at_once in (True, False):
        network = Network(checkpoint, "mean", dtype=torch.float32)
        loss = backward(network, batch, in_batch_negatives, seed=(1, 2), at_once=at_once)
        found.append((loss, {n: w.grad for n, w in network.weights.items() if w.grad is not None}))
    assert found[0][0] == found[1][0]
    for name, gradient in found[0][1].items():
        torch.testing.assert_close(gradient, found[1][1][name], atol=1e-5, rtol=1e-4)


def test_a_large_batch_of_a_large_model_is_not_kept(
    examples: TokenizedExamples, checkpoint: Checkpoint
) -> None:
    batch = Batches(
        examples=examples,
        sampler=EachOnce(count=len(examples), seed=0),
        batch_size=128,
        encoding=complete_encoding(64),
        pad_token_id=3,
    ).read(0)
    assert fits(batch, checkpoint.config)
    large = replace(checkpoint.config, hidden_dim=1024, intermediate_dim=4096, num_layers=24)
    assert not fits(batch, large)


def test_examples_are_read_as_the_encoder_packs_them(
    examples: TokenizedExamples,
    encoder: TextEncoder,
    pairs_file: Path,
) -> None:
    [batch] = open_source(pairs_file, {}).batches()
    rows = np.array([7, 0, 239])
    tokens, place = examples.read(rows)
    assert place.tolist() == [[0, 1, -1], [2, 3, -1], [4, 5, -1]]
    texts = [batch[name][row].as_py() for row in rows.tolist() for name in ("anchor", "positive")]
    expected = encoder.tokenize(texts)
    np.testing.assert_array_equal(tokens.values, expected.values)
    np.testing.assert_array_equal(tokens.offsets, expected.offsets)
    assert examples.ids.dtype == np.uint16
