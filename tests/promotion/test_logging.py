"""What an evaluation leaves in MLflow: on a run, on the logged model and on the version."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from PIL import Image

from fnet_cli.main import main
from fnet_evaluate.evaluation import Evaluation
from fnet_evaluate.registry.logged import log_evaluation, read_items
from fnet_mlflow import register_preset
from fnet_mlflow.registry.evaluations import LoggedEvaluation, in_words, read_evaluations
from fnet_mlflow.registry.lookup import look_up
from fnet_mlflow.registry.uri import ModelUri
from tests.promotion.conftest import evaluation

RANDOM = np.random.default_rng(0)
SCORES = RANDOM.integers(0, 6, 60)
KINDS = {
    "scored_pairs": {"cosine": SCORES / 6 + RANDOM.normal(0, 0.1, 60), "score": SCORES},
    "retrieval": {
        name: RANDOM.random(60) for name in ("ndcg@10", "recall@1", "recall@10", "recall@100")
    },
    "labels": {name: RANDOM.integers(0, 2, 60) for name in ("knn_accuracy", "probe_accuracy")},
    "texts": {
        name: RANDOM.random(60)
        for name in ("random_cosine", "alignment", "uniformity", "cut_share")
    },
}


@pytest.fixture
def registered(registry: Path, preset_folder: Path) -> str:
    """A version with a logged model."""
    return register_preset(preset_folder, "fnet", sequence_length=16).model_uri


@pytest.fixture
def version(versions: Callable[[int], None]) -> str:
    """A version without one."""
    versions(1)
    return "models:/fnet/1"


def retrieval(model: str, **options: str) -> Evaluation:
    return evaluation(model, KINDS["retrieval"], **options)


def test_a_run_holds_the_data_the_figures_the_items_and_a_picture(
    client: MlflowClient, version: str
) -> None:
    logged = retrieval(version)
    run_id = log_evaluation(logged)
    assert run_id is not None
    run = client.get_run(run_id)
    assert run.info.status == "FINISHED"
    [data] = run.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest) == ("dev.parquet", logged.data_digest[:16])
    assert run.data.tags["fnet.data_sha256"] == logged.data_digest
    assert run.data.tags["fnet.model"] == version
    assert run.data.metrics["ndcg_at_10"] == logged.figures["ndcg@10"].value
    assert run.data.metrics["recall_at_1_low"] == logged.figures["recall@1"].low

    folder = Path(download_artifacts(run_id=run_id))
    assert {file.name for file in folder.iterdir()} == {
        *("evaluation.json", "items.parquet", "retrieval.png")
    }
    told = json.loads((folder / "evaluation.json").read_text())
    assert told["figures"]["ndcg@10"]["high"] == logged.figures["ndcg@10"].high
    assert pq.read_table(folder / "items.parquet").equals(logged.items)


def test_a_run_says_what_it_is_to_a_person(client: MlflowClient, version: str) -> None:
    logged = retrieval(version)
    run = client.get_run(str(log_evaluation(logged)))
    assert run.info.run_name == "evaluate fnet/1 on dev.parquet"
    told = run.data.tags["mlflow.note.content"]
    assert f"`models:/fnet/1` on {logged.count} items of `dev.parquet`, retrieval:" in told
    assert f"| ndcg@10 | {logged.figures['ndcg@10'].value:.4f} | " in told
    assert f"(get-artifact?path=retrieval.png&run_uuid={run.info.run_id})" in told


def test_a_person_can_read_the_figures_on_a_version(client: MlflowClient, version: str) -> None:
    logged = retrieval(version)
    log_evaluation(logged)
    [told] = [
        value
        for name, value in client.get_model_version("fnet", "1").tags.items()
        if name.startswith("fnet.evaluation.")
    ]
    assert told.startswith(f"ndcg@10 {logged.figures['ndcg@10'].value!r} (")
    assert f"; retrieval, {logged.count} items of dev.parquet; data " in told


@given(
    data=st.text(),
    figures=st.dictionaries(
        st.sampled_from(["ndcg@10", "recall@1", "mrr"]), st.tuples(*[st.floats()] * 3), min_size=1
    ),
)
def test_what_stands_on_a_version_is_read_as_it_was_written(data: str, figures: Any) -> None:
    logged = LoggedEvaluation(
        data=data,
        data_digest="0a" * 32,
        kind="retrieval",
        count=7,
        figures=figures,
        run_id="0b" * 16,
        logged_at="2026-01-01T00:00:00+00:00",
    )
    for value in (in_words(logged), json.dumps(asdict(logged))):  # as an earlier release wrote it
        [read] = read_evaluations({"fnet.evaluation.x": value})
        assert repr(read) == repr(logged)  # where NaN is NaN


def test_where_the_data_lies_is_told_without_credentials(
    client: MlflowClient, version: str
) -> None:
    run_id = log_evaluation(retrieval(version), source="https://ada:secret@host/dev.parquet")
    assert run_id is not None
    [data] = client.get_run(run_id).inputs.dataset_inputs
    assert "host/dev.parquet" in data.dataset.source
    assert "secret" not in data.dataset.source


def test_the_logged_model_has_the_metrics_of_the_data(
    client: MlflowClient, registered: str
) -> None:
    logged = retrieval(registered)
    run_id = log_evaluation(logged)
    stored = look_up(ModelUri.parse(registered))
    assert stored is not None
    model = client.get_logged_model(str(stored.model_id))
    metrics = {metric.key: metric for metric in model.metrics or []}
    assert metrics["ndcg_at_10"].value == logged.figures["ndcg@10"].value
    assert metrics["ndcg_at_10"].dataset_digest == logged.data_digest[:16]
    assert metrics["ndcg_at_10"].run_id == run_id


def test_the_version_has_the_figures_under_their_own_names(
    client: MlflowClient, version: str
) -> None:
    logged = retrieval(version)
    log_evaluation(logged)
    [read] = read_evaluations(client.get_model_version("fnet", "1").tags)
    assert read.data_digest == logged.data_digest
    assert read.figures == {
        name: (figure.value, figure.low, figure.high) for name, figure in logged.figures.items()
    }
    assert read_items(read).equals(logged.items)


def test_the_same_data_again_takes_the_place_of_the_first_time(
    client: MlflowClient, version: str
) -> None:
    log_evaluation(retrieval(version))
    latest = log_evaluation(retrieval(version))
    log_evaluation(retrieval(version, data="other.parquet"))
    other, same = read_evaluations(client.get_model_version("fnet", "1").tags)
    assert (other.data, same.run_id) == ("other.parquet", latest)


def test_models_show_what_was_evaluated_last(
    registered: str, capsys: pytest.CaptureFixture[str]
) -> None:
    log_evaluation(retrieval(registered))
    log_evaluation(evaluation(registered, KINDS["labels"], kind="labels", data="news.csv"))
    capsys.readouterr()
    assert main(["models"]) == 0
    value = KINDS["labels"]["knn_accuracy"].mean()
    assert f"  knn_accuracy {value:.4f} on news.csv  " in capsys.readouterr().out


def test_what_is_not_in_the_registry_is_logged_nowhere(client: MlflowClient) -> None:
    for model in ("hf://someone/mini@0123abc", "./folder", "BM25", "TextEncoder"):
        assert log_evaluation(retrieval(model)) is None
    assert client.search_runs(["0", "1"]) == []


def test_a_logged_model_is_logged_on_with_all_its_versions(
    client: MlflowClient, registered: str
) -> None:
    stored = look_up(ModelUri.parse(registered))
    assert stored is not None
    log_evaluation(retrieval(f"models:/{stored.model_id}"))
    assert read_evaluations(client.get_model_version("fnet", "1").tags)


def test_a_version_whose_logged_model_is_gone_is_logged_on(
    client: MlflowClient, registered: str
) -> None:
    stored = look_up(ModelUri.parse(registered))
    assert stored is not None
    client.delete_logged_model(str(stored.model_id))
    assert log_evaluation(retrieval(registered)) is not None
    assert read_evaluations(client.get_model_version("fnet", "1").tags)


def test_an_evaluation_inside_a_run_is_a_run_below_it(client: MlflowClient, version: str) -> None:
    with mlflow.start_run() as parent:
        run_id = log_evaluation(retrieval(version))
    assert run_id is not None
    tags = client.get_run(run_id).data.tags
    assert tags["mlflow.parentRunId"] == parent.info.run_id


def test_each_kind_has_a_picture(version: str) -> None:
    for kind, columns in KINDS.items():
        run_id = log_evaluation(evaluation(version, columns, kind=kind, data="$été 日本.csv"))
        with Image.open(download_artifacts(run_id=run_id, artifact_path=f"{kind}.png")) as picture:
            assert picture.size == (700, 500)
            assert len(np.unique(np.asarray(picture))) > 50


def test_figures_that_are_not_defined_have_a_picture_too(version: str) -> None:
    for kind, columns in KINDS.items():
        same = dict.fromkeys(columns, np.ones(2))
        assert log_evaluation(evaluation(version, same, kind=kind)) is not None
