"""A model without a pooler: all of it works but the pooled output, which is refused in words."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fnet_registry import FNetBackbone, FNetTokenizer, TextEncoder
from fnet_registry.engine.engine import Engine
from fnet_registry.errors import ConfigError
from fnet_registry.presets.checkpoint import read_checkpoint
from fnet_registry.presets.formats.kerashub import KERASHUB
from fnet_registry.presets.tensors import parameter_count

TEXTS = ["The quick brown fox.", "", "jumps over"]


@pytest.fixture(scope="module")
def folder(poolerless_folder: Path) -> Path:
    return poolerless_folder


@pytest.fixture(scope="module")
def converted(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a KerasHub folder."""
    target = tmp_path_factory.mktemp("presets") / "converted"
    FNetBackbone.from_preset(folder).save_to_preset(target)
    FNetTokenizer.from_preset(folder).save_to_preset(target)
    return target


def test_both_forward_passes_give_the_sequence_output_of_the_tool_that_wrote_it(
    folder: Path,
) -> None:
    with np.load(folder / "expected.npz") as expected:
        given = {name: expected[f"{name}_0"] for name in ("token_ids", "segment_ids")}
        backbone = FNetBackbone.from_preset(folder)
        outputs = backbone.predict(given, verbose=0)
        assert list(outputs) == ["sequence_output"]
        assert backbone.pooled_dense is None
        assert backbone.count_params() == parameter_count(backbone.fnet_config) == 43_936
        sequences, pooled = Engine(read_checkpoint(folder)).forward(
            *(torch.from_numpy(ids) for ids in given.values())
        )
        assert pooled is None
        for values in (outputs["sequence_output"], sequences):
            np.testing.assert_allclose(values, expected["sequence_output_0"], atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"pooling": "cls"}, {"quantization": "int8"}])
def test_texts_have_the_vectors_of_the_model_with_a_pooler(
    options: dict[str, Any], folder: Path, converted: Path, preset_folder: Path
) -> None:
    expected = TextEncoder.from_preset(preset_folder, **options).encode(TEXTS)
    backbone, tokenizer = FNetBackbone.from_preset(folder), FNetTokenizer.from_preset(folder)
    for encoder in (
        TextEncoder.from_preset(folder, **options),
        TextEncoder.from_preset(converted, **options),
        TextEncoder(backbone, tokenizer, **options),
    ):
        np.testing.assert_array_equal(encoder.encode(TEXTS), expected)
        assert list(encoder.backbone.output) == ["sequence_output"]


def test_pooled_vectors_are_refused(folder: Path, converted: Path) -> None:
    for preset in (folder, converted):
        with pytest.raises(ConfigError, match="'mean' or 'cls' for a model without a pooler"):
            TextEncoder.from_preset(preset, pooling="pooled")
    with pytest.raises(ConfigError, match="need a model with a pooler"):
        Engine(read_checkpoint(folder)).pooled_outputs(torch.zeros((1, 32)))


class TestAsAKerasHubFolder:
    def test_it_is_read_back_without_one_with_or_without_weights(
        self, folder: Path, converted: Path
    ) -> None:
        source, again = read_checkpoint(folder), read_checkpoint(converted)
        assert again.config == source.config == read_checkpoint(converted, weights=False).config
        assert again.arrays.keys() == source.arrays.keys()
        for name, values in source.arrays.items():
            np.testing.assert_array_equal(again.arrays[name], values)

    def test_kerashub_finds_all_its_tensors_and_no_key_that_its_constructor_lacks(
        self, converted: Path, preset_folder: Path
    ) -> None:
        written, expected = map(KERASHUB.describe_weights, (converted, preset_folder))
        assert {k: v.shape for k, v in written.items()} == {k: v.shape for k, v in expected.items()}
        assert not written["dense_1/vars/0"].read().any()
        documents = [
            json.loads((f / "config.json").read_text()) for f in (converted, preset_folder)
        ]
        assert documents[0].pop("pooler") is False
        assert documents[0] == documents[1]

    def test_the_mark_must_be_true_or_false(self, converted: Path, tmp_path: Path) -> None:
        document = json.loads((converted / "config.json").read_text())
        (tmp_path / "config.json").write_text(json.dumps({**document, "pooler": "no"}))
        with pytest.raises(ConfigError, match="`pooler` must be True or False. Received: 'no'"):
            read_checkpoint(tmp_path, weights=False)
