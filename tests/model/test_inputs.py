"""Inputs that no model can take are refused in words, by Keras's forward pass and the engine's."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from fnet_registry import FNetBackbone, TextEncoder
from fnet_registry.engine.engine import Engine
from fnet_registry.errors import FNetError, TokensError
from fnet_registry.model.backbone import build_backbone
from fnet_registry.model.keras_backend import keras
from fnet_registry.presets.checkpoint import Checkpoint

Forward = Callable[[np.ndarray, np.ndarray], object]


def keras_call(checkpoint: Checkpoint) -> Forward:
    backbone = build_backbone(checkpoint)
    return lambda ids, segments: backbone({"token_ids": ids, "segment_ids": segments})


def keras_predict(checkpoint: Checkpoint) -> Forward:
    backbone = build_backbone(checkpoint)
    return lambda ids, segments: backbone.predict(
        {"token_ids": ids, "segment_ids": segments}, verbose=0
    )


def classifier(checkpoint: Checkpoint) -> Forward:
    backbone = build_backbone(checkpoint)
    score = keras.layers.Dense(1)(backbone(backbone.input)["pooled_output"])
    model = keras.Model(backbone.input, score)
    return lambda ids, segments: model({"token_ids": ids, "segment_ids": segments})


def engine(checkpoint: Checkpoint) -> Forward:
    model = Engine(checkpoint)
    return lambda ids, segments: model.forward(torch.from_numpy(ids), torch.from_numpy(segments))


FORWARDS = [keras_call, keras_predict, classifier, engine]


@pytest.mark.parametrize("make", FORWARDS)
@pytest.mark.parametrize(
    ("ids", "segments", "words"),
    [
        (np.ones((2, 65), "int32"), None, "1 to 64 tokens long, padding included. Received: 65"),
        (np.ones((2, 0), "int32"), None, "1 to 64 tokens long, padding included. Received: 0"),
        (np.array([[3, 1000]]), None, r"`token_ids` must lie in \[0, 1000\). Received: 1000"),
        (np.array([[3, -1]]), None, r"`token_ids` must lie in \[0, 1000\). Received: -1"),
        (np.array([[3, 3]]), np.array([[0, 4]]), r"`segment_ids` .* \[0, 4\). Received: 4"),
    ],
)
def test_what_the_tables_do_not_hold_is_refused(
    make: Callable[[Checkpoint], Forward],
    ids: np.ndarray,
    segments: np.ndarray | None,
    words: str,
    checkpoint: Checkpoint,
) -> None:
    with pytest.raises(TokensError, match=words):
        make(checkpoint)(ids, np.zeros_like(ids) if segments is None else segments)


def test_the_longest_input_and_the_last_ids_are_taken(checkpoint: Checkpoint) -> None:
    for make in FORWARDS:
        make(checkpoint)(np.full((1, 64), 999), np.full((1, 64), 3))


def test_a_model_on_the_backbones_own_graph_refuses_too_many_tokens(
    checkpoint: Checkpoint,
) -> None:
    backbone = build_backbone(checkpoint)
    model = keras.Model(backbone.input, backbone.output)
    with pytest.raises(TokensError, match="1 to 64 tokens long.*Received: 65"):
        model({"token_ids": np.ones((1, 65)), "segment_ids": np.zeros((1, 65))})


@pytest.mark.parametrize(
    ("ids", "segments"),
    [
        (torch.ones(4, dtype=torch.int32), None),
        (torch.ones((0, 4), dtype=torch.int32), None),
        (torch.ones((2, 4)), None),
        (torch.ones((2, 4), dtype=torch.bool), None),
        (torch.ones((2, 4), dtype=torch.int64), torch.zeros((1, 4), dtype=torch.int64)),
    ],
)
def test_the_engine_refuses_other_shapes_and_types(
    ids: torch.Tensor, segments: torch.Tensor | None, checkpoint: Checkpoint
) -> None:
    model = Engine(checkpoint)
    with pytest.raises(TokensError, match=r"\(batch, sequence\), for example .*Received: torch\."):
        model.forward(ids, segments)
    with pytest.raises(TokensError):
        model.mean_outputs(ids, [1] * len(ids)) if segments is None else model.first_outputs(
            ids, segments
        )


def test_an_encoder_refuses_tokens_that_were_packed_for_a_longer_one(preset_folder: Path) -> None:
    longer, shorter = (
        TextEncoder.from_preset(preset_folder, sequence_length=length) for length in (64, 8)
    )
    tokens = longer.tokenize(["a", "jumps over " * 9])
    with pytest.raises(TokensError, match="1 to 8 tokens long.*Received: "):
        shorter.encode_tokens(tokens)


def test_the_refusal_is_a_value_error_as_of_any_wrong_argument() -> None:
    assert issubclass(TokensError, FNetError)
    assert issubclass(TokensError, ValueError)


def test_a_backbone_with_one_position_takes_one_token() -> None:
    backbone = FNetBackbone(
        vocabulary_size=5, num_layers=1, hidden_dim=4, intermediate_dim=8, max_sequence_length=1
    )
    result = backbone({"token_ids": np.ones((2, 1)), "segment_ids": np.zeros((2, 1))})
    assert tuple(result["sequence_output"].shape) == (2, 1, 4)
