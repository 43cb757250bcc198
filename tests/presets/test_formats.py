"""Preset folders of every format and era become the same checkpoint."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import ml_dtypes
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from fnet_registry.errors import ConfigError, WeightsError
from fnet_registry.presets.checkpoint import Checkpoint, read_checkpoint
from fnet_registry.presets.folder import preset_format
from fnet_registry.presets.formats import kerashub, transformers
from fnet_registry.presets.tensors import tensor_shapes
from fnet_registry.presets.writing import write_checkpoint

Edit = Callable[[Path], None]


def copy_of(folder: Path, target: Path) -> Path:
    return Path(shutil.copytree(folder, target / folder.name))


def assert_same(checkpoint: Checkpoint, expected: Checkpoint) -> None:
    assert checkpoint.config == expected.config
    assert checkpoint.arrays.keys() == expected.arrays.keys()
    for name, values in expected.arrays.items():
        np.testing.assert_array_equal(checkpoint.arrays[name], values, err_msg=name)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="descriptors are counted in /proc")
@pytest.mark.parametrize("preset", ["kerashub", "transformers_bin"])
def test_a_model_holds_no_descriptor_for_each_tensor(preset: str, data_folder: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    checkpoint = read_checkpoint(data_folder / preset)
    assert len(os.listdir("/proc/self/fd")) <= before + 1
    assert len(checkpoint.arrays) > 2


@pytest.mark.parametrize(
    ("preset", "name"),
    [
        ("kerashub", "KerasHub"),
        ("old_nlp082_keras215", "KerasHub"),
        ("transformers_base", "Transformers"),
        ("transformers_bin", "Transformers"),
    ],
)
def test_every_tool_s_folder_holds_the_same_model(
    preset: str, name: str, data_folder: Path, checkpoint: Checkpoint
) -> None:
    assert preset_format(data_folder / preset).name == name
    loaded = read_checkpoint(data_folder / preset)
    assert_same(loaded, checkpoint)
    assert loaded.tokenizer_proto == checkpoint.tokenizer_proto


def test_the_arrays_are_mapped_from_the_file_not_copied(checkpoint: Checkpoint) -> None:
    assert all(isinstance(values, np.memmap) for values in checkpoint.arrays.values())


def test_names_and_shapes_are_the_canonical_ones(checkpoint: Checkpoint) -> None:
    shapes = {name: values.shape for name, values in checkpoint.arrays.items()}
    assert shapes == tensor_shapes(checkpoint.config)


def test_without_weights_no_weights_file_is_needed(preset_folder: Path, tmp_path: Path) -> None:
    folder = copy_of(preset_folder, tmp_path)
    (folder / "model.weights.h5").unlink()
    assert read_checkpoint(folder, weights=False).arrays == {}
    with pytest.raises(WeightsError, match=r"must hold `model\.weights\.h5` or"):
        read_checkpoint(folder)


class TestKerasHubEras:
    @staticmethod
    def rename(folder: Path, renamed: dict[str, str]) -> None:
        with h5py.File(folder / "model.weights.h5", "a") as file:
            for old, new in renamed.items():
                file.move(old, new)

    @pytest.mark.parametrize(
        "renamed",
        [
            {"layers/reversible_embedding": "_token_embedding"},
            {"layers/reversible_embedding": "token_embedding"},
            {"layers": "_layer_checkpoint_dependencies"},
            {
                "layers/reversible_embedding": "_token_embedding",
                "layers": "_layer_checkpoint_dependencies",
            },
            {
                "layers/reversible_embedding": "_token_embedding",
                "layers/embedding": "layers/embedding_1",
            },
        ],
    )
    def test_older_weight_layouts_load(
        self,
        renamed: dict[str, str],
        data_folder: Path,
        tmp_path: Path,
        checkpoint: Checkpoint,
    ) -> None:
        folder = copy_of(data_folder / "old_nlp082_keras215", tmp_path)
        self.rename(folder, renamed)
        assert_same(read_checkpoint(folder), checkpoint)

    @pytest.mark.parametrize(
        ("dtype", "name"),
        [
            (None, "float32"),
            ("mixed_bfloat16", "mixed_bfloat16"),
            ({"class_name": "DTypePolicy", "config": {"name": "bfloat16"}}, "bfloat16"),
        ],
    )
    def test_a_saved_dtype_may_be_missing_a_name_or_a_policy(
        self, dtype: object, name: str, preset_folder: Path, tmp_path: Path
    ) -> None:
        folder = copy_of(preset_folder, tmp_path)
        document = json.loads((folder / "config.json").read_text())
        document["config"]["dtype"] = dtype
        (folder / "config.json").write_text(json.dumps(document))
        assert read_checkpoint(folder).dtype == name

    def test_sharded_weights_load(
        self, preset_folder: Path, tmp_path: Path, checkpoint: Checkpoint
    ) -> None:
        folder = copy_of(preset_folder, tmp_path)
        weight_map: dict[str, object] = {}
        with h5py.File(folder / "model.weights.h5") as whole:
            names: list[str] = []
            whole.visititems(
                lambda name, item: names.append(name) if hasattr(item, "shape") else None
            )
            for number, part in enumerate((names[::2], names[1::2])):
                shard = f"model_{number:05}.weights.h5"
                with h5py.File(folder / shard, "w") as file:
                    for name in part:
                        file[name] = whole[name][()]
                        group = "/" + name.rpartition("/")[0]
                        known = weight_map.setdefault(group, shard)
                        if known != shard:
                            weight_map[group] = ["model_00000.weights.h5", shard]
        (folder / "model.weights.h5").unlink()
        index = {"metadata": {"total_size": 1}, "weight_map": weight_map}
        (folder / "model.weights.json").write_text(json.dumps(index))
        assert_same(read_checkpoint(folder), checkpoint)

    @pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
    def test_half_precision_weights_round_trip(
        self, dtype: type, tmp_path: Path, checkpoint: Checkpoint
    ) -> None:
        half = Checkpoint(
            config=checkpoint.config,
            arrays={name: values.astype(dtype) for name, values in checkpoint.arrays.items()},
            tokenizer_proto=None,
            dtype="bfloat16",
        )
        write_checkpoint(half, tmp_path)
        loaded = read_checkpoint(tmp_path)
        assert {values.dtype for values in loaded.arrays.values()} == {np.dtype(dtype)}
        assert_same(loaded, half)


class TestTransformersClasses:
    @pytest.mark.parametrize("shards", [1, 3])
    @pytest.mark.parametrize("kind", ["safetensors", "bin"])
    @pytest.mark.parametrize(
        "heads",
        [
            (),
            ("cls.predictions.bias", "cls.seq_relationship.weight"),
            ("classifier.weight", "classifier.bias"),
            ("qa_outputs.weight",),
        ],
    )
    def test_every_class_and_file_kind_loads(
        self,
        heads: tuple[str, ...],
        kind: str,
        shards: int,
        data_folder: Path,
        tmp_path: Path,
        checkpoint: Checkpoint,
    ) -> None:
        folder = copy_of(data_folder / "transformers_base", tmp_path)
        prefix = "fnet." if heads else ""
        tensors = {
            prefix + name: tensor
            for name, tensor in load_file(folder / "model.safetensors").items()
        }
        tensors |= {name: torch.zeros(3) for name in heads}
        tensors[f"{prefix}embeddings.position_ids"] = torch.arange(64)[None]
        (folder / "model.safetensors").unlink()
        stem, suffix = {"safetensors": ("model", "safetensors"), "bin": ("pytorch_model", "bin")}[
            kind
        ]
        weight_map = {}
        for number in range(shards):
            name = (
                f"{stem}-{number + 1:05}-of-{shards:05}.{suffix}"
                if shards > 1
                else f"{stem}.{suffix}"
            )
            part = dict(list(tensors.items())[number::shards])
            weight_map |= dict.fromkeys(part, name)
            save_file(part, folder / name) if kind == "safetensors" else torch.save(
                part, folder / name
            )
        if shards > 1:
            index = folder / f"{stem}.{suffix}.index.json"
            index.write_text(json.dumps({"weight_map": weight_map}))
        assert_same(read_checkpoint(folder), checkpoint)

    def test_bfloat16_tensors_keep_their_type(self, data_folder: Path, tmp_path: Path) -> None:
        folder = copy_of(data_folder / "transformers_base", tmp_path)
        tensors = load_file(folder / "model.safetensors")
        save_file({k: v.bfloat16() for k, v in tensors.items()}, folder / "model.safetensors")
        dtypes = {values.dtype.name for values in read_checkpoint(folder).arrays.values()}
        assert dtypes == {"bfloat16"}

    def test_the_older_name_of_the_dtype_is_read(self, data_folder: Path, tmp_path: Path) -> None:
        folder = copy_of(data_folder / "transformers_bin", tmp_path)
        document = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**document, "torch_dtype": "bfloat16"}))
        assert read_checkpoint(folder, weights=False).dtype == "bfloat16"


class TestConversion:
    @pytest.mark.parametrize(
        "preset", ["old_nlp082_keras215", "transformers_base", "transformers_bin"]
    )
    def test_what_is_written_is_a_kerashub_folder_with_the_same_model(
        self, preset: str, data_folder: Path, tmp_path: Path, checkpoint: Checkpoint
    ) -> None:
        write_checkpoint(read_checkpoint(data_folder / preset), tmp_path)
        assert preset_format(tmp_path).name == "KerasHub"
        assert_same(read_checkpoint(tmp_path), checkpoint)

    def test_the_written_documents_name_kerashubs_classes(
        self, tmp_path: Path, checkpoint: Checkpoint, preset_folder: Path
    ) -> None:
        write_checkpoint(checkpoint, tmp_path)
        for name in ("config.json", "tokenizer.json"):
            written = json.loads((tmp_path / name).read_text())
            assert written == json.loads((preset_folder / name).read_text())

    def test_the_written_weights_lie_where_kerashub_looks(
        self, tmp_path: Path, checkpoint: Checkpoint, preset_folder: Path
    ) -> None:
        write_checkpoint(checkpoint, tmp_path)
        expected = kerashub.KERASHUB.describe_weights(preset_folder)
        written = kerashub.KERASHUB.describe_weights(tmp_path)
        assert {k: v.shape for k, v in written.items()} == {k: v.shape for k, v in expected.items()}


class TestRefusals:
    @pytest.mark.parametrize(
        ("document", "words"),
        [
            ('{"class_name": "BertBackbone", "config": {}}', "Received: 'BertBackbone'"),
            ('{"model_type": "bert"}', "model type `fnet`. Received: 'bert'"),
            ('{"model_type": "fnet", "hidden_act": "relu"}', "`hidden_act` must be 'gelu_new'"),
            ('{"model_type": "fnet", "layer_norm_eps": 1e-5}', "`layer_norm_eps` must be 1e-12"),
            ('{"model_type": "fnet", "quantization_config": {}}', "quantised presets"),
            ('{"model_type": "fnet", "dtype": "int8"}', "float32, float16 or bfloat16"),
            ('{"class_name": "FNetBackbone", "config": []}', "`config` must be a JSON object"),
            ('{"class_name": "FNetBackbone", "config": {}}', "Missing: vocabulary_size"),
            ('{"unrelated": 1}', "KerasHub or a Transformers configuration"),
            ("[1]", "must be a JSON object. Received: list"),
            ("{", "must be a JSON object. Received: "),
            ("[" * 100_000, "must be a JSON object. Received: "),
        ],
    )
    def test_another_configuration_is_named(
        self, document: str, words: str, tmp_path: Path
    ) -> None:
        (tmp_path / "config.json").write_text(document)
        with pytest.raises(ConfigError, match=words):
            read_checkpoint(tmp_path)

    @pytest.mark.parametrize(
        "dtype",
        [
            {"class_name": "DTypePolicyMap", "config": {}},
            {"class_name": "QuantizedDTypePolicy", "config": {"name": "int8_from_float32"}},
            "int8_from_float32",
        ],
    )
    def test_a_quantised_preset_is_refused(
        self, dtype: object, preset_folder: Path, tmp_path: Path
    ) -> None:
        document = json.loads((preset_folder / "config.json").read_text())
        document["config"]["dtype"] = dtype
        (tmp_path / "config.json").write_text(json.dumps(document))
        with pytest.raises(ConfigError, match="quantised presets are not supported"):
            read_checkpoint(tmp_path)

    @pytest.mark.parametrize(
        ("edit", "words"),
        [
            (lambda f: f.__delitem__("layers/dense_1/vars/0"), r"Missing: dense_1/vars/0\."),
            (lambda f: f.create_dataset("layers/dense_2/vars/0", data=[1.0]), r"model's: dense_2"),
            (
                lambda f: replace_dataset(f, "layers/dense/vars/1", np.zeros(31, "f4")),
                r"`dense/vars/1` must have the shape \(32,\).*Received: \(31,\)",
            ),
            (
                lambda f: replace_dataset(f, "layers/dense/vars/1", np.zeros(32, "i1")),
                "quantised presets are not supported. Received: int8",
            ),
            (
                lambda f: replace_dataset(f, "layers/dense/vars/1", np.full(32, np.nan, "f4")),
                "`dense/vars/1` must be finite",
            ),
        ],
    )
    def test_tensors_that_do_not_fit_are_named(
        self,
        edit: Callable[[h5py.File], None],
        words: str,
        preset_folder: Path,
        tmp_path: Path,
    ) -> None:
        folder = copy_of(preset_folder, tmp_path)
        with h5py.File(folder / "model.weights.h5", "a") as file:
            edit(file)
        with pytest.raises(WeightsError, match=words):
            read_checkpoint(folder)

    def test_a_folder_that_is_none_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="must be a folder.*nowhere"):
            read_checkpoint(tmp_path / "nowhere")
        with pytest.raises(ConfigError, match=r"must hold `config\.json`"):
            read_checkpoint(tmp_path)


def replace_dataset(file: h5py.File, name: str, values: np.ndarray) -> None:
    del file[name]
    file[name] = values


def test_the_layouts_name_every_canonical_tensor(checkpoint: Checkpoint) -> None:
    for known in (kerashub, transformers):
        assert known.layout(checkpoint.config).keys() == tensor_shapes(checkpoint.config).keys()
