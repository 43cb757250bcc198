"""One local Ray and one registry for all tests of the job."""

from collections.abc import Callable
from pathlib import Path

import mlflow
import pytest

import fnet_mlflow
import fnet_ray.embedding
from fnet_ray.model import PinnedModel
from tests.job.corpora import TEXTS, write_parquet
from tests.job.poisoned import PoisonedModel


@pytest.fixture(scope="session")
def registry_uri(tmp_path_factory: pytest.TempPathFactory, preset_folder: Path) -> str:
    """An MLflow store that holds the tiny preset as `models:/fnet/1`, alias `champion`."""
    folder = tmp_path_factory.mktemp("registry")
    uri = f"sqlite:///{folder}/mlflow.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        point_mlflow_to(uri, patch)
        fnet_mlflow.register_preset(str(preset_folder), "fnet", alias="champion")
    return uri


@pytest.fixture(autouse=True)
def _own_registry(registry_uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    point_mlflow_to(registry_uri, monkeypatch)


def point_mlflow_to(uri: str, patch: pytest.MonkeyPatch) -> None:
    """For this process, where other tests may have pointed it elsewhere, and those it starts."""
    patch.setenv("MLFLOW_TRACKING_URI", uri)
    patch.delenv("MLFLOW_EXPERIMENT_ID", raising=False)
    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment("Default")


@pytest.fixture
def registry() -> str:
    """The registered model's URI."""
    return "models:/fnet/1"


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A Parquet file with the columns `id`, `label` and `text`."""
    return write_parquet(tmp_path / "corpus.parquet", TEXTS)


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes workers load an encoder that raises over one text, or ends its process."""
    share = fnet_ray.embedding.share_model

    def poison(text: str, *, dies: bool) -> None:
        def share_poisoned(model: PinnedModel, **options) -> PoisonedModel:
            return PoisonedModel.of(share(model, **options), text=text, dies=dies)

        monkeypatch.setattr(fnet_ray.embedding, "share_model", share_poisoned)

    return poison


@pytest.fixture
def many_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Far more shards than are at work at once: what is at work when a job is stopped may end."""
    monkeypatch.setattr("fnet_ray.cluster.pool.SMALLEST_SHARE", 1)
    monkeypatch.setattr("fnet_ray.cluster.pool.SHARDS_PER_WORKER", 20)
