"""The published preset, from Kaggle: its public golden values. Needs the network."""

import numpy as np
import pytest
import torch

from fnet_registry import FNetBackbone, FNetTokenizer
from fnet_registry.engine.engine import Engine

pytestmark = [pytest.mark.network, pytest.mark.timeout(1800)]

PRESET = "f_net_base_en"
TOKEN_IDS = np.array([[101, 1996, 4248, 102]], dtype="int32")
FIRST_OF_SEQUENCE = [4.15728, -0.09661, -0.24494, -0.06810, -0.55959]
FIRST_OF_POOLED = [-0.04117, -0.03273, -0.02134, 0.99754, -0.09777]


def test_the_tokenizer_gives_the_published_ids() -> None:
    ids = FNetTokenizer.from_preset(PRESET).tokenize(["The quick brown fox."])
    assert ids == [[97, 1467, 5187, 26, 2521, 16678]]


def test_model_and_engine_give_the_published_outputs() -> None:
    backbone = FNetBackbone.from_preset(PRESET)
    assert backbone.count_params() == FNetBackbone.presets[PRESET].parameter_count
    outputs = backbone({"token_ids": TOKEN_IDS, "segment_ids": np.zeros_like(TOKEN_IDS)})
    results = [
        (outputs["sequence_output"].detach(), outputs["pooled_output"].detach()),
        Engine(backbone.to_checkpoint()).forward(torch.from_numpy(TOKEN_IDS)),
    ]
    for sequence, pooled in results:
        np.testing.assert_allclose(sequence[0, 0, :5], FIRST_OF_SEQUENCE, atol=1e-3)
        np.testing.assert_allclose(pooled[0, :5], FIRST_OF_POOLED, atol=1e-3)
