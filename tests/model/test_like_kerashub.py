"""What a program written for KerasHub's FNetBackbone finds here too."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from fnet_registry import FNetBackbone
from fnet_registry.model.keras_backend import keras
from tests.model.test_backbone import SIZES, outputs, random_inputs

NORM, DENSE = ("gamma", "beta"), ("kernel", "bias")
LAYERS = {
    "token_ids": "InputLayer",
    "token_embedding": "ReversibleEmbedding",
    "segment_ids": "InputLayer",
    "position_embedding": "PositionEmbedding",
    "segment_embedding": "Embedding",
    "embeddings_add": "Add",
    "embeddings_layer_norm": "LayerNormalization",
    "embedding_projection": "Dense",
    "embeddings_dropout": "Dropout",
    "f_net_layer_0": "FNetEncoder",
    "f_net_layer_1": "FNetEncoder",
    "pooled_dense": "Dense",
}


def tree(file: Path) -> dict[str, tuple[int, ...] | None]:
    """Every group and dataset of an HDF5 file, with the shapes of the latter."""
    found: dict[str, tuple[int, ...] | None] = {}
    with h5py.File(file) as opened:
        opened.visititems(lambda name, item: found.update({name: getattr(item, "shape", None)}))
    return found


def test_has_the_layers_in_the_order_and_under_the_names() -> None:
    backbone = FNetBackbone(**SIZES)
    assert {layer.name: type(layer).__name__ for layer in backbone.layers} == LAYERS
    assert [layer.name for layer in backbone.layers] == list(LAYERS)


def test_has_the_attributes() -> None:
    backbone = FNetBackbone(**SIZES, dropout=0.25)
    assert backbone.cls_token_index == 0
    assert backbone.transformer_layers == [
        backbone.get_layer(f"f_net_layer_{index}") for index in range(2)
    ]
    for name in set(LAYERS) - {"token_ids", "segment_ids", "f_net_layer_0", "f_net_layer_1"}:
        assert getattr(backbone, name) is backbone.get_layer(name)
    sizes = {**SIZES, "dropout": 0.25, "num_segments": 4}
    assert {name: getattr(backbone, name) for name in sizes} == sizes
    assert set(backbone.get_config()) == {"name", "trainable", "dtype", *sizes}


def test_the_weights_come_in_its_order() -> None:
    encoder = {
        "mixing_layer_norm": NORM,
        "output_layer_norm": NORM,
        "intermediate_dense": DENSE,
        "output_dense": DENSE,
    }
    assert [variable.path for variable in FNetBackbone(**SIZES).weights] == [
        *(f"{table}_embedding/embeddings" for table in ("token", "position", "segment")),
        *(f"embeddings_layer_norm/{name}" for name in NORM),
        *(f"embedding_projection/{name}" for name in DENSE),
        *(
            f"f_net_layer_{index}/{part}/{name}"
            for index in range(2)
            for part, names in encoder.items()
            for name in names
        ),
        *(f"pooled_dense/{name}" for name in DENSE),
    ]


def test_its_weights_file_loads(preset_folder: Path) -> None:
    backbone = FNetBackbone.from_preset(preset_folder, load_weights=False)
    backbone.load_weights(preset_folder / "model.weights.h5")
    loaded = FNetBackbone.from_preset(preset_folder)
    for values, expected in zip(backbone.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(values, expected)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_a_weights_file_is_laid_out_as_its_own(
    dtype: str, preset_folder: Path, tmp_path: Path
) -> None:
    FNetBackbone.from_preset(preset_folder, dtype=dtype).save_weights(tmp_path / "w.weights.h5")
    assert tree(tmp_path / "w.weights.h5") == tree(preset_folder / "model.weights.h5")


def test_every_kernel_bias_and_table_starts_normal() -> None:
    backbone = FNetBackbone(**{**SIZES, "hidden_dim": 64, "intermediate_dim": 128})
    for variable in backbone.weights:
        values = keras.ops.convert_to_numpy(variable)
        if variable.path.endswith(NORM):
            np.testing.assert_array_equal(values, float(variable.path.endswith("gamma")))
        else:
            assert np.std(values) == pytest.approx(0.02, rel=0.4), variable.path
    table = keras.ops.convert_to_numpy(backbone.token_embedding.embeddings)
    assert np.abs(table).max() > 0.05  # a truncated normal ends at two deviations


def test_no_two_layers_start_alike() -> None:
    backbone = FNetBackbone(**SIZES)
    kernels = [variable for variable in backbone.get_weights() if variable.shape == (8, 16)]
    assert len(kernels) == 2
    assert not np.array_equal(*kernels)


def test_dropout_comes_after_the_projection() -> None:
    backbone = FNetBackbone(**SIZES, dropout=0.5)
    to_encoder = keras.Model(backbone.input, backbone.transformer_layers[0].input)
    dropped = keras.ops.convert_to_numpy(to_encoder(random_inputs(), training=True)) == 0
    assert 0.3 < dropped.mean() < 0.7


def test_the_same_padded_input_gives_the_same_output_alone() -> None:
    backbone = FNetBackbone(**SIZES)
    whole = outputs(backbone, random_inputs(batch=3))
    alone = outputs(backbone, {name: ids[:1] for name, ids in random_inputs(batch=3).items()})
    for name, values in alone.items():
        np.testing.assert_allclose(values, whole[name][:1], atol=1e-6)
