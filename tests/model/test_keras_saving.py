"""FNetBackbone in Keras's own saved forms, alone and inside a user's model."""

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest

from fnet_registry import FNetBackbone
from fnet_registry.model.keras_backend import keras
from tests.model.test_backbone import SIZES, outputs, random_inputs
from tests.programs import run_program


def assert_same_outputs(one: FNetBackbone, other: FNetBackbone) -> None:
    assert type(other) is FNetBackbone
    expected, received = (outputs(backbone, random_inputs()) for backbone in (one, other))
    assert received.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(received[name], values)


def classifier(backbone: FNetBackbone) -> keras.Model:
    pooled = keras.layers.Dropout(0.1)(backbone(backbone.input)["pooled_output"])
    return keras.Model(backbone.input, keras.layers.Dense(3)(pooled))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "mixed_bfloat16", "float16"])
def test_a_saved_backbone_loads(dtype: str, tmp_path: Path) -> None:
    backbone = FNetBackbone(**SIZES, dtype=dtype, name="mine")
    backbone.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    assert_same_outputs(backbone, loaded)
    assert loaded.name == "mine"
    assert loaded.dtype_policy.name == dtype


@pytest.mark.parametrize("graph", ["nested", "shared"])
def test_a_model_built_on_a_backbone_loads(graph: str, tmp_path: Path) -> None:
    backbone = FNetBackbone(**SIZES)
    model = classifier(backbone)
    if graph == "shared":
        model = keras.Model(backbone.input, keras.layers.Dense(3)(backbone.output["pooled_output"]))
    model.save(tmp_path / "m.keras")
    np.testing.assert_array_equal(
        keras.models.load_model(tmp_path / "m.keras").predict(random_inputs(), verbose=0),
        model.predict(random_inputs(), verbose=0),
    )


@pytest.mark.parametrize(
    "imports",
    ["from fnet_registry import FNetBackbone; import keras", "import keras, fnet_registry"],
)
def test_loads_in_another_process(
    imports: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    model = classifier(FNetBackbone(**SIZES))
    model.save(tmp_path / "m.keras")
    program = (
        f"{imports}; model = keras.models.load_model({str(tmp_path / 'm.keras')!r});"
        "print(model.count_params())"
    )
    assert run_program(program) == str(model.count_params())


def test_a_compiled_model_goes_on_training_after_loading(tmp_path: Path) -> None:
    model = classifier(FNetBackbone(**SIZES))
    model.compile(optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(True))
    data = random_inputs(), np.array([0, 1, 2])
    model.fit(*data, verbose=0)
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    assert loaded.evaluate(*data, verbose=0) == pytest.approx(model.evaluate(*data, verbose=0))
    loaded.fit(*data, verbose=0)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda b: pickle.loads(pickle.dumps(b))])
def test_copies_are_whole(copied: object) -> None:
    backbone = FNetBackbone(**SIZES)
    assert_same_outputs(backbone, copied(backbone))  # type: ignore[operator]


def test_a_clone_has_the_layers_and_takes_the_weights() -> None:
    backbone = FNetBackbone(**SIZES)
    clone = keras.models.clone_model(backbone)
    clone.set_weights(backbone.get_weights())
    np.testing.assert_array_equal(
        clone.predict(random_inputs(), verbose=0)["pooled_output"],
        backbone.predict(random_inputs(), verbose=0)["pooled_output"],
    )


@pytest.mark.parametrize(
    "arguments",
    [{}, {"dtype": "mixed_bfloat16", "name": "mine"}, {"trainable": False}, {"pooler": False}],
)
def test_the_configuration_makes_the_same_backbone(arguments: dict[str, object]) -> None:
    backbone = FNetBackbone(**SIZES, **arguments)  # type: ignore[arg-type]
    revived = FNetBackbone.from_config(backbone.get_config())
    assert revived.get_config() == backbone.get_config()
    serialized = keras.saving.serialize_keras_object(backbone)
    assert serialized["registered_name"] == "fnet_registry>FNetBackbone"
    assert keras.saving.deserialize_keras_object(serialized).get_config() == backbone.get_config()


@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize` method:UserWarning")
def test_a_quantised_backbone_loads(tmp_path: Path) -> None:
    backbone = FNetBackbone(**SIZES)
    backbone.quantize("int8")
    backbone.save(tmp_path / "m.keras")
    assert_same_outputs(backbone, keras.models.load_model(tmp_path / "m.keras"))
    assert FNetBackbone.from_config(backbone.get_config()).get_config() == backbone.get_config()


def test_a_backbone_without_a_pooler_loads(tmp_path: Path) -> None:
    backbone = FNetBackbone(**SIZES, pooler=False)
    backbone.save(tmp_path / "m.keras")
    assert_same_outputs(backbone, keras.models.load_model(tmp_path / "m.keras"))


def test_exports_to_torch(tmp_path: Path) -> None:
    FNetBackbone(**SIZES).export(tmp_path / "m.pt2", format="torch", verbose=False)
    assert (tmp_path / "m.pt2").stat().st_size > 0
