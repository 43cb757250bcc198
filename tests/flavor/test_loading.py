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

import mlflow
import numpy as np
import pytest
from mlflow.exceptions import MlflowException

import fnet_mlflow
from fnet_registry import TextEncoder
from fnet_registry.errors import DamagedFileError, FormatError, ModelError, ProbeError

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

    def test_a_missing_file(self, model_copy: Path):
        (model_copy / "data" / "model.weights.h5").unlink()
        with pytest.raises(DamagedFileError, match=r"Expected the file model\.weights\.h5"):
            mlflow.pyfunc.load_model(str(model_copy))

    def test_no_record(self, model_copy: Path):
        (model_copy / "data" / "encoding.json").unlink()
        with pytest.raises(FormatError, match=r"Expected the file encoding\.json"):
            fnet_mlflow.load_model(str(model_copy))


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
    from fnet_mlflow.probe import Probe, read_probe, write_probe
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
    from fnet_mlflow.version import FORMAT_VERSION, OLDEST_READABLE

    assert {path.name for path in STORED.glob("format-*")} == {
        f"format-{version}" for version in range(OLDEST_READABLE, FORMAT_VERSION + 1)
    }
