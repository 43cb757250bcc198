"""The MLflow run of a tuning: one run, however often the tuning is gone on with."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from fnet_evaluate.evaluation import Evaluation
from fnet_mlflow.runs import dataset_source, run_name
from fnet_mlflow.saving.description import TAG_PREFIX
from fnet_registry.presets.documents import read_json
from fnet_registry.presets.writing import write_json
from fnet_registry.redaction import without_secrets

if TYPE_CHECKING:
    import mlflow

    from fnet_tune.training.loop import Progress

logger = logging.getLogger(__name__)

_RUN_FILE = "run.json"
_MARK = f"{TAG_PREFIX}tuning"
_CURVE_POINTS = 100


@contextmanager
def tracked(folder: Path, told: str, parameters: Mapping[str, Any]) -> Iterator[str]:
    """Work inside the run that bears the folder's mark, or in a new one; yields its id.

    `told` is what to call a new one.

    A run that was interrupted is marked so, and is open again when the tuning goes on.
    """
    import mlflow

    with _start_run(folder, run_name(told)) as run:
        mlflow.log_params(dict(parameters))
        try:
            yield run.info.run_id
        except KeyboardInterrupt:
            mlflow.end_run("KILLED")
            raise


def log_data(path: str, *, name: str, digest: str, context: str) -> None:
    """Log examples as an input of the active run."""
    import mlflow
    from mlflow.data.meta_dataset import MetaDataset

    dataset = MetaDataset(dataset_source(path), name=name, digest=digest[:16])
    mlflow.log_input(dataset, context=context)


def log_progress(progress: Progress, metric: str) -> None:
    """Log a step's loss, every hundredth of the way, and a new figure of the held-out examples."""
    state, recipe = progress.state, progress.recipe
    found: dict[str, float] = {}
    if state.step % max(1, recipe.steps // _CURVE_POINTS) == 0:
        found["loss"] = progress.loss
    if state.metric is not None and recipe.is_due(state.step):
        found[metric_name(f"held_out_{metric}")] = state.metric
    log_metrics(found, step=state.step)


def log_metrics(metrics: Mapping[str, float], *, step: int | None = None) -> None:
    """Log figures to the active run; a server that is away for a while stops nothing."""
    import mlflow

    if not metrics:
        return
    try:
        mlflow.log_metrics(dict(metrics), step=step)
    except mlflow.MlflowException as error:
        logger.warning("Metrics could not be logged: %s", without_secrets(str(error)))


def log_figures(evaluation: Evaluation, prefix: str) -> None:
    """Log the figures of an evaluation, such as `before_held_out_ndcg_at_10`."""
    figures = evaluation.figures.items()
    log_metrics({metric_name(f"{prefix}_{name}"): each.value for name, each in figures})


def log_on_version(evaluation: Evaluation, model: str, source: str) -> None:
    """Log an evaluation on a registered version, as `fnet evaluate` does and `fnet promote` reads.

    What is no registered version, as a preset, is passed over.
    """
    import mlflow

    from fnet_evaluate.registry.logged import log_evaluation

    try:
        log_evaluation(replace(evaluation, model=model), source=source)
    except (mlflow.MlflowException, OSError) as error:
        told = without_secrets(str(error))
        logger.warning("The evaluation of %s could not be logged: %s", model, told)


def metric_name(figure: str) -> str:
    """Return a figure's name as MLflow takes it."""
    return figure.replace("@", "_at_")


def _start_run(folder: Path, name: str) -> mlflow.ActiveRun:
    """Start the run that the tuning began in, or another one where that cannot be gone on with.

    It may be deleted, or of another experiment or server than the one in use. It is found by a
    mark that lies in the folder before there is a run.
    """
    import mlflow

    if not (folder / _RUN_FILE).exists():
        write_json({"mark": uuid4().hex}, folder / _RUN_FILE)
    mark = str(read_json(folder / _RUN_FILE)["mark"])
    nested = mlflow.active_run() is not None
    known: Any = mlflow.search_runs(
        filter_string=f"tags.`{_MARK}` = '{mark}'", output_format="list", max_results=1
    )
    if known:
        return mlflow.start_run(run_id=known[0].info.run_id, nested=nested)
    return mlflow.start_run(run_name=name, tags={_MARK: mark}, nested=nested)
