"""Evaluations where others find them: an MLflow run, the logged model's metrics, the version."""

from __future__ import annotations

import io
import json
import tempfile
from contextlib import redirect_stdout
from datetime import UTC, datetime
from pathlib import Path

import mlflow
import pyarrow as pa
import pyarrow.parquet as pq
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.data.meta_dataset import MetaDataset
from mlflow.entities import LoggedModelInput
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_MODEL_VERSIONS

from fnet_evaluate.evaluation import Evaluation
from fnet_evaluate.registry.pictures import save_picture
from fnet_mlflow.registry.evaluations import LoggedEvaluation, tag_evaluation
from fnet_mlflow.registry.lookup import look_up
from fnet_mlflow.registry.uri import ModelUri
from fnet_mlflow.runs import as_code, dataset_source, describe_run, run_name, short_name
from fnet_registry.errors import ModelError

ITEMS = "items.parquet"
FIGURES = "evaluation.json"


def log_evaluation(evaluation: Evaluation, *, source: str | None = None) -> str | None:
    """Log an evaluation on its registered version, or logged model.

    A run of its own holds the data as an input, the figures as metrics, with `@` written `_at_`,
    and as a file, what was measured of each item, and a picture. Where the version was made of a
    logged model, the metrics are that model's too. A tag of the version names the run.

    Args:
        evaluation: What `fnet_evaluate.evaluate` gave.
        source: Where the data lies, a path or URI.

    Returns:
        The run's id; None where there is no registered version or logged model to log on.

    Raises:
        MlflowException: The tracking server, or the registry, does not take it.
    """
    uri = ModelUri.parse(evaluation.model)
    stored = look_up(uri)
    if stored is None:
        return None
    name = run_name(f"evaluate {short_name(evaluation.model)} on {evaluation.data}")
    nested = mlflow.active_run() is not None
    # MLflow prints where the run is, where a command's figures alone may stand.
    with redirect_stdout(io.StringIO()), mlflow.start_run(run_name=name, nested=nested) as run:
        paths = log_in_run(evaluation, run.info.run_id, stored.model_id, source=source)
        describe_run(run.info.run_id, _in_prose(evaluation), {"Figures": paths["picture"]})
    return run.info.run_id


def log_in_run(
    evaluation: Evaluation, run_id: str, model_id: str | None, *, source: str | None = None
) -> dict[str, str]:
    """Log an evaluation in a run, and on the versions it is of.

    Args:
        evaluation: What was measured.
        run_id: An open run.
        model_id: The logged model that was measured, if any.
        source: Where the data lies, a path or URI.

    Returns:
        The artifacts by what they hold: their paths in the run.
    """
    client = MlflowClient()
    tags = {"fnet.model": evaluation.model, "fnet.data_sha256": evaluation.data_digest}
    for key, value in tags.items():
        client.set_tag(run_id, key, value)
    model = _known(client, model_id)
    if model is not None:
        client.log_inputs(run_id, models=[LoggedModelInput(model_id=model)])
    # MLflow's database keeps 36 characters of a digest and 500 of a name.
    name, digest = evaluation.data[-500:], evaluation.data_digest[:16]
    dataset = MetaDataset(dataset_source(source), name=name, digest=digest)
    metrics = logged_metrics(evaluation)
    mlflow.log_metrics(metrics, run_id=run_id, model_id=model, dataset=dataset)
    artifacts = _log_artifacts(client, evaluation, run_id)
    logged = _to_log(evaluation, run_id)
    for version in _versions(client, ModelUri.parse(evaluation.model), model):
        tag_evaluation(client, str(version.name), int(str(version.version)), logged)
    return artifacts


def logged_metrics(evaluation: Evaluation) -> dict[str, float]:
    """Return figures and the ends of their intervals under names that MLflow allows."""
    metrics = {}
    for name, figure in evaluation.figures.items():
        allowed = name.replace("@", "_at_")
        metrics |= {
            allowed: figure.value,
            f"{allowed}_low": figure.low,
            f"{allowed}_high": figure.high,
        }
    return metrics


def read_items(logged: LoggedEvaluation) -> pa.Table:
    """Read what was measured of each item.

    Raises:
        ModelError: The run, or its file, is there no more.
    """
    try:
        with tempfile.TemporaryDirectory() as folder:
            file = download_artifacts(run_id=logged.run_id, artifact_path=ITEMS, dst_path=folder)
            return pq.read_table(file)
    except (MlflowException, OSError, pa.ArrowException) as error:
        raise ModelError(
            f"Expected the items of the evaluation on {logged.data} in the run {logged.run_id}; "
            f"run `fnet evaluate` again. Received: {type(error).__name__}: {error}"
        ) from None


def _log_artifacts(client: MlflowClient, evaluation: Evaluation, run_id: str) -> dict[str, str]:
    picture = f"{evaluation.kind}.png"
    fields = ("model", "data", "data_digest", "kind", "count")
    told = {field: getattr(evaluation, field) for field in fields}
    told["figures"] = {name: figure.plain() for name, figure in evaluation.figures.items()}
    client.log_dict(run_id, told, FIGURES)
    with tempfile.TemporaryDirectory() as folder:
        save_picture(evaluation, Path(folder, picture))
        pq.write_table(evaluation.items, Path(folder, ITEMS))
        client.log_artifacts(run_id, folder)
    return {"figures": FIGURES, "items": ITEMS, "picture": picture}


def _in_prose(evaluation: Evaluation) -> str:
    lines = [
        f"| {name} | {figure.value:.4f} | {figure.low:.4f} … {figure.high:.4f} |"
        for name, figure in evaluation.figures.items()
    ]
    return "\n".join(
        [
            f"{as_code(evaluation.model)} on {evaluation.count:,} items of "
            f"{as_code(evaluation.data)}, {evaluation.kind}:",
            "",
            "| figure | value | 95 % interval |",
            "|---|---|---|",
            *lines,
        ]
    )


def _to_log(evaluation: Evaluation, run_id: str) -> LoggedEvaluation:
    return LoggedEvaluation(
        data=evaluation.data,
        data_digest=evaluation.data_digest,
        kind=evaluation.kind,
        count=evaluation.count,
        figures={name: (f.value, f.low, f.high) for name, f in evaluation.figures.items()},
        run_id=run_id,
        logged_at=datetime.now(UTC).isoformat(),
    )


def _known(client: MlflowClient, model_id: str | None) -> str | None:
    """Return a logged model's id where the tracking server knows it: it may be another's."""
    try:
        return model_id and client.get_logged_model(model_id).model_id
    except MlflowException:
        return None


def _versions(client: MlflowClient, uri: ModelUri, model_id: str | None) -> list[ModelUri]:
    """Return the version that was evaluated, or those made of the logged model that was."""
    if uri.name is not None:
        return [uri]
    tags = client.get_logged_model(model_id).tags if model_id else {}
    told = json.loads(tags.get(MLFLOW_MODEL_VERSIONS, "[]"))
    return [ModelUri(name=each["name"], version=int(each["version"])) for each in told]
