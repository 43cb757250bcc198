"""A job leaves an MLflow run that links corpus, model version, output and counts."""

import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import mlflow
import pytest

import fnet_ray
from fnet_mlflow.runs import run_name, short_name
from fnet_ray.progress.tally import Progress
from fnet_ray.progress.tracking import Tracker
from tests.job.corpora import write_parquet

pytestmark = pytest.mark.usefixtures("ray_session")


def test_a_run_links_what_went_in_and_what_came_out(registry: str, tmp_path: Path) -> None:
    corpus = write_parquet(tmp_path / "corpus.parquet", ["a text", None, "another"])

    report = fnet_ray.embed(registry, corpus, tmp_path / "out")

    run = mlflow.MlflowClient().get_run(report.tracking_run)
    assert run.info.status == "FINISHED"
    assert run.data.params["model"] == registry
    assert run.data.params["column"] == "text"
    assert run.data.params["digest"] == report.digest
    assert run.data.params["sequence_length"] == "64"
    assert run.data.tags["fnet.output"] == str(tmp_path / "out")
    assert run.data.metrics["rows_embedded"] == 2
    assert run.data.metrics["rows_rejected"] == 1
    metrics = run.data.metrics
    assert metrics["rows_per_second"] > 0
    for counted in ("rows", "tokens"):
        rate = metrics["rows_done" if counted == "rows" else "tokens"] / metrics["encoding_seconds"]
        assert metrics[f"{counted}_per_second"] == pytest.approx(rate)
    assert metrics["encoding_seconds"] <= metrics["seconds"]
    [dataset] = run.inputs.dataset_inputs
    assert str(corpus) in dataset.dataset.source
    assert dataset.dataset.name == "corpus.parquet"
    [model] = run.inputs.model_inputs
    version = mlflow.MlflowClient().get_model_version("fnet", "1")
    assert version.source == f"models:/{model.model_id}"


def test_a_run_says_what_it_is_to_a_person(registry: str, tmp_path: Path) -> None:
    corpus = write_parquet(tmp_path / "a `corpus`.parquet", ["a text", None, "another"])
    report = fnet_ray.embed(registry, corpus, tmp_path / "out")
    client = mlflow.MlflowClient()
    run = client.get_run(report.tracking_run)
    assert run.info.run_name == "embed a `corpus`.parquet with fnet/1"
    told = run.data.tags["mlflow.note.content"]
    assert told.startswith("- 2 rows embedded with `models:/fnet/1`\n- output: `")
    assert "- 1 row rejected, with the reasons\n- 3 rows took " in told
    pictures = re.findall(r"!\[.*?\]\(get-artifact\?path=(\S+)&run_uuid=(\w+)\)", told)
    logged = {file.path for file in client.list_artifacts(report.tracking_run, "pictures")}
    assert {unquote(path) for path, _ in pictures} == logged
    assert {run_id for _, run_id in pictures} == {report.tracking_run}
    assert not [value for value in run.data.tags.values() if value.startswith("{")]


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("models:/fnet/1", "fnet/1"),
        ("/a/folder/tuned", "tuned"),
        ("f_net_base_en", "f_net_base_en"),
        ("hf://owner/name@0123", "hf://owner/name@0123"),
    ],
)
def test_a_run_names_the_model_shortly(model: str, name: str) -> None:
    assert short_name(model) == name


def test_a_name_is_no_longer_than_mlflow_keeps() -> None:
    assert len(run_name("a" * 900)) == 200


def test_the_figures_that_a_run_ends_with_are_the_final_ones(
    preset_folder: Path, corpus: Path, tmp_path: Path
) -> None:
    midway: list[Progress] = []
    report = fnet_ray.embed(preset_folder, corpus, tmp_path / "out", on_progress=midway.append)
    with mlflow.start_run() as run:
        tracker = Tracker(run_id=run.info.run_id)
        tracker.log(replace(midway[-1], encoded=report.rows - 1))
        tracker.finish(report)
    metrics = mlflow.MlflowClient().get_run(run.info.run_id).data.metrics
    assert metrics["rows_done"] == report.rows


def test_a_job_inside_a_run_of_the_users_is_its_child(
    preset_folder: Path, corpus: Path, tmp_path: Path
) -> None:
    with mlflow.start_run() as parent:
        report = fnet_ray.embed(preset_folder, corpus, tmp_path / "out")
    run = mlflow.MlflowClient().get_run(report.tracking_run)
    assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id


def test_tracking_can_be_left_out(preset_folder: Path, corpus: Path, tmp_path: Path) -> None:
    report = fnet_ray.embed(preset_folder, corpus, tmp_path / "out", tracking=False)
    assert report.tracking_run is None


def test_a_server_that_does_not_answer_is_told_before_anything_is_written(
    preset_folder: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    mlflow.set_tracking_uri("http://127.0.0.1:9")
    with pytest.raises(mlflow.MlflowException, match="127.0.0.1"):
        fnet_ray.embed(preset_folder, corpus, tmp_path / "out")
    assert not list(tmp_path.glob("out/**/*"))
