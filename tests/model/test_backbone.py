"""FNetBackbone: KerasHub's constructor, inputs, outputs, presets and saved form."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fnet_registry import Backbone, FNetBackbone
from fnet_registry.errors import ConfigError, WeightsError
from fnet_registry.model.keras_backend import keras, ops
from fnet_registry.presets.checkpoint import read_checkpoint
from fnet_registry.presets.tensors import parameter_count

SIZES: dict[str, Any] = {
    "vocabulary_size": 50,
    "num_layers": 2,
    "hidden_dim": 8,
    "intermediate_dim": 16,
    "max_sequence_length": 12,
}
PRESETS = ["kerashub", "old_nlp082_keras215", "transformers_base", "transformers_bin"]


def random_inputs(batch: int = 3, length: int = 12, vocabulary: int = 50) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    return {
        "token_ids": generator.integers(vocabulary, size=(batch, length), dtype="int32"),
        "segment_ids": generator.integers(2, size=(batch, length), dtype="int32"),
    }


def outputs(backbone: FNetBackbone, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {
        name: ops.convert_to_numpy(ops.cast(value, "float32"))
        for name, value in backbone(inputs, training=False).items()
    }


@pytest.mark.parametrize("preset", PRESETS)
def test_reproduces_the_outputs_of_the_tool_that_wrote_the_preset(
    preset: str, data_folder: Path
) -> None:
    backbone = FNetBackbone.from_preset(data_folder / preset)
    with np.load(data_folder / preset / "expected.npz") as expected:
        for j in range(4):
            inputs = {name: expected[f"{name}_{j}"] for name in ("token_ids", "segment_ids")}
            for name, values in outputs(backbone, inputs).items():
                np.testing.assert_allclose(values, expected[f"{name}_{j}"], rtol=0, atol=1e-5)


def test_takes_the_two_inputs_and_gives_the_two_outputs() -> None:
    result = outputs(FNetBackbone(**SIZES), random_inputs(batch=3, length=7))
    assert result["sequence_output"].shape == (3, 7, 8)
    assert result["pooled_output"].shape == (3, 8)


def test_has_as_many_parameters_as_its_configuration_says(preset_folder: Path) -> None:
    backbone = FNetBackbone.from_preset(preset_folder)
    assert backbone.count_params() == parameter_count(backbone.fnet_config) == 44_992


def test_published_sizes_have_their_published_parameter_counts() -> None:
    from fnet_registry.presets.config import FNetConfig

    base = FNetConfig(vocabulary_size=32_000, num_layers=12, hidden_dim=768, intermediate_dim=3072)
    large = FNetConfig(
        vocabulary_size=32_000, num_layers=24, hidden_dim=1024, intermediate_dim=4096
    )
    assert parameter_count(base) == FNetBackbone.presets["f_net_base_en"].parameter_count
    assert parameter_count(large) == FNetBackbone.presets["f_net_large_en"].parameter_count
    assert parameter_count(base) == 82_861_056
    assert parameter_count(large) == 236_945_408


def test_the_token_embedding_works_in_reverse_for_a_language_model_head() -> None:
    backbone = FNetBackbone(**SIZES)
    logits = backbone.token_embedding(np.ones((2, 5, 8), dtype="float32"), reverse=True)
    assert tuple(logits.shape) == (2, 5, 50)


def test_without_a_longest_input_it_is_refused() -> None:
    with pytest.raises(ConfigError, match="`max_sequence_length` must be a number.*Received: None"):
        FNetBackbone(**{**SIZES, "max_sequence_length": None})


@pytest.mark.parametrize(
    ("name", "value"), [("num_layers", 0), ("hidden_dim", -8), ("vocabulary_size", "50")]
)
def test_impossible_sizes_are_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"`{name}` must .*Received: {value!r}"):
        FNetBackbone(**{**SIZES, name: value})


def test_unknown_arguments_are_refused_by_name(preset_folder: Path) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'droput'"):
        FNetBackbone.from_preset(preset_folder, droput=0.0)


def test_takes_keras_own_arguments_of_a_model() -> None:
    backbone = FNetBackbone(**SIZES, name="mine", trainable=False)
    assert backbone.name == "mine"
    assert backbone.trainable_variables == []


class TestFromPreset:
    def test_the_base_class_infers_the_model(self, preset_folder: Path) -> None:
        assert isinstance(Backbone.from_preset(preset_folder), FNetBackbone)

    def test_another_models_preset_is_refused_by_name(self, tmp_path: Path) -> None:
        (tmp_path / "config.json").write_text('{"class_name": "BertBackbone", "config": {}}')
        for loader in (Backbone, FNetBackbone):
            with pytest.raises(ConfigError, match="class `FNetBackbone`. Received: 'BertBackbone'"):
                loader.from_preset(tmp_path)

    def test_without_weights_it_is_random_and_needs_no_weights_file(self, tmp_path: Path) -> None:
        FNetBackbone(**SIZES).save_to_preset(tmp_path)
        (tmp_path / "model.weights.h5").unlink()
        backbone = FNetBackbone.from_preset(tmp_path, load_weights=False)
        assert backbone.get_config()["hidden_dim"] == 8

    def test_keyword_arguments_override_the_configuration(self, preset_folder: Path) -> None:
        backbone = FNetBackbone.from_preset(preset_folder, dropout=0.3, dtype="mixed_bfloat16")
        assert backbone.dropout == 0.3
        assert backbone.dtype_policy.name == "mixed_bfloat16"

    def test_an_override_that_does_not_fit_the_weights_is_refused_with_both_shapes(
        self, preset_folder: Path
    ) -> None:
        with pytest.raises(WeightsError, match=r"shape \(128, 32\).*Received: \(64, 32\)"):
            FNetBackbone.from_preset(preset_folder, max_sequence_length=128)

    def test_keeps_the_handle_it_was_loaded_from(self, preset_folder: Path) -> None:
        assert str(FNetBackbone.from_preset(preset_folder).preset_handle) == str(preset_folder)


class TestSaving:
    @pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "mixed_bfloat16"])
    def test_a_saved_preset_loads_with_equal_outputs(self, dtype: str, tmp_path: Path) -> None:
        backbone = FNetBackbone(**SIZES, dtype=dtype)
        backbone.save_to_preset(tmp_path)
        again = FNetBackbone.from_preset(tmp_path, dtype=dtype)
        assert read_checkpoint(tmp_path).dtype == dtype
        inputs = random_inputs()
        for name, values in outputs(backbone, inputs).items():
            np.testing.assert_array_equal(outputs(again, inputs)[name], values)

    def test_saving_over_the_folder_it_was_loaded_from_loses_nothing(self, tmp_path: Path) -> None:
        FNetBackbone(**SIZES).save_to_preset(tmp_path)
        before = read_checkpoint(tmp_path)
        kept = {name: values.copy() for name, values in before.arrays.items()}
        FNetBackbone.from_preset(tmp_path).save_to_preset(tmp_path)
        for name, values in read_checkpoint(tmp_path).arrays.items():
            np.testing.assert_array_equal(values, kept[name])

    @pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize` method:UserWarning")
    @pytest.mark.parametrize("lora", [False, True])
    def test_a_quantised_backbone_is_refused(self, lora: bool, tmp_path: Path) -> None:
        backbone = FNetBackbone(**SIZES)
        backbone.quantize("int8")
        if lora:
            backbone.get_layer("pooled_dense").enable_lora(2)
        with pytest.raises(ConfigError, match="float32, float16, .*Received: 'int8_from_float32'"):
            backbone.save_to_preset(tmp_path)

    def test_a_type_that_no_preset_holds_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="one of float32, float16, .*Received: 'float64'"):
            FNetBackbone(**SIZES, dtype="float64").save_to_preset(tmp_path)

    @pytest.mark.parametrize("layer", ["token_embedding", "embedding_projection"])
    def test_weights_are_saved_with_their_lora_merged(self, layer: str, tmp_path: Path) -> None:
        backbone = FNetBackbone(**SIZES)
        adapted = backbone.get_layer(layer)
        adapted.enable_lora(2)
        for variable in adapted.trainable_variables:
            variable.assign(np.ones(variable.shape))
        backbone.save_to_preset(tmp_path)
        inputs = random_inputs()
        np.testing.assert_array_equal(
            outputs(FNetBackbone.from_preset(tmp_path), inputs)["sequence_output"],
            outputs(backbone, inputs)["sequence_output"],
        )

    def test_keras_own_saved_form_loads(self, tmp_path: Path) -> None:
        backbone = FNetBackbone(**SIZES)
        clone = FNetBackbone.from_config(backbone.get_config())
        backbone.save_weights(tmp_path / "own.weights.h5")
        clone.load_weights(tmp_path / "own.weights.h5")
        inputs = random_inputs()
        np.testing.assert_array_equal(
            outputs(clone, inputs)["pooled_output"], outputs(backbone, inputs)["pooled_output"]
        )

    def test_registers_nothing_under_kerashubs_names(self) -> None:
        assert keras.saving.get_registered_object("keras_hub>FNetBackbone") is None


class TestDtypes:
    def test_without_one_the_global_policy_holds_as_in_kerashub(self, tmp_path: Path) -> None:
        FNetBackbone(**SIZES, dtype="bfloat16").save_to_preset(tmp_path)
        assert FNetBackbone.from_preset(tmp_path).dtype_policy.name == "float32"

    @pytest.mark.parametrize("dtype", ["mixed_bfloat16", "bfloat16", "float16", "mixed_float16"])
    def test_half_precision_follows_float32(self, dtype: str, preset_folder: Path) -> None:
        inputs = random_inputs(length=64, vocabulary=1000)
        exact = outputs(FNetBackbone.from_preset(preset_folder), inputs)["sequence_output"]
        half = FNetBackbone.from_preset(preset_folder, dtype=dtype)
        assert half.compute_dtype == dtype.removeprefix("mixed_")
        cosine = np.sum(exact * outputs(half, inputs)["sequence_output"], axis=-1)
        cosine /= np.linalg.norm(exact, axis=-1)
        cosine /= np.linalg.norm(outputs(half, inputs)["sequence_output"], axis=-1)
        assert cosine.min() > 0.999

    def test_a_policy_object_is_taken_as_well_as_a_name(self) -> None:
        policy = keras.DTypePolicy("mixed_bfloat16")
        assert FNetBackbone(**SIZES, dtype=policy).dtype_policy.name == "mixed_bfloat16"

    def test_float16_stays_finite_where_the_transform_exceeds_its_range(self) -> None:
        backbone = FNetBackbone(
            **{**SIZES, "hidden_dim": 512, "max_sequence_length": 256}, dtype="float16"
        )
        projection = backbone.get_layer("embedding_projection")
        projection.bias.assign(np.full(512, 2.0))
        result = outputs(backbone, random_inputs(length=256))
        assert all(np.isfinite(values).all() for values in result.values())


class TestTraining:
    def test_fit_lowers_the_loss(self) -> None:
        keras.utils.set_random_seed(0)
        backbone = FNetBackbone(**SIZES, dropout=0.0)
        score = keras.layers.Dense(1)(backbone.output["pooled_output"])
        model = keras.Model(backbone.input, score)
        model.compile(optimizer=keras.optimizers.Adam(1e-2), loss="mse")
        inputs = random_inputs(batch=16)
        labels = inputs["token_ids"].mean(axis=1, keepdims=True) / 50
        history = model.fit(inputs, labels, epochs=12, batch_size=8, verbose=0).history["loss"]
        assert history[-1] < 0.5 * history[0]

    def test_every_variable_has_a_gradient_through_the_transform(self) -> None:
        backbone = FNetBackbone(**SIZES, dropout=0.0)
        result = backbone(random_inputs(), training=True)
        (
            ops.sum(result["pooled_output"]) + ops.sum(ops.square(result["sequence_output"]))
        ).backward()
        gradients = {v.path: v.value.grad for v in backbone.trainable_variables}
        assert [path for path, gradient in gradients.items() if gradient is None] == []

    def test_dropout_acts_in_training_only(self) -> None:
        backbone = FNetBackbone(**SIZES, dropout=0.5)
        inputs = random_inputs()
        still = [outputs(backbone, inputs)["pooled_output"] for _ in range(2)]
        np.testing.assert_array_equal(*still)
        moving = backbone(inputs, training=True)["pooled_output"]
        assert not np.array_equal(ops.convert_to_numpy(moving), still[0])
