"""The MLflow run of a job: what went in, what came out, and how fast, while it runs."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from fnet_mlflow.runs import as_code, dataset_source, describe_run, run_name, short_name
from fnet_ray.output.lease import Lease
from fnet_ray.output.manifest import Manifest
from fnet_ray.output.store import Store
from fnet_ray.progress.report import Report
from fnet_ray.progress.tally import Progress
from fnet_registry.errors import LeaseError
from fnet_registry.redaction import without_secrets
from fnet_registry.shown import counted

if TYPE_CHECKING:
    from mlflow.entities import Run

logger = logging.getLogger(__name__)

METRIC_SECONDS = 10.0
_LAST_TAG = "fnet.output"


@dataclass(slots=True, kw_only=True)
class Tracker:
    """Logs a job's figures to an MLflow run, from any thread; without one, it logs nothing.

    Args:
        run_id: The run's id, or None.
    """

    run_id: str | None
    _logged: float = field(default=-METRIC_SECONDS, init=False)
    _logging: threading.Thread | None = field(default=None, init=False)

    def log(self, progress: Progress) -> None:
        """Log the figures as metrics, every ten seconds at most.

        In a thread of its own: a server that is away is asked for minutes before that fails.
        """
        now = time.monotonic()
        if self.run_id is None or now - self._logged < METRIC_SECONDS:
            return
        if self._logging is None or not self._logging.is_alive():
            self._logged = now
            self._logging = threading.Thread(target=self._log, args=(progress,), daemon=True)
            self._logging.start()

    def _log(self, progress: Progress) -> None:
        import mlflow

        try:
            mlflow.log_metrics(
                {
                    "rows_done": progress.encoded,
                    "rows_rejected": progress.rejects,
                    "rows_per_second": progress.rows_per_second,
                    "tokens_per_second": progress.tokens_per_second,
                },
                step=progress.encoded,
                run_id=self.run_id,
            )
        except Exception as error:
            # A tracking server that is away for a while must not stop a job of days.
            logger.warning("Metrics could not be logged: %s", without_secrets(str(error)))

    def finish(self, report: Report) -> None:
        """Log the report and its figures."""
        if self.run_id is None:
            return
        if self._logging is not None:
            self._logging.join()
        import mlflow

        mlflow.log_metrics(
            {
                "rows_done": report.rows,
                "rows_embedded": report.embedded,
                "rows_rejected": report.rejected,
                "rows_reused": report.reused,
                "windows_truncated": report.truncated,
                "tokens": report.tokens,
                "seconds": report.seconds,
                "rows_before": report.before,
                "encoding_seconds": report.encoding_seconds,
                "rows_per_second": report.rows_per_second,
                "tokens_per_second": report.tokens_per_second,
            },
            step=report.rows,
        )
        mlflow.log_dict(asdict(report), "report.json")
        describe_run(self.run_id, in_prose(report))


def reach_server() -> None:
    """Hear from MLflow's tracking server, before a job plans its work.

    Raises:
        mlflow.MlflowException: It does not answer.
    """
    import mlflow

    mlflow.MlflowClient().search_experiments(max_results=1)


@contextmanager
def tracked(
    manifest: Manifest, store: Store, lease: Lease, *, on: bool = True
) -> Iterator[tuple[Tracker, Manifest]]:
    """Run a job inside its MLflow run, a new one or the one that it was begun in, or in none.

    Yields what takes the figures, and the manifest that names the run, as the output has it now.
    """
    if not on:
        yield Tracker(run_id=None), manifest
        return
    import mlflow

    nested = mlflow.active_run() is not None
    if without_secrets(mlflow.get_tracking_uri()) != mlflow.get_tracking_uri():
        # At its end, a run prints where it is, credentials included.
        os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
    name = run_name(f"embed {corpus_name(manifest)} with {short_name(manifest.model)}")
    with mlflow.start_run(run_id=manifest.tracking_run, run_name=name, nested=nested) as run:
        if manifest.tracking_run is None:
            manifest = replace(manifest, tracking_run=run.info.run_id)
            lease.check()  # the server may have let wait
            manifest.write(store)
        if _LAST_TAG not in run.data.tags:  # of a new run, or of one that was cut off before
            _log_start(run, manifest, store)
        try:
            yield Tracker(run_id=run.info.run_id), manifest
        except LeaseError:  # the run is the other driver's now: it stays as that one left it
            mlflow.end_run(mlflow.get_run(run.info.run_id).info.status)
            raise


def corpus_name(manifest: Manifest) -> str:
    """Return what to call a job's inputs: their file, or the folder that holds them all."""
    paths = [PurePosixPath(each.file.path) for each in manifest.inputs]
    if len(paths) == 1:
        return paths[0].name
    folders = {path.parent.name for path in paths}
    return folders.pop() if len(folders) == 1 else counted(len(paths), "file")


def in_prose(report: Report) -> str:
    """Say what a job did."""
    done = report.rows - report.before
    told = {
        f"{counted(report.embedded, 'row')} embedded with {as_code(report.model)}": True,
        f"output: {as_code(report.output)}": True,
        f"{counted(report.reused, 'vector')} taken from an older output": report.reused,
        f"{counted(report.rejected, 'row')} rejected, with the reasons": report.rejected,
        f"{counted(report.truncated, 'text')} cut to the model's sequence length": report.truncated,
        f"{counted(done, 'row')} took {report.encoding_seconds:,.1f} s to encode: "
        f"{report.rows_per_second:,.1f} rows and {report.tokens_per_second:,.0f} tokens a second": (
            done
        ),
    }
    # A line each: MLflow's page does not break them.
    return "\n".join(f"- {line}" for line, is_so in told.items() if is_so)


def _log_start(run: Run, manifest: Manifest, store: Store) -> None:
    """Log what went in, or what is missing of that; the tags come last, as a sign of all of it."""
    import mlflow
    from mlflow.data.meta_dataset import MetaDataset
    from mlflow.entities import LoggedModelInput

    from fnet_mlflow.registry.lookup import look_up
    from fnet_mlflow.registry.uri import ModelUri

    parameters = {**asdict(manifest.parameters), **manifest.encoding}
    parameters |= {"model": manifest.model, "digest": manifest.digest, "rows": manifest.rows}
    # MLflow takes no other value, and the rows may be more by now.
    new = parameters.keys() - run.data.params.keys()
    mlflow.log_params({name: value for name, value in parameters.items() if name in new})
    files = [each.file for each in manifest.inputs]
    digest = hashlib.sha256(json.dumps([(f.path, f.size, f.version) for f in files]).encode())
    source, name = dataset_source(files[0].path), corpus_name(manifest)
    corpus = MetaDataset(source, name=name, digest=digest.hexdigest()[:16])
    mlflow.log_input(corpus, context="corpus", tags={"files": str(len(files))})
    stored = look_up(ModelUri.parse(manifest.model))
    if stored and stored.model_id:
        models = [LoggedModelInput(model_id=stored.model_id)]
        mlflow.MlflowClient().log_inputs(run.info.run_id, models=models)
    mlflow.set_tags({"fnet.model": manifest.model, _LAST_TAG: store.url})
