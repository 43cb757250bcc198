"""The page of a run of the job, in the output and beside the run's metrics."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path, PurePath

from fnet_mlflow.runs import describe_run
from fnet_ray.output.layout import PAGE, PICTURE, RUN
from fnet_ray.output.store import Store
from fnet_ray.reporting.report import make_files, missing_packages, write_files
from fnet_registry.redaction import without_secrets

logger = logging.getLogger(__name__)


TITLES = {
    "map": "A sample's map",
    "lengths": "Tokens of texts",
    "rejects": "Rejected rows, by reason",
    "throughput": "Rows per second",
    "stages": "Where the time went",
    "cosines": "Cosine of pairs drawn at random",
    "norms": "Lengths of vectors",
}
"""The pictures by their names, in the order in which a run shows them."""


def log_page(store: Store, run_id: str | None) -> None:
    """Write the page of a finished job, and log it and its pictures to the job's MLflow run.

    A page that cannot be made is no reason to fail a job whose vectors are all there.

    Args:
        store: The output.
        run_id: The run's id; without one nothing is done.
    """
    if run_id is None:
        return
    missing = missing_packages()
    if missing:
        logger.warning(
            'No report was made, for it needs %s: pip install "fnet-registry[report]"', missing
        )
        return
    try:
        _log(store, run_id)
    except Exception as error:
        told = without_secrets(f"{type(error).__name__}: {error}").partition("\n")[0]
        logger.warning("No report was made; fnet report tries again. Received: %s", told)


def _log(store: Store, run_id: str) -> None:
    from mlflow import MlflowClient
    from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

    from fnet_ray.reporting.facts import gather

    files = make_files(gather(store))
    write_files(store, files)
    with tempfile.TemporaryDirectory() as folder:
        for name, data in files.items():
            target = Path(folder, name.removeprefix(f"{RUN}/"))
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(data)
        MlflowClient().log_artifacts(run_id, folder)
    run = MlflowClient().get_run(run_id)
    page = f"#/experiments/{run.info.experiment_id}/runs/{run_id}/artifacts/{PurePath(PAGE).name}"
    prose = f"{run.data.tags[MLFLOW_RUN_NOTE]}\n- [the whole report]({page})"
    pictures = {title: PICTURE.format(name=name) for name, title in TITLES.items()}
    logged = {
        title: name.removeprefix(f"{RUN}/") for title, name in pictures.items() if name in files
    }
    describe_run(run_id, prose, logged)
