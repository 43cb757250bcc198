"""What lies in a saved model, and what may be saved."""

import json
import sys
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature, infer_signature
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema

import fnet_mlflow
from fnet_mlflow.registry.catalog import list_versions
from fnet_mlflow.saving.save import SaveOptions
from fnet_registry import EncodingConfig, FNetBackbone, TextEncoder
from fnet_registry.errors import ConfigError, HandleError, ModelError, PresetError
from fnet_registry.presets.checkpoint import Checkpoint, read_checkpoint

TEXTS = ["a text", "another one"]


def test_the_files_of_a_model(saved_model: Path):
    assert sorted(path.name for path in saved_model.iterdir()) == [
        "MLmodel",
        "code",
        "conda.yaml",
        "data",
        "input_example.json",
        "python_env.yaml",
        "requirements.txt",
        "serving_input_example.json",
    ]
    assert not list(saved_model.rglob("__pycache__"))


def test_the_data_folder_is_a_preset(saved_model: Path, checkpoint: Checkpoint):
    stored = read_checkpoint(saved_model / "data")
    assert stored.config == checkpoint.config
    assert stored.tokenizer_proto == checkpoint.tokenizer_proto
    assert stored.arrays.keys() == checkpoint.arrays.keys()
    for name, array in checkpoint.arrays.items():
        np.testing.assert_array_equal(stored.arrays[name], array)


def test_keras_loads_the_data_folder(saved_model: Path):
    backbone = FNetBackbone.from_preset(str(saved_model / "data"))
    assert backbone.count_params() == 44_992


def test_a_model_without_a_pooler_is_saved_and_loaded(poolerless_folder: Path, tmp_path: Path):
    fnet_mlflow.save_model(poolerless_folder, tmp_path / "model")
    expected = TextEncoder.from_preset(poolerless_folder).encode(TEXTS)
    np.testing.assert_array_equal(
        mlflow.pyfunc.load_model(str(tmp_path / "model")).predict(TEXTS), expected
    )
    loaded = fnet_mlflow.load_model(tmp_path / "model")
    assert list(loaded.backbone.output) == ["sequence_output"]
    with pytest.raises(ConfigError, match="'mean' or 'cls' for a model without a pooler"):
        fnet_mlflow.save_model(poolerless_folder, tmp_path / "other", pooling="pooled")


def test_the_weights_are_stored_once(saved_model: Path):
    big = [path.name for path in saved_model.rglob("*.*") if path.stat().st_size > 200_000]
    assert sorted(big) == ["model.weights.h5", "vocabulary.spm"]


def test_the_signature(saved_model: Path):
    signature = Model.load(saved_model).signature
    assert signature is not None
    assert signature.to_dict() == {
        "inputs": '[{"type": "string", "required": true}]',
        "outputs": '[{"type": "array", "items": {"type": "float"}, "required": true}]',
        "params": json.dumps(
            [
                {"name": "normalize", "default": None, "shape": None, "type": "boolean"},
                {"name": "batch_size", "default": None, "shape": None, "type": "long"},
                {"name": "long_text", "default": None, "shape": None, "type": "string"},
            ]
        ),
    }


def test_every_load_time_setting_is_saved(saved_model: Path):
    assert Model.load(saved_model).flavors["python_function"]["config"] == {
        "device": None,
        "dtype": None,
        "batch_size": None,
        "num_threads": None,
        "verify": False,
    }


def test_metadata_tells_a_client_what_it_gets(saved_model: Path, preset_folder: Path):
    metadata = Model.load(saved_model).metadata
    assert metadata is not None
    assert metadata["embedding_dim"] == 32
    assert metadata["pooling"] == "mean"
    assert metadata["sequence_length"] == 64
    assert metadata["handle"] == str(preset_folder)
    assert len(metadata["source_sha256"]["model.weights.h5"]) == 64


def test_a_users_metadata_is_added(registry: Path, preset_folder: Path):
    fnet_mlflow.save_model(preset_folder, registry / "m", metadata={"team": "search"})
    metadata = Model.load(registry / "m").metadata
    assert metadata is not None
    assert (metadata["team"], metadata["embedding_dim"]) == ("search", 32)


def test_an_encoder_is_saved_with_its_encoding(registry: Path, preset_folder: Path):
    encoder = TextEncoder.from_preset(preset_folder, sequence_length=16, pooling="cls")
    fnet_mlflow.save_model(encoder, registry / "m")
    np.testing.assert_array_equal(
        mlflow.pyfunc.load_model("m").predict(TEXTS), encoder.encode(TEXTS)
    )


def test_a_handle_is_saved_with_the_encoding_asked_for(registry: Path, preset_folder: Path):
    fnet_mlflow.save_model(
        preset_folder, registry / "m", sequence_length=16, pooling="pooled", normalize=True
    )
    loaded = fnet_mlflow.load_model(str(registry / "m"))
    assert loaded.config == EncodingConfig(sequence_length=16, pooling="pooled", normalize=True)


def test_a_tuned_backbone_is_saved_with_its_tokenizer(registry: Path, encoder: TextEncoder):
    backbone = FNetBackbone.from_config(encoder.backbone.get_config())
    fnet_mlflow.save_model(backbone, registry / "m", tokenizer=encoder.tokenizer)
    expected = TextEncoder(backbone, encoder.tokenizer).encode(TEXTS)
    np.testing.assert_array_equal(mlflow.pyfunc.load_model("m").predict(TEXTS), expected)


def test_kerashubs_own_backbone_is_refused_with_the_way_out(encoder: TextEncoder):
    backbone = type("FNetBackbone", (), {})()
    with pytest.raises(TypeError, match=r"for example FNetBackbone.from_preset\(folder\)"):
        fnet_mlflow.save_model(backbone, "m", tokenizer=encoder.tokenizer)


def test_an_encoder_whose_backbone_was_trained_further_is_refused(
    registry: Path, preset_folder: Path
):
    encoder = TextEncoder.from_preset(preset_folder)
    fnet_mlflow.save_model(encoder, registry / "before")
    bias = encoder.backbone.tensors()["layers.1.output_norm.beta"]
    fnet_mlflow.save_model(encoder, registry / "untrained")
    bias.assign(np.asarray(bias) + 1.0)
    with pytest.raises(ModelError, match=r"log_model\(encoder\.backbone, tokenizer="):
        fnet_mlflow.save_model(encoder, registry / "after")


def test_a_signature_that_names_no_texts_is_refused(registry: Path, preset_folder: Path):
    signature = ModelSignature(inputs=Schema([ColSpec("string", "body")]))
    with pytest.raises(ModelError, match="'text' or 'input'.* Received: body"):
        fnet_mlflow.save_model(preset_folder, registry / "m", signature=signature)


def signature_with(parameter: str) -> ModelSignature:
    params = ParamSchema([ParamSpec(parameter, "boolean", None)])
    return ModelSignature(inputs=Schema([ColSpec("string")]), params=params)


def test_a_signature_with_a_parameter_of_no_use_is_refused(registry: Path, preset_folder: Path):
    fnet_mlflow.save_model(preset_folder, registry / "m", signature=signature_with("normalize"))
    with pytest.raises(ModelError, match="normalize, batch_size, long_text. .*'temperature'"):
        fnet_mlflow.save_model(
            preset_folder, registry / "n", signature=signature_with("temperature")
        )


class TestSignature:
    @pytest.mark.parametrize(
        "inputs",
        [TEXTS, "a text", np.array(TEXTS), pd.Series(TEXTS), pd.DataFrame({"text": TEXTS})],
        ids=["list", "text", "array", "series", "frame"],
    )
    def test_one_that_mlflow_infers(
        self, registry: Path, encoder: TextEncoder, inputs: Any, monkeypatch: pytest.MonkeyPatch
    ):
        # Imported under a main module that has no file, as xdist's, pyspark ends the process.
        monkeypatch.setattr(sys.modules["__main__"], "__file__", __file__, raising=False)
        expected = encoder.encode(["a text"] if isinstance(inputs, str) else TEXTS)
        signature = infer_signature(inputs, expected)
        fnet_mlflow.save_model(encoder, "m", signature=signature)
        assert Model.load("m").signature == signature
        np.testing.assert_array_equal(mlflow.pyfunc.load_model("m").predict(inputs), expected)

    def test_the_flavors_own(self, registry: Path, encoder: TextEncoder, saved_model: Path):
        signature = Model.load(saved_model).signature
        fnet_mlflow.save_model(encoder, "m", signature=signature)
        assert Model.load("m").signature == signature

    @pytest.mark.parametrize(
        "data",
        [
            TEXTS,
            np.array(TEXTS).reshape(2, 1),
            pd.Series(TEXTS),
            pd.DataFrame({"id": [1, 2], "text": TEXTS}),
            {"text": TEXTS},
            {"text": np.array(TEXTS)},
            [{"text": text} for text in TEXTS],
        ],
        ids=["list", "array", "series", "frame", "mapping", "mapping of array", "records"],
    )
    def test_false_stores_none(self, registry: Path, encoder: TextEncoder, data: Any):
        fnet_mlflow.save_model(encoder, "m", signature=False)
        assert Model.load("m").signature is None
        loaded = mlflow.pyfunc.load_model("m")
        np.testing.assert_array_equal(loaded.predict(data), encoder.encode(TEXTS))
        np.testing.assert_array_equal(loaded.predict("a text"), encoder.encode(["a text"]))
        for odd in (None, 3, {"body": TEXTS}, [None], np.zeros((2, 2))):
            with pytest.raises(MlflowException, match="Received"):
                loaded.predict(odd)

    @pytest.mark.parametrize("signature", [True, "string", {"inputs": "string"}])
    def test_what_is_none_is_refused(self, registry: Path, preset_folder: Path, signature: Any):
        with pytest.raises(ModelError, match=r"ModelSignature, or False.*infer_signature\("):
            fnet_mlflow.save_model(preset_folder, "m", signature=signature)

    def test_one_of_numbers_is_refused(self, registry: Path, preset_folder: Path):
        signature = ModelSignature(inputs=Schema([ColSpec("long")]))
        with pytest.raises(ModelError, match="must take texts.*Received: .*long"):
            fnet_mlflow.save_model(preset_folder, "m", signature=signature)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"dtype": "float16"}, "`dtype` must be float32 or bfloat16. Received: 'float16'"),
        ({"batch_size": "8"}, "`batch_size` must be a positive integer. Received: '8'"),
        ({"num_threads": 0}, "`num_threads` must be a positive integer. Received: 0"),
        ({"verify": "no"}, "`verify` must be True or False. Received: 'no'"),
        ({"device": 0}, "`device` must be a torch device such as 'cpu'"),
        ("settings.yml", "must be a mapping, .* Received: settings.yml"),
    ],
)
def test_a_load_time_setting_that_no_machine_can_use_is_not_saved(
    registry: Path, preset_folder: Path, settings: Any, words: str
):
    with pytest.raises(ConfigError, match=words):
        fnet_mlflow.save_model(preset_folder, registry / "m", model_config=settings)


def test_a_backbone_without_a_tokenizer_is_refused(registry: Path, encoder: TextEncoder):
    with pytest.raises(TypeError, match=r"tokenizer=.*Received: tokenizer=None"):
        fnet_mlflow.save_model(encoder.backbone, registry / "m")


def test_an_encoder_brings_its_own_encoding(registry: Path, encoder: TextEncoder):
    with pytest.raises(TypeError, match=r"has its encoding already.*'pooling': 'cls'"):
        fnet_mlflow.save_model(encoder, registry / "m", pooling="cls")


@pytest.mark.parametrize("option", ["pool", "code_path"])
def test_an_option_that_does_not_exist_is_named_beside_those_that_do(
    registry: Path, preset_folder: Path, option: str
):
    expected = f"Expected the options sequence_length, .*pooling.* Received: {option}"
    for save in (
        lambda **wrong: fnet_mlflow.save_model(preset_folder, "m", **wrong),
        lambda **wrong: fnet_mlflow.log_model(preset_folder, "m", **wrong),
        lambda **wrong: fnet_mlflow.register_preset(preset_folder, "m", **wrong),
    ):
        with pytest.raises(TypeError, match=expected):
            save(**{option: "cls"})
    for use in (fnet_mlflow.load_model, fnet_mlflow.verify_model):
        with pytest.raises(TypeError, match=f"Expected the options device, .* Received: {option}"):
            use("m", **{option: "cls"})


def test_none_is_the_default_of_every_option(registry: Path, preset_folder: Path):
    options = SaveOptions.__annotations__
    fnet_mlflow.save_model(preset_folder, "m", **dict.fromkeys(options))
    assert fnet_mlflow.load_model("m").config == EncodingConfig(sequence_length=64)
    assert Model.load("m").signature is not None


def test_anything_else_is_refused(registry: Path):
    with pytest.raises(TypeError, match="Expected a TextEncoder.*Received: int"):
        fnet_mlflow.save_model(3, registry / "m")
    with pytest.raises(HandleError, match="No such folder"):
        fnet_mlflow.save_model("nowhere", registry / "m")
    with pytest.raises(PresetError, match="must hold `config.json`"):
        fnet_mlflow.save_model(registry, registry / "m")
    assert not (registry / "m").exists()


def test_a_folder_that_holds_something_is_refused(saved_model: Path, preset_folder: Path):
    with pytest.raises(MlflowException, match="already exists and is not empty"):
        fnet_mlflow.save_model(preset_folder, saved_model)


def test_what_changes_a_vector_is_no_load_time_setting(registry: Path, preset_folder: Path):
    with pytest.raises(ValueError, match="belongs to the version. Received: pooling"):
        fnet_mlflow.save_model(preset_folder, registry / "m", model_config={"pooling": "cls"})


def test_extra_files_lie_beside_the_model(registry: Path, preset_folder: Path):
    (registry / "notes.txt").write_text("tuned on queries")
    fnet_mlflow.save_model(preset_folder, registry / "m", extra_files=["notes.txt"])
    assert (registry / "m" / "extra_files" / "notes.txt").read_text() == "tuned on queries"
    assert Model.load("m").flavors["fnet"]["extra_files"] == [{"path": "extra_files/notes.txt"}]


def test_extra_files_that_are_no_list_are_refused(registry: Path, preset_folder: Path):
    with pytest.raises(TypeError, match="`extra_files` must be a list.*Received: 'notes.txt'"):
        fnet_mlflow.save_model(preset_folder, "m", extra_files="notes.txt")


@pytest.mark.filterwarnings("ignore:Operation with range is deprecated")  # MLflow's reading
@pytest.mark.parametrize(
    "example",
    [
        "a text",
        TEXTS,
        np.array(TEXTS),
        pd.DataFrame({"text": TEXTS}),
        {"text": TEXTS},
        [{"text": "a text"}],
        (TEXTS, {"normalize": True}),
    ],
    ids=["text", "list", "array", "frame", "mapping", "records", "with parameters"],
)
def test_an_input_example_of_any_form_can_be_predicted(
    registry: Path, preset_folder: Path, example: Any
):
    fnet_mlflow.save_model(preset_folder, "m", input_example=example)
    loaded = mlflow.pyfunc.load_model("m")
    texts = example[0] if isinstance(example, tuple) else example
    np.testing.assert_array_equal(loaded.predict(loaded.input_example), loaded.predict(texts))
    serving = Model.load("m").get_serving_input("m")
    assert serving is not None
    assert "a text" in serving


def test_everything_that_a_logged_model_may_be_given(registry: Path, preset_folder: Path):
    with mlflow.start_run() as run:
        info = fnet_mlflow.log_model(
            preset_folder,
            "fnet",
            registered_model_name="fnet",
            await_registration_for=5,
            params={"corpus": "queries"},
            tags={"team": "search"},
            model_type="encoder",
            metadata={"owner": "us"},
        )
    logged = mlflow.get_logged_model(info.model_id)
    assert (logged.tags["team"], logged.params["corpus"]) == ("search", "queries")
    assert (logged.model_type, info.metadata["owner"]) == ("encoder", "us")
    version = mlflow.MlflowClient().get_model_version("fnet", "1")
    assert version.tags["team"] == "search"
    assert [entry.version for entry in list_versions("fnet")] == [1]
    assert not fnet_mlflow.register_preset(preset_folder, "fnet").created
    assert fnet_mlflow.load_model(f"runs:/{run.info.run_id}/fnet").dim == 32


def test_logging_without_a_run(registry: Path, preset_folder: Path, encoder: TextEncoder):
    info = fnet_mlflow.log_model(preset_folder, name="fnet", params={"corpus": "queries"})
    np.testing.assert_array_equal(
        mlflow.pyfunc.load_model(info.model_uri).predict(TEXTS), encoder.encode(TEXTS)
    )
    logged = mlflow.MlflowClient().get_logged_model(info.model_id)
    assert logged.status == "READY"
    assert logged.params["sequence_length"] == "64"
    assert logged.params["corpus"] == "queries"
    assert mlflow.search_runs(output_format="list") == []


def test_logging_to_a_run_and_registering(registry: Path, encoder: TextEncoder):
    with mlflow.start_run() as run:
        info = fnet_mlflow.log_model(encoder, name="fnet", registered_model_name="fnet")
    assert info.run_id == run.info.run_id
    assert info.registered_model_version == 1
    np.testing.assert_array_equal(
        fnet_mlflow.load_model("models:/fnet/1").encode(TEXTS), encoder.encode(TEXTS)
    )


def test_a_log_that_fails_leaves_nothing_to_load(registry: Path, preset_folder: Path):
    with pytest.raises(Exception, match="at most 64"):
        fnet_mlflow.log_model(preset_folder, name="fnet", sequence_length=65)
    assert [model.status for model in mlflow.search_logged_models(output_format="list")] == [
        "FAILED"
    ]


class TestRequirements:
    def test_the_default_is_stated_with_exact_versions(self, saved_model: Path):
        stated = (saved_model / "requirements.txt").read_text().splitlines()
        assert stated == fnet_mlflow.get_default_pip_requirements()
        assert [line.partition("==")[0] for line in stated] == [
            "mlflow",
            "h5py",
            "ml_dtypes",
            "numpy",
            "safetensors",
            "sentencepiece",
            "torch",
        ]
        assert not any("+" in line for line in stated), "an index knows no local versions"
        conda = yaml.safe_load((saved_model / "conda.yaml").read_text())
        assert conda == fnet_mlflow.get_default_conda_env()

    def test_an_unrelated_project_in_the_working_directory_changes_nothing(
        self, registry: Path, preset_folder: Path
    ):
        (registry / "uv.lock").write_text("version = 1\n")
        (registry / "pyproject.toml").write_text("[project]\nname = 'other'\nversion = '1'\n")
        fnet_mlflow.save_model(preset_folder, "m")
        stated = Path("m/requirements.txt").read_text().splitlines()
        assert stated == fnet_mlflow.get_default_pip_requirements()
        assert not Path("m/uv.lock").exists()

    def test_requirements_replaced(self, registry: Path, preset_folder: Path):
        Path("c.txt").write_text("numpy<3\n")
        stated = ["mlflow==3.17.2", "torch", "-c c.txt"]
        fnet_mlflow.save_model(preset_folder, "m", pip_requirements=stated)
        assert Path("m/requirements.txt").read_text().splitlines() == [
            "mlflow==3.17.2",
            "torch",
            "-c constraints.txt",
        ]
        assert Path("m/constraints.txt").read_text() == "numpy<3"

    def test_requirements_of_files_within_files(self, registry: Path, preset_folder: Path):
        Path("c.txt").write_text("numpy<3\n")
        Path("base.txt").write_text("torch\n# not needed\n")
        Path("all.txt").write_text("-r base.txt\n-c c.txt\nzstandard\n")
        fnet_mlflow.save_model(preset_folder, "m", pip_requirements=Path("all.txt"))
        assert Path("m/requirements.txt").read_text().splitlines() == [
            "mlflow==3.17.2",
            "torch",
            "zstandard",
            "-c constraints.txt",
        ]
        assert Path("m/constraints.txt").read_text() == "numpy<3"

    @pytest.mark.parametrize("form", [dict, str, Path])
    def test_a_conda_environment(self, registry: Path, preset_folder: Path, form: Any):
        environment = {
            "name": "mine",
            "dependencies": ["python=3.11", {"pip": ["mlflow", "torch"]}],
        }
        Path("conda.yaml").write_text(yaml.safe_dump(environment))
        given = environment if form is dict else form("conda.yaml")
        fnet_mlflow.save_model(preset_folder, "m", conda_env=given)
        assert yaml.safe_load(Path("m/conda.yaml").read_text()) == environment
        assert Path("m/requirements.txt").read_text().splitlines() == ["mlflow", "torch"]

    @pytest.mark.parametrize(
        "extra", ["more.txt", Path("more.txt"), ["zstandard==0.23"], ["-r more.txt"]], ids=str
    )
    def test_requirements_added(self, registry: Path, preset_folder: Path, extra: Any):
        Path("more.txt").write_text("zstandard==0.23\n")
        fnet_mlflow.save_model(preset_folder, "m", extra_pip_requirements=extra)
        stated = Path("m/requirements.txt").read_text().splitlines()
        assert stated == [*fnet_mlflow.get_default_pip_requirements(), "zstandard==0.23"]

    def test_only_one_way_to_state_them(self, registry: Path, preset_folder: Path):
        with pytest.raises(ValueError, match="Only one of `conda_env`"):
            fnet_mlflow.save_model(
                preset_folder, "m", pip_requirements=["torch"], extra_pip_requirements=["x"]
            )
