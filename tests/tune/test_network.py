"""What is trained is what is computed: the network, the engine and Keras are one model."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from fnet_registry import TextEncoder
from fnet_registry.encoding.config import complete_encoding
from fnet_registry.model.backbone import build_backbone
from fnet_registry.presets.checkpoint import Checkpoint
from fnet_tune.training.network import Network

TEXTS = ["The quick brown fox.", "", "a", "jumps over " * 40, "café"]


def without_dropout(checkpoint: Checkpoint) -> Checkpoint:
    return replace(checkpoint, config=replace(checkpoint.config, dropout=0.0))


def network_of(checkpoint: Checkpoint, pooling: Any = "mean") -> Network:
    return Network(without_dropout(checkpoint), pooling, dtype=torch.float32)


@pytest.mark.parametrize("pooling", ["mean", "cls", "pooled"])
@pytest.mark.parametrize("buckets", [(), (8, 16, 32)])
def test_its_vectors_are_those_of_the_encoder(
    pooling: Any, buckets: tuple[int, ...], checkpoint: Checkpoint
) -> None:
    config = complete_encoding(64, sequence_length=32, buckets=buckets, pooling=pooling)
    encoder = TextEncoder.from_checkpoint(checkpoint, config)
    network = network_of(checkpoint, pooling)
    tokens = encoder.tokenize(TEXTS)
    padded = torch.from_numpy(tokens.padded(32, encoder.tokenizer.pad_token_id))
    for row, length in enumerate(config.padded_lengths(tokens.lengths)):
        ids, count = padded[row : row + 1, :length], tokens.lengths[row : row + 1].tolist()
        vector = network.vectors(ids, count).detach().numpy()
        np.testing.assert_allclose(vector, encoder.encode([TEXTS[row]]), atol=2e-5)


def test_a_head_is_trained_with_the_rest(checkpoint: Checkpoint) -> None:
    draw = np.random.default_rng(0)
    head = {
        "head.kernel": draw.normal(size=(32, 8)).astype(np.float32),
        "head.bias": draw.normal(size=8).astype(np.float32),
    }
    with_head = replace(checkpoint, arrays={**checkpoint.arrays, **head})
    encoder = TextEncoder.from_checkpoint(with_head, complete_encoding(64, sequence_length=32))
    network = network_of(with_head)
    tokens = encoder.tokenize(TEXTS)
    ids = torch.from_numpy(tokens.padded(32, encoder.tokenizer.pad_token_id))
    vectors = network.vectors(ids, tokens.lengths.tolist())
    np.testing.assert_allclose(vectors.detach(), encoder.encode(TEXTS), atol=1e-4)
    vectors.sum().backward()
    assert network.weights["head.kernel"].grad is not None


def test_trained_weights_give_the_encoder_the_vectors_that_the_network_has(
    checkpoint: Checkpoint,
) -> None:
    network = network_of(checkpoint)
    ids, lengths = torch.randint(1000, (6, 32)), [32] * 6
    optimizer = torch.optim.SGD(network.weights.values(), lr=0.05)
    network.vectors(ids, lengths).square().sum().backward()
    optimizer.step()
    trained = replace(network.checkpoint(), tokenizer_proto=checkpoint.tokenizer_proto)
    encoder = TextEncoder.from_checkpoint(trained, complete_encoding(64, sequence_length=32))
    found = encoder._engine.mean_outputs(ids, lengths).numpy()
    np.testing.assert_allclose(found, network.vectors(ids, lengths).detach(), atol=2e-5)
    before = network_of(checkpoint).vectors(ids, lengths).detach()
    assert np.abs(found - before.numpy()).max() > 1e-2


def test_its_gradients_are_those_of_the_keras_model(checkpoint: Checkpoint) -> None:
    network = network_of(checkpoint)
    backbone = build_backbone(without_dropout(checkpoint))
    ids = torch.randint(1000, (3, 17))
    wanted = torch.randn(3, 32)
    (network.vectors(ids, [17] * 3) * wanted).sum().backward()
    outputs = backbone({"token_ids": ids, "segment_ids": torch.zeros_like(ids)}, training=True)
    (outputs["sequence_output"].mean(1) * wanted).sum().backward()
    for name, variable in backbone.tensors().items():
        if not name.startswith("pooler"):
            np.testing.assert_allclose(
                network.weights[name].grad, variable.value.grad, atol=2e-4, err_msg=name
            )


def test_dropout_stands_where_keras_has_it(checkpoint: Checkpoint) -> None:
    # With all but nothing dropped, what is left is the normalised mixing in both.
    config = replace(checkpoint.config, dropout=0.999999)
    network = Network(replace(checkpoint, config=config), "mean", dtype=torch.float32)
    backbone = build_backbone(replace(checkpoint, config=config))
    ids = torch.randint(1000, (3, 17))
    outputs = backbone({"token_ids": ids, "segment_ids": torch.zeros_like(ids)}, training=True)
    np.testing.assert_allclose(
        network.vectors(ids, [17] * 3).detach(),
        outputs["sequence_output"].mean(1).detach(),
        atol=1e-4,
    )
