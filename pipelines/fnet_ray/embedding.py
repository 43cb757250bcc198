"""The job: files of texts in, files of embeddings out, each row exactly once."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Unpack

from fnet_ray.cluster.pool import WorkerRequest, choose_workers
from fnet_ray.cluster.runtime import live_nodes, ray_cluster
from fnet_ray.corpus.files import find_inputs, opened_as
from fnet_ray.corpus.planning import check_first, mend_staged, open_manifest, plan_inputs
from fnet_ray.model import resolve_model, share_model
from fnet_ray.options import Options
from fnet_ray.output.audit import finish_commits
from fnet_ray.output.commits import remove_leftovers
from fnet_ray.output.lease import Lease
from fnet_ray.output.manifest import Parameters
from fnet_ray.output.rejects import RejectLimit
from fnet_ray.output.store import open_store
from fnet_ray.progress.live import Pulse
from fnet_ray.progress.report import Report, check_complete, make_report
from fnet_ray.progress.tally import Progress, Tally
from fnet_ray.progress.tracking import tracked
from fnet_ray.stages.pipeline import Job, run_shards

Path = str | os.PathLike[str]


def embed(
    model: Path,
    inputs: Path | Sequence[Path],
    output: Path,
    *,
    skip_damaged: bool = False,
    max_rejects: str | None = None,
    batch_tokens: int | None = None,
    workers: WorkerRequest | None = None,
    append: bool = False,
    tracking: bool = True,
    on_progress: Callable[[Progress], None] | None = None,
    **options: Unpack[Options],
) -> Report:
    """Turn files of texts into Parquet files of embeddings; the same call again goes on.

    Writes `output/embeddings/*.parquet` with the carried columns and `embedding`, a fixed-size
    list of `D` floats; `output/rejects/*.parquet` with the rows that have none, and why; and
    `output/run/`, the record by which an interrupted job goes on. Each input row is in exactly one
    of the first two. Rows that cannot be embedded never stop the job.

    Args:
        model: `models:/name/version`, `models:/name@alias` (pinned at the start), `runs:/…`, a
            model folder or a preset handle.
        inputs: Files, folders and globs of Parquet, JSON lines, CSV, TSV and plain text, local or
            `s3://…`, `gs://…`.
        output: A folder, local or `s3://…`, `gs://…`.
        skip_damaged: Whether to leave out files that cannot be opened. Where a part of one cannot
            be read, its rows are rejected in any case.
        max_rejects: A number of rows or a share such as `1%`; more rejects stop the job.
        batch_tokens: Tokens to encode at once, padding included. Vectors do not depend on it.
        workers: How many workers encode, and what each holds; by default what the cluster has.
        append: Take new input files into an output that is there.
        tracking: Whether to log an MLflow run, with metrics while the job runs.
        on_progress: Called with the figures whenever a shard is done, and about once a second
            from a thread of its own; what it raises stops the job.
        **options: What shapes the output, see `Options`.

    Returns:
        What was done. Counts are of the whole output.

    Raises:
        FNetError: An input, the model or the output cannot be used; the message says how.
        mlflow.MlflowException: The registry knows no such model.
    """
    parameters = Parameters(**options)
    allowed = None if max_rejects is None else RejectLimit.parse(max_rejects)
    store = open_store(output)
    files = find_inputs(inputs, output=store.url)
    check_first(files, parameters)
    pinned = resolve_model(model)
    windowing = parameters.windowing(pinned.encoding.sequence_length)
    with Lease(store) as lease, ray_cluster():
        pool = choose_workers(workers or WorkerRequest(), live_nodes())
        manifest = open_manifest(store, pinned, parameters)
        manifest = plan_inputs(
            manifest, files, store, pinned, pool, append=append, skip_damaged=skip_damaged
        )
        tally = Tally.of(manifest, finish_commits(store, manifest))
        if len(tally.done_shards) < manifest.shards:
            mend_staged(manifest, files, store)
        with tracked(manifest, store, on=tracking) as (tracker, manifest):
            job = Job(
                manifest=manifest,
                model=share_model(pinned, dtype=parameters.dtype),
                store=store,
                pool=pool,
                windowing=windowing,
                batch_tokens=batch_tokens,
                opened=opened_as(files),
            )

            def show(progress: Progress) -> None:
                tracker.log(progress)
                if on_progress:
                    on_progress(progress)

            pulse = Pulse(tally, show)
            with pulse.beating():
                for marker in run_shards(job, done=frozenset(tally.done_shards), board=pulse.board):
                    lease.check()
                    tally.add(marker)
                    pulse.now()
                    if allowed:
                        allowed.check(tally.rejects, tally.rows)

            lease.check()
            check_complete(manifest, tally)
            remove_leftovers(store)
            report = make_report(store, manifest, tally)
            report.write(store)
            tracker.finish(report)
    return report
