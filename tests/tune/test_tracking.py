"""The MLflow run of a tuning."""

from pathlib import Path

import mlflow
import pytest

from fnet_tune.tracking import log_data


@pytest.mark.parametrize(
    "path", ["memory://corpus/a.parquet", "az://corpus/a.parquet", "a.parquet"]
)
def test_data_may_lie_where_mlflow_knows_no_place(path: str, registry: Path) -> None:
    with mlflow.start_run() as run:
        log_data(path, name="a.parquet", digest="0" * 64, context="tuning")
    [logged] = mlflow.get_run(run.info.run_id).inputs.dataset_inputs
    assert (logged.dataset.name, logged.dataset.digest) == ("a.parquet", "0" * 16)
