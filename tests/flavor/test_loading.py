"""Loading: in a fresh process, from any folder, offline, at once, and from stores of every kind."""

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import mlflow
import numpy as np
import pytest
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from mlflow.utils.file_utils import local_file_uri_to_path

import fnet_mlflow
from fnet_mlflow.saving.data_folder import check_files
from fnet_ray.model import resolve_model
from fnet_registry import TextEncoder
from fnet_registry.errors import DamagedFileError, FormatError, ModelError, ProbeError
from fnet_registry.presets.folder import digest_file

TEXTS = ["a text", "another one"]
STORED = Path(__file__).parent / "stored"

PREDICT = """
import sys, mlflow, numpy
model = mlflow.pyfunc.load_model(sys.argv[1])
numpy.save(sys.argv[2], model.predict(["a text", "another one"]))
"""


def predict_in_process(model_uri: str, folder: Path, **environment: str) -> np.ndarray:
    """Loads and predicts in a fresh process whose working directory is the folder."""
    output = folder / "vectors.npy"
    command = [sys.executable, "-W", "error::ImportWarning", "-c", PREDICT, model_uri, str(output)]
    variables = os.environ | {"MLFLOW_TRACKING_URI": mlflow.get_tracking_uri()} | environment
    result = subprocess.run(
        command, cwd=folder, env=variables, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return np.load(output)


@pytest.fixture(scope="module")
def expected(encoder: TextEncoder) -> np.ndarray:
    return encoder.encode(TEXTS)


def test_a_registered_version_in_a_fresh_process(
    register: Callable, registry: Path, expected: np.ndarray
):
    register()
    vectors = predict_in_process("models:/fnet/1", registry)
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors, expected)


def test_folders_in_the_working_directory_break_nothing(
    saved_model: Path, registry: Path, expected: np.ndarray
):
    for name in ("flavors", "pipelines", "code", "fnet", "data"):
        (registry / name).mkdir()
        (registry / name / "__init__.py").write_text("raise RuntimeError('imported by mistake')")
    vectors = predict_in_process(str(saved_model), registry, PYTHONPATH=str(registry))
    np.testing.assert_array_equal(vectors, expected)


def test_offline(register: Callable, registry: Path, expected: np.ndarray):
    register()
    vectors = predict_in_process(
        "models:/fnet/1", registry, HF_HUB_OFFLINE="1", HTTPS_PROXY="http://127.0.0.1:9"
    )
    np.testing.assert_array_equal(vectors, expected)


def test_many_threads_at_once(register: Callable, expected: np.ndarray):
    register()
    with ThreadPoolExecutor(max_workers=4) as pool:
        uris = ["models:/fnet/1"] * 8
        for model in pool.map(fnet_mlflow.load_model, uris):
            np.testing.assert_array_equal(model.encode(TEXTS), expected)


def test_one_model_serves_many_threads(pyfunc_model, expected: np.ndarray):
    with ThreadPoolExecutor(max_workers=4) as pool:
        for vectors in pool.map(pyfunc_model.predict, [TEXTS] * 16):
            np.testing.assert_array_equal(vectors, expected)


def test_native_and_pyfunc_are_the_same_model(register: Callable):
    register()
    native = fnet_mlflow.load_model("models:/fnet/1")
    served = mlflow.pyfunc.load_model("models:/fnet/1")
    assert isinstance(native, TextEncoder)
    assert isinstance(served.get_raw_model(), TextEncoder)
    np.testing.assert_array_equal(native.encode(TEXTS), served.predict(TEXTS))


@pytest.mark.parametrize(
    "uri", ["models:/fnet/1", "models:/fnet@champion", "models:/fnet/latest", "logged model"]
)
def test_every_uri_of_a_version(register: Callable, uri: str, expected: np.ndarray):
    register(alias="champion")
    if uri == "logged model":
        (logged,) = mlflow.search_logged_models(output_format="list")
        uri = f"models:/{logged.model_id}"
    np.testing.assert_array_equal(fnet_mlflow.load_model(uri).encode(TEXTS), expected)


def test_a_local_store_is_read_in_place_and_not_written_to(register: Callable, registry: Path):
    register()
    before = sorted(path for path in registry.rglob("*"))
    fnet_mlflow.load_model("models:/fnet/1")
    assert sorted(path for path in registry.rglob("*")) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes to read-only folders")
def test_a_store_that_cannot_be_written_to(
    register: Callable, registry: Path, expected: np.ndarray, tmp_path: Path
):
    register()
    for path in (registry / "artifacts").rglob("*"):
        path.chmod(path.stat().st_mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))
    np.testing.assert_array_equal(fnet_mlflow.load_model("models:/fnet/1").encode(TEXTS), expected)
    copy = tmp_path / "copy"
    copy.mkdir()
    served = mlflow.pyfunc.load_model("models:/fnet/1", dst_path=str(copy))
    np.testing.assert_array_equal(served.predict(TEXTS), expected)


def test_downloading_to_a_folder(register: Callable, registry: Path, expected: np.ndarray):
    register()
    copy = registry / "copy"
    copy.mkdir()
    model = fnet_mlflow.load_model("models:/fnet/1", dst_path=str(copy))
    np.testing.assert_array_equal(model.encode(TEXTS), expected)
    assert (copy / "data" / "model.weights.h5").is_file()


class TestSettings:
    """MLflow's three ways to choose settings at load, and the native one."""

    def test_argument(self, saved_model: Path):
        model = mlflow.pyfunc.load_model(str(saved_model), model_config={"dtype": "bfloat16"})
        assert model.get_raw_model().dtype == "bfloat16"

    def test_environment(self, saved_model: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("MLFLOW_PYFUNC_INFERENCE_CONFIG", '{"batch_size": 3}')
        assert mlflow.pyfunc.load_model(str(saved_model)).get_raw_model().batch_size == 3

    def test_file(self, saved_model: Path, tmp_path: Path):
        (tmp_path / "config.yaml").write_text("device: cpu\nbatch_size: 5\n")
        model = mlflow.pyfunc.load_model(
            str(saved_model), model_config=str(tmp_path / "config.yaml")
        )
        assert model.get_raw_model().batch_size == 5

    def test_native(self, registry: Path, preset_folder: Path):
        fnet_mlflow.save_model(preset_folder, "m", model_config={"batch_size": 7})
        assert fnet_mlflow.load_model("m").batch_size == 7
        assert fnet_mlflow.load_model("m", batch_size=2, dtype="bfloat16").batch_size == 2

    def test_an_impossible_one(self, saved_model: Path):
        with pytest.raises(ValueError, match="batch_size"):
            mlflow.pyfunc.load_model(str(saved_model), model_config={"batch_size": -1})


class TestDamage:
    """Stored files are checked against their digests before anything is built from them."""

    @pytest.mark.parametrize(
        "name", ["model.weights.h5", "config.json", "assets/tokenizer/vocabulary.spm", "probe.npz"]
    )
    def test_a_changed_byte(self, model_copy: Path, name: str):
        data = bytearray((model_copy / "data" / name).read_bytes())
        data[len(data) // 2] ^= 1
        (model_copy / "data" / name).write_bytes(data)
        with pytest.raises(DamagedFileError, match=f"other bytes in {name}"):
            mlflow.pyfunc.load_model(str(model_copy))

    @pytest.mark.parametrize("name", ["./config.json", "../MLmodel", "a/../config.json", "/etc/x"])
    def test_a_file_is_recorded_under_one_name(self, name: str, model_copy: Path):
        with pytest.raises(DamagedFileError, match=f"names as they were saved.*'{name}'"):
            check_files(model_copy / "data", {name: ""})

    def test_a_missing_file(self, model_copy: Path):
        (model_copy / "data" / "model.weights.h5").unlink()
        with pytest.raises(DamagedFileError, match=r"Expected the file model\.weights\.h5"):
            mlflow.pyfunc.load_model(str(model_copy))

    def test_no_record(self, model_copy: Path):
        (model_copy / "data" / "encoding.json").unlink()
        with pytest.raises(FormatError, match=r"Expected the file encoding\.json"):
            fnet_mlflow.load_model(str(model_copy))


def load_natively(model: Path) -> TextEncoder:
    return fnet_mlflow.load_model(str(model))


def load_as_pyfunc(model: Path) -> TextEncoder:
    return mlflow.pyfunc.load_model(str(model)).get_raw_model()


def edit_record(model: Path, **encoding: Any) -> None:
    record = json.loads((model / "data" / "encoding.json").read_text())
    record["encoding"] |= encoding
    (model / "data" / "encoding.json").write_text(json.dumps(record))


def flip_weights(model: Path) -> None:
    """Changes one weight, and the digest that the record has of the file."""
    weights = model / "data" / "model.weights.h5"
    with h5py.File(weights, "r+") as file:
        file["layers/dense/vars/1"][0] += 1.0
    record = json.loads((model / "data" / "encoding.json").read_text())
    record["sha256"]["model.weights.h5"] = digest_file(weights)
    (model / "data" / "encoding.json").write_text(json.dumps(record))


def flip_settings(model: Path) -> None:
    path = model / "MLmodel"
    path.write_text(path.read_text().replace("dtype: null", "dtype: bfloat16"))


CHANGES: dict[str, Callable[[Path], None]] = {
    "pad length": lambda model: edit_record(model, sequence_length=63),
    "pooling": lambda model: edit_record(model, pooling="cls"),
    "normalize": lambda model: edit_record(model, normalize=True),
    "buckets": lambda model: edit_record(model, padding="bucket", buckets=[8, 64]),
    "int8": lambda model: edit_record(model, quantization="int8"),
    "weights beside their rewritten digest": flip_weights,
    "saved dtype": flip_settings,
}


class TestContent:
    """All that changes a vector is compared with the digest in MLmodel, at every load."""

    @pytest.mark.parametrize("load", [load_natively, load_as_pyfunc])
    @pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
    def test_a_model_that_would_give_other_vectors_does_not_load(
        self, model_copy: Path, change: Callable[[Path], None], load: Callable
    ):
        change(model_copy)
        with pytest.raises(DamagedFileError, match="Expected the weights, .*Received"):
            load(model_copy)

    def test_it_is_the_digest_of_the_version(self, register: Callable):
        register(pooling="cls", model_config={"dtype": "bfloat16"})
        version = mlflow.MlflowClient().get_model_version("fnet", "1")
        conf = Model.load("models:/fnet/1").flavors["fnet"]
        assert conf["content_sha256"] == version.tags["fnet.content_sha256"]

    @pytest.mark.parametrize("preset", ["transformers_base", "transformers_bin", "kerashub"])
    def test_a_preset_of_any_format_has_the_digest_of_what_is_saved(
        self, registry: Path, data_folder: Path, preset: str
    ):
        fnet_mlflow.save_model(data_folder / preset, "m", quantization="int8", buckets=[8, 64])
        assert fnet_mlflow.load_model("m").config.buckets == (8, 64)

    @pytest.mark.parametrize(
        "uri", ["models:/fnet/1", "models:/fnet@champion", "models:/fnet/latest", "logged model"]
    )
    @pytest.mark.parametrize("how", ["register_preset", "log_model", "register_model"])
    def test_a_registered_model_is_compared_with_the_registry_too(
        self, registry: Path, preset_folder: Path, how: str, uri: str
    ):
        client = mlflow.MlflowClient()
        if how == "register_preset":
            fnet_mlflow.register_preset(preset_folder, "fnet")
        elif how == "log_model":
            fnet_mlflow.log_model(preset_folder, "fnet", registered_model_name="fnet")
        else:
            mlflow.register_model(fnet_mlflow.log_model(preset_folder, "fnet").model_uri, "fnet")
        client.set_registered_model_alias("fnet", "champion", "1")
        [logged] = mlflow.search_logged_models(output_format="list")
        uri = f"models:/{logged.model_id}" if uri == "logged model" else uri
        assert fnet_mlflow.load_model(uri)
        stored = Path(local_file_uri_to_path(logged.artifact_location))
        shutil.rmtree(stored)
        fnet_mlflow.save_model(preset_folder, stored, pooling="cls")
        for load in (fnet_mlflow.load_model, fnet_mlflow.verify_model, resolve_model):
            with pytest.raises(DamagedFileError, match="Expected the model .* registered as"):
                load(uri)

    def test_one_that_older_code_registered_is_compared_with_its_tag(self, register: Callable):
        register()
        [logged] = mlflow.search_logged_models(output_format="list")
        stored = Path(local_file_uri_to_path(logged.artifact_location))
        forget_digest(stored)
        assert fnet_mlflow.load_model("models:/fnet/1")
        edit_record(stored, pooling="cls")
        with pytest.raises(DamagedFileError, match="Expected the weights, .*Received"):
            fnet_mlflow.load_model("models:/fnet/1")


def forget_digest(model: Path) -> None:
    """Makes a model as it was before MLmodel held a digest."""
    saved = Model.load(model)
    del saved.flavors["fnet"]["content_sha256"]
    saved.save(model / "MLmodel")


MALFORMED: dict[str, tuple[str, Callable[[str], str]]] = {
    "empty record": ("data/encoding.json", lambda _: ""),
    "no JSON": ("data/encoding.json", lambda text: text[:-9]),
    "deep JSON": ("data/encoding.json", lambda _: "[" * 100_000),
    "a list": ("data/encoding.json", lambda _: "[]"),
    "no format": ("data/encoding.json", lambda text: text.replace("format_version", "x")),
    "a format in words": ("data/encoding.json", lambda text: text.replace('n": 1,', 'n": [],')),
    "no encoding": ("data/encoding.json", lambda text: text.replace('"encoding"', '"x"')),
    "no digests": ("data/encoding.json", lambda text: text.replace('"sha256": {', '"x": {')),
    "buckets": ("data/encoding.json", lambda text: text.replace('"buckets": []', '"buckets": 5')),
    "an unknown key": ("data/encoding.json", lambda text: text.replace('"pooling"', '"x"')),
    "empty MLmodel": ("MLmodel", lambda _: "flavors: {fnet: {}, python_function: {}}"),
    "no data": ("MLmodel", lambda text: text.replace("    data: data\n    format", "    format")),
    "a setting": ("MLmodel", lambda text: text.replace("batch_size: null", "batch_size: x")),
}


@pytest.mark.parametrize(("name", "damage"), MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_file_is_named(model_copy: Path, name: str, damage: Callable[[str], str]):
    text = (model_copy / name).read_text()
    assert damage(text) != text
    (model_copy / name).write_text(damage(text))
    with pytest.raises(FormatError, match=f"`.*{name}` must be as fnet_mlflow.*Received"):
        load_natively(model_copy)
    if name != "MLmodel":  # which MLflow itself reads first
        with pytest.raises(FormatError, match=f"`.*{name}` must be as fnet_mlflow.*Received"):
            load_as_pyfunc(model_copy)


def test_a_model_of_another_flavor_is_refused(registry: Path):
    class Echo(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input: list[str], params=None) -> list[str]:
            return model_input

    mlflow.pyfunc.save_model("m", python_model=Echo(), pip_requirements=[])
    with pytest.raises(ModelError, match="flavor 'fnet'.*Received: m with python_function"):
        fnet_mlflow.load_model("m")


def test_a_folder_that_is_no_model_is_refused(registry: Path):
    with pytest.raises(ModelError, match="Expected an MLflow model.*Received"):
        fnet_mlflow.load_model(str(registry))


def test_an_unknown_version_is_refused(register: Callable):
    register()
    with pytest.raises(MlflowException, match="version=2"):
        fnet_mlflow.load_model("models:/fnet/2")


class TestSelfCheck:
    def test_passes_where_the_vectors_are_the_same(self, saved_model: Path):
        assert fnet_mlflow.load_model(str(saved_model), verify=True)
        assert mlflow.pyfunc.load_model(str(saved_model), model_config={"verify": True})

    def test_fails_where_they_are_not(self, model_copy: Path):
        record_other_vectors(model_copy)
        with pytest.raises(ProbeError, match="computes other vectors.*lowest cosine"):
            mlflow.pyfunc.load_model(str(model_copy), model_config={"verify": True})
        assert not fnet_mlflow.verify_model(str(model_copy)).passed

    @pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
    def test_the_report(self, saved_model: Path, dtype: str):
        report = fnet_mlflow.verify_model(str(saved_model), dtype=dtype)
        assert report.passed
        assert (report.device, report.dtype, report.texts) == ("cpu", dtype, 8)
        assert report.lowest_cosine > report.allowed_cosine
        assert dtype in str(report)


def record_other_vectors(model: Path) -> None:
    """Makes a model whose probe vectors are those of another one."""
    from fnet_mlflow.content.probe import Probe, read_probe, write_probe
    from fnet_registry.presets.folder import digest_file

    probe = read_probe(model / "data")
    write_probe(Probe(texts=probe.texts, vectors=-probe.vectors), model / "data")
    record = json.loads((model / "data" / "encoding.json").read_text())
    record["sha256"]["probe.npz"] = digest_file(model / "data" / "probe.npz")
    (model / "data" / "encoding.json").write_text(json.dumps(record))


@pytest.mark.parametrize("stored", sorted(STORED.glob("format-*")), ids=lambda path: path.name)
def test_a_model_stored_by_older_code(stored: Path, tmp_path: Path, registry: Path):
    model = Path(shutil.copytree(stored, tmp_path / "stored"))
    report = fnet_mlflow.verify_model(str(model))
    assert report.passed, report
    vectors = predict_in_process(str(model), tmp_path)
    np.testing.assert_allclose(vectors, np.load(stored / "expected.npy"), atol=1e-5)


def test_every_format_that_is_read_has_a_stored_model():
    from fnet_mlflow.content.version import FORMAT_VERSION, OLDEST_READABLE

    assert {path.name for path in STORED.glob("format-*")} == {
        f"format-{version}" for version in range(OLDEST_READABLE, FORMAT_VERSION + 1)
    }
