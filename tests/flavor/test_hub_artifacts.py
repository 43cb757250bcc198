"""Hubs as MLflow artifact repositories, against real clients and servers of our own."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import mlflow
import numpy as np
import pytest
from mlflow.models import get_model_info
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

import fnet_mlflow
from fnet_cli.main import main
from fnet_mlflow.hubs.models import split_uri
from fnet_registry import TextEncoder
from fnet_registry.errors import (
    DamagedFileError,
    HandleError,
    ModelError,
    PresetNotFoundError,
)
from fnet_registry.presets.fetch import fetch
from tests.hubs.conftest import (  # noqa: F401
    Site,
    home,
    huggingface,
    huggingface_site,
    kaggle,
    kaggle_site,
    preset_files,
    site,
)

TEXTS = ["a text", "another one"]


@pytest.fixture(scope="module")
def expected(encoder: TextEncoder) -> np.ndarray:
    return encoder.encode(TEXTS)


@pytest.fixture
def hub(site: Site, registry: Path) -> Iterator[Site]:  # noqa: F811
    return site


def test_a_preset_on_a_hub_loads_as_a_model(hub: Site, expected: np.ndarray):
    for uri in (hub.handle, hub.pinned):
        np.testing.assert_array_equal(mlflow.pyfunc.load_model(uri).predict(TEXTS), expected)
        np.testing.assert_array_equal(fnet_mlflow.load_model(uri).encode(TEXTS), expected)


def test_its_files_are_links_to_the_hub_clients_cache(hub: Site):
    model = Path(mlflow.artifacts.download_artifacts(hub.pinned))
    weights = model / "data" / "model.weights.h5"
    assert weights.is_symlink()
    assert weights.resolve() == (hub.folder / "model.weights.h5").resolve()


def test_a_copy_holds_the_files_themselves(hub: Site, tmp_path: Path):
    copy = tmp_path / "copy"
    copy.mkdir()
    mlflow.artifacts.download_artifacts(hub.pinned, dst_path=str(copy))
    assert not (copy / "data" / "model.weights.h5").is_symlink()
    assert (copy / "MLmodel").is_file()


def test_the_hub_clients_cache_is_not_written_to(hub: Site):
    reference = fnet_mlflow.register_preset(hub.handle, "fnet", reference=True)
    before = sorted(hub.folder.rglob("*"))
    mlflow.pyfunc.load_model(reference.model_uri)
    assert sorted(hub.folder.rglob("*")) == before


def test_what_mlflow_asks_of_a_model(hub: Site):
    assert get_model_info(hub.pinned).metadata["embedding_dim"] == 32
    listed = {file.path for file in mlflow.artifacts.list_artifacts(hub.pinned)}
    assert "MLmodel" in {Path(path).name for path in listed}
    assert (
        "fnet-registry[mlflow]"
        in Path(mlflow.pyfunc.get_model_dependencies(hub.pinned)).read_text()
    )


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of all temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


class TestCost:
    """What is asked of a preset fetches no more than the answer needs, and leaves nothing."""

    def test_what_a_model_says_of_itself_takes_no_weights(self, hub: Site, temporary: Path):
        assert get_model_info(hub.pinned).metadata["sequence_length"] == 64
        assert hub.hub.count(hub.delivery("model.weights.h5")) == 0
        assert not list(temporary.iterdir())

    def test_a_listing_takes_none_and_names_them(self, hub: Site, temporary: Path):
        data = {file.path: file for file in mlflow.artifacts.list_artifacts(f"{hub.pinned}/data")}
        [weights] = [path for path in data if path.endswith("model.weights.h5")]
        [config] = [path for path in data if path.endswith("/config.json")]
        assert data[weights].file_size is None
        assert data[config].file_size == len(hub.files["config.json"])
        assert hub.hub.count(hub.delivery("model.weights.h5")) == 0
        assert not list(temporary.iterdir())
        fetch(hub.pinned)
        data = {file.path: file for file in mlflow.artifacts.list_artifacts(f"{hub.pinned}/data")}
        assert data[weights].file_size == len(hub.files["model.weights.h5"])

    def test_a_listing_is_what_a_download_brings(self, hub: Site, tmp_path: Path):
        listed = {Path(file.path).name for file in mlflow.artifacts.list_artifacts(hub.pinned)}
        copy = tmp_path / "copy"
        copy.mkdir()
        mlflow.artifacts.download_artifacts(hub.pinned, dst_path=str(copy))
        assert listed == {path.name for path in copy.iterdir()}

    def test_registering_in_mlflow_takes_no_weights(self, hub: Site, temporary: Path):
        mlflow.register_model(hub.pinned, "fnet")
        assert hub.hub.count(hub.delivery("model.weights.h5")) == 0
        assert not list(temporary.iterdir())

    def test_registering_takes_the_weights_once(self, hub: Site, temporary: Path):
        for _ in range(2):
            fnet_mlflow.register_preset(hub.pinned, "fnet", reference=True)
        assert main(["models"]) == 0
        assert hub.hub.count(hub.delivery("model.weights.h5")) == 1
        assert not list(temporary.iterdir())

    def test_loading_leaves_one_folder_of_links(self, hub: Site, temporary: Path):
        fnet_mlflow.register_preset(hub.pinned, "fnet", reference=True)
        folders = set()
        for uri in (hub.pinned, "models:/fnet/1", hub.pinned):
            fnet_mlflow.load_model(uri)
            mlflow.pyfunc.load_model(uri)
            folders.add(mlflow.artifacts.download_artifacts(uri))
        assert len(folders) == 1
        assert not list(temporary.iterdir())


class TestReference:
    def test_only_the_pinned_handle_is_stored(self, hub: Site, expected: np.ndarray):
        registration = fnet_mlflow.register_preset(hub.handle, "fnet", reference=True)
        version = mlflow.MlflowClient().get_model_version("fnet", "1")
        assert version.source == hub.pinned
        assert version.tags["fnet.handle"] == hub.pinned
        assert mlflow.search_logged_models(output_format="list") == []
        model = mlflow.pyfunc.load_model(registration.model_uri)
        np.testing.assert_array_equal(model.predict(TEXTS), expected)
        native = fnet_mlflow.load_model(registration.model_uri)
        np.testing.assert_array_equal(native.encode(TEXTS), expected)

    def test_it_is_registered_once_and_apart_from_a_copy(self, hub: Site):
        assert fnet_mlflow.register_preset(hub.handle, "fnet").version == 1
        assert fnet_mlflow.register_preset(hub.handle, "fnet", reference=True).version == 2
        assert fnet_mlflow.register_preset(hub.pinned, "fnet", reference=True).version == 2

    def test_it_is_compared_with_the_registry(self, hub: Site):
        fnet_mlflow.register_preset(hub.handle, "fnet", reference=True)
        mlflow.MlflowClient().set_model_version_tag("fnet", "1", "fnet.content_sha256", "0" * 64)
        with pytest.raises(DamagedFileError, match="registered as models:/fnet/1"):
            fnet_mlflow.load_model("models:/fnet/1")

    def test_it_has_the_default_encoding(self, hub: Site):
        with pytest.raises(ModelError, match="default encoding and settings.*cls"):
            fnet_mlflow.register_preset(hub.handle, "fnet", reference=True, pooling="cls")

    def test_its_probe_is_kept_in_the_registry(self, hub: Site):
        fnet_mlflow.register_preset(hub.handle, "fnet", reference=True, alias="champion")
        for uri in ("models:/fnet/1", "models:/fnet@champion"):
            report = fnet_mlflow.verify_model(uri)
            assert report.passed
            assert report.texts == 8

    def test_the_command(self, hub: Site, capsys: pytest.CaptureFixture[str]):
        assert main(["register", "--reference", hub.handle, "--name", "fnet"]) == 0
        assert main(["models"]) == 0
        output = capsys.readouterr().out
        assert "0.2 MB on the hub" in output
        assert hub.pinned in output

    def test_one_that_mlflow_wrote_unpinned_is_refused_with_the_pinned_form(self, hub: Site):
        mlflow.MlflowClient().create_registered_model("fnet")
        mlflow.MlflowClient().create_model_version("fnet", source=hub.handle)
        with pytest.raises(HandleError, match=f"register {hub.pinned}.*Received: {hub.handle}"):
            mlflow.pyfunc.load_model("models:/fnet/1")

    def test_one_that_mlflow_wrote_pinned_loads(self, hub: Site, expected: np.ndarray):
        mlflow.MlflowClient().create_registered_model("fnet")
        mlflow.MlflowClient().create_model_version("fnet", source=hub.pinned)
        model = mlflow.pyfunc.load_model("models:/fnet/1")
        np.testing.assert_array_equal(model.predict(TEXTS), expected)


def test_a_copy_keeps_where_it_came_from(hub: Site):
    fnet_mlflow.register_preset(hub.handle, "fnet")
    tags = mlflow.MlflowClient().get_model_version("fnet", "1").tags
    assert tags["fnet.handle"] == hub.pinned
    assert hub.pinned.endswith(tags["fnet.revision"])


def test_a_published_preset_is_registered_with_a_warning(
    hub: Site, caplog: pytest.LogCaptureFixture
):
    fnet_mlflow.register_preset(hub.handle, "fnet")
    assert "trained to fill in masked words" in caplog.text
    assert "save_to_preset" in caplog.text


def test_what_no_hub_has_is_said(hub: Site):
    with pytest.raises(PresetNotFoundError):
        mlflow.pyfunc.load_model(hub.no_repository)
    with pytest.raises(HandleError):
        mlflow.pyfunc.load_model("hf://one-part")


def test_a_hub_is_not_written_to(hub: Site):
    repository = get_artifact_repository(hub.pinned)
    with pytest.raises(NotImplementedError, match="read from a hub, not written"):
        repository.log_artifacts("folder")


@pytest.mark.parametrize(
    ("root", "path", "split"),
    [
        ("hf://o", "n", ("hf://o/n", "")),
        ("hf://o", "n@main", ("hf://o/n@main", "")),
        ("hf://o/n@refs/pr", "1", ("hf://o/n@refs/pr/1", "")),
        ("hf://o/n", "MLmodel", ("hf://o/n", "MLmodel")),
        ("hf://o/n@main", "data/config.json", ("hf://o/n@main", "data/config.json")),
        ("hf://o/n@refs/pr/1", "", ("hf://o/n@refs/pr/1", "")),
        ("hf://o", "data", ("hf://o/data", "")),
        ("kaggle://o/m/keras/v", "3", ("kaggle://o/m/keras/v/3", "")),
        ("kaggle://o/m/keras/v/3", "MLmodel", ("kaggle://o/m/keras/v/3", "MLmodel")),
    ],
)
def test_what_mlflow_splits_is_joined(root: str, path: str, split: tuple[str, str]):
    assert split_uri(root, path) == split
