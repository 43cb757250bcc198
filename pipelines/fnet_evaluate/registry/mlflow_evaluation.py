"""An evaluation for `mlflow.models.evaluate`: its data and model in, its result out."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import mlflow
import pyarrow as pa
import pyarrow.parquet as pq
from mlflow.models.evaluation import EvaluationArtifact, EvaluationResult
from mlflow.models.evaluation.artifacts import (
    ImageEvaluationArtifact,
    JsonEvaluationArtifact,
    ParquetEvaluationArtifact,
)

from fnet_evaluate.evaluating import evaluate
from fnet_evaluate.registry.logged import log_in_run, logged_metrics
from fnet_mlflow.registry.uri import ModelUri
from fnet_registry.errors import InputError
from fnet_registry.shown import shown

if TYPE_CHECKING:
    from mlflow.data.evaluation_dataset import EvaluationDataset
    from mlflow.pyfunc import PyFuncModel

_ARTIFACTS: Mapping[str, type[EvaluationArtifact]] = {
    "figures": JsonEvaluationArtifact,
    "items": ParquetEvaluationArtifact,
    "picture": ImageEvaluationArtifact,
}


def evaluate_dataset(
    model: PyFuncModel,
    dataset: EvaluationDataset,
    run_id: str,
    *,
    corpus: str | os.PathLike[str] | None = None,
    map: Mapping[str, str] = MappingProxyType({}),  # noqa: A002  (the command's name for it)
) -> EvaluationResult:
    """Evaluate a loaded model on a DataFrame, and log it in a run.

    Args:
        model: An FNet model that `mlflow.pyfunc` loaded.
        dataset: The DataFrame, with targets or without.
        run_id: An open run.
        corpus: As in `fnet_evaluate.evaluate`.
        map: Likewise.

    Returns:
        The figures with their intervals, and the artifacts, content included.

    Raises:
        InputError: The data is of no kind that can be evaluated.
        TypeError: There is no such option.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "data.parquet")
        pq.write_table(_table(dataset), file)
        [found] = evaluate(model.get_raw_model(), file, corpus=corpus, map=map)
    # A version that only refers to a hub has no logged model: the run alone has its figures.
    name = found.model if model.model_id is None else str(ModelUri(model_id=model.model_id))
    evaluation = replace(found, model=name, data=dataset.name)
    paths = log_in_run(evaluation, run_id, model.model_id)
    artifacts = {
        name: _ARTIFACTS[name](mlflow.get_artifact_uri(path)) for name, path in paths.items()
    }
    for artifact in artifacts.values():
        _ = artifact.content  # loaded now, for MLflow saves only what is
    return EvaluationResult(metrics=logged_metrics(evaluation), artifacts=artifacts, run_id=run_id)


def _table(dataset: EvaluationDataset) -> pa.Table:
    import pandas as pd

    frame = pd.DataFrame(dataset.features_data)
    if dataset.has_targets:
        frame = frame.assign(**{dataset.targets_name or "targets": dataset.labels_data})
    try:
        return pa.Table.from_pandas(frame, preserve_index=False)
    except pa.ArrowException as error:
        raise InputError(
            "Expected columns of one type each, as text_a, text_b and score. "
            f"Received: {shown(str(error))}"
        ) from None
