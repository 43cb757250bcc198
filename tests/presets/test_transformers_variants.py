"""Transformers checkpoints whose configuration or class is not the usual one."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from fnet_registry import FNetBackbone
from fnet_registry.errors import ConfigError, WeightsError
from fnet_registry.presets.checkpoint import Checkpoint, read_checkpoint


@pytest.fixture
def folder(data_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(data_folder / "transformers_base", tmp_path / "preset"))


def configure(folder: Path, **values: Any) -> None:
    document = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**document, **values}))


def rewrite(
    folder: Path, *, removed: tuple[str, ...] = (), added: dict[str, torch.Tensor] | None = None
) -> None:
    tensors = load_file(folder / "model.safetensors")
    kept = {name: values for name, values in tensors.items() if name not in removed}
    save_file({**kept, **(added or {})}, folder / "model.safetensors")


def assert_holds(folder: Path, checkpoint: Checkpoint) -> None:
    arrays = read_checkpoint(folder).arrays
    assert arrays.keys() == checkpoint.arrays.keys()
    for name, values in checkpoint.arrays.items():
        np.testing.assert_array_equal(arrays[name], values, err_msg=name)


@pytest.mark.parametrize(
    "activation",
    ["gelu_new", "gelu_pytorch_tanh", "gelu_python_tanh", "gelu_fast", "gelu_accurate"],
)
def test_one_function_goes_by_several_names(
    activation: str, folder: Path, checkpoint: Checkpoint
) -> None:
    configure(folder, hidden_act=activation)
    assert_holds(folder, checkpoint)


@pytest.mark.parametrize("activation", ["gelu", "gelu_10", "quick_gelu", "relu", ["gelu_new"], 3])
def test_another_function_is_refused(activation: object, folder: Path) -> None:
    configure(folder, hidden_act=activation)
    with pytest.raises(ConfigError, match="`hidden_act` must be 'gelu_new'.*Received: "):
        read_checkpoint(folder)


@pytest.mark.parametrize(("name", "usual"), [("do_lower_case", False), ("keep_accents", True)])
def test_a_tokenizer_that_changes_texts_is_refused(name: str, usual: bool, folder: Path) -> None:
    path = folder / "tokenizer_config.json"
    stated = json.loads(path.read_text())
    path.write_text(json.dumps(stated | {name: usual}))
    read_checkpoint(folder)
    path.write_text(json.dumps(stated | {name: not usual}))
    with pytest.raises(ConfigError, match=rf"`{name}` of .* must be {usual}, .* {not usual}"):
        read_checkpoint(folder)
    for nothing_said in ("", "{", "[]"):
        path.write_text(nothing_said)
        read_checkpoint(folder)


@pytest.mark.parametrize("kind", ["safetensors", "bin"])
@pytest.mark.parametrize("prefix", ["", "fnet."])
def test_the_transform_as_matrices_is_left_out(
    kind: str, prefix: str, folder: Path, checkpoint: Checkpoint
) -> None:
    configure(folder, use_tpu_fourier_optimizations=True, tpu_short_seq_length=64)
    tensors = {
        prefix + name: values for name, values in load_file(folder / "model.safetensors").items()
    }
    for layer in range(2):
        place = f"{prefix}encoder.layer.{layer}.fourier.self"
        tensors[f"{place}.dft_mat_hidden"] = torch.ones((32, 32), dtype=torch.complex64)
        tensors[f"{place}.dft_mat_seq"] = torch.ones((64, 64), dtype=torch.complex64)
    if kind == "bin":
        (folder / "model.safetensors").unlink()
        torch.save(tensors, folder / "pytorch_model.bin")
    else:
        save_file(tensors, folder / "model.safetensors")
    assert_holds(folder, checkpoint)


def test_a_configuration_may_say_that_nothing_is_quantised(
    folder: Path, checkpoint: Checkpoint
) -> None:
    configure(folder, quantization_config=None)
    assert_holds(folder, checkpoint)


class TestWithoutAPooler:
    POOLER = ("pooler.dense.weight", "pooler.dense.bias")

    def test_its_absence_is_read_from_the_weights(self, folder: Path) -> None:
        rewrite(folder, removed=self.POOLER)
        loaded = read_checkpoint(folder)
        assert not loaded.config.pooler
        assert not any(name.startswith("pooler") for name in loaded.arrays)

    @pytest.mark.parametrize("lost", POOLER)
    def test_half_a_pooler_is_damage(self, lost: str, folder: Path) -> None:
        rewrite(folder, removed=(lost,))
        with pytest.raises(WeightsError, match=f"Missing: {lost}"):
            read_checkpoint(folder)

    def test_it_can_be_left_out_but_not_asked_for(self, folder: Path) -> None:
        assert list(FNetBackbone.from_preset(folder, pooler=False).output) == ["sequence_output"]
        rewrite(folder, removed=self.POOLER)
        with pytest.raises(ConfigError, match="`pooler` must be False for a preset that holds"):
            FNetBackbone.from_preset(folder, pooler=True)
