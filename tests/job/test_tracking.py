"""A job leaves an MLflow run that links corpus, model version, output and counts."""

from dataclasses import replace
from pathlib import Path

import mlflow
import pytest

import fnet_ray
from fnet_ray.progress.tally import Progress
from fnet_ray.progress.tracking import Tracker
from tests.job.corpora import write_parquet

pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.usefixtures("ray_session")]


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
    assert run.data.metrics["rows_per_second"] > 0
    [dataset] = run.inputs.dataset_inputs
    assert str(corpus) in dataset.dataset.source
    assert dataset.dataset.name == "corpus.parquet"
    [model] = run.inputs.model_inputs
    version = mlflow.MlflowClient().get_model_version("fnet", "1")
    assert version.source == f"models:/{model.model_id}"


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
