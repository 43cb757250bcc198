"""Versions whose figures are known, in a registry of each test's own."""

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path

import mlflow
import numpy as np
import pyarrow as pa
import pytest
from mlflow import MlflowClient

from fnet_evaluate.bootstrap import intervals
from fnet_evaluate.evaluation import Evaluation
from fnet_evaluate.registry.logged import log_evaluation
from tests.flavor.conftest import empty_database, registry  # noqa: F401

QUERIES = 200


@pytest.fixture
def client(registry: Path) -> MlflowClient:  # noqa: F811
    return mlflow.MlflowClient()


@pytest.fixture
def versions(client: MlflowClient) -> Callable[[int], None]:
    """Makes versions of `fnet` that nobody has evaluated."""

    def make(count: int) -> None:
        client.create_registered_model("fnet")
        for _ in range(count):
            client.create_model_version("fnet", source=Path("weights").absolute().as_uri())

    return make


def items_of(columns: Mapping[str, Sequence[float] | np.ndarray]) -> pa.Table:
    return pa.table({name: np.asarray(values, float) for name, values in columns.items()})


def evaluation(
    model: str,
    columns: Mapping[str, Sequence[float] | np.ndarray],
    *,
    kind: str = "retrieval",
    data: str = "dev.parquet",
) -> Evaluation:
    items = items_of(columns)
    return Evaluation(
        model=model,
        data=data,
        data_digest=sha256(data.encode()).hexdigest(),
        kind=kind,
        count=items.num_rows,
        figures=intervals(kind, items),
        items=items,
    )


def log_ndcg(
    version: int, around: float, *, data: str = "dev.parquet", spread: float = 0.05
) -> str:
    """Logs queries whose nDCG@10 lies around a value on a version; the same hardness in each."""
    hardness = np.random.default_rng(0).uniform(-0.2, 0.2, QUERIES)
    noise = np.random.default_rng(version).normal(0, spread, QUERIES)
    values = around + hardness - hardness.mean() + noise - noise.mean()
    found = evaluation(
        f"models:/fnet/{version}", {"ndcg@10": values, "recall@1": values / 2}, data=data
    )
    run_id = log_evaluation(found)
    assert run_id is not None
    return run_id
