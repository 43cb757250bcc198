"""The MLflow run of a tuning."""

from pathlib import Path
from typing import Any

import mlflow
import pytest

from fnet_tune.tracking import log_data, tracked


@pytest.mark.parametrize(
    "path", ["memory://corpus/a.parquet", "az://corpus/a.parquet", "a.parquet"]
)
def test_data_may_lie_where_mlflow_knows_no_place(path: str, registry: Path) -> None:
    with mlflow.start_run() as run:
        log_data(path, name="a.parquet", digest="0" * 64, context="tuning")
    inputs = mlflow.get_run(run.info.run_id).inputs
    assert inputs is not None
    [logged] = inputs.dataset_inputs
    assert (logged.dataset.name, logged.dataset.digest) == ("a.parquet", "0" * 16)


def test_a_run_that_was_begun_is_gone_on_with(
    registry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = mlflow.start_run

    def start_and_stop(**options: Any) -> None:
        start(**options)
        raise KeyboardInterrupt

    def be_away(**options: Any) -> None:
        monkeypatch.setattr(mlflow, "start_run", start)
        raise mlflow.MlflowException("the server is away for a while")

    for start_it, expected in (
        (start_and_stop, KeyboardInterrupt),
        (be_away, mlflow.MlflowException),
    ):
        monkeypatch.setattr(mlflow, "start_run", start_it)
        with pytest.raises(expected), tracked(tmp_path, "tune fnet", {}):
            pass
        mlflow.end_run("KILLED")
    monkeypatch.setattr(mlflow, "start_run", start)
    with tracked(tmp_path, "tune fnet", {}) as run_id:
        pass
    [run] = mlflow.search_runs(output_format="list")
    assert (run.info.run_id, run.info.status) == (run_id, "FINISHED")
    (tmp_path / "run.json").unlink()  # as of another tuning
    with tracked(tmp_path, "tune fnet", {}) as other:
        assert other != run_id
