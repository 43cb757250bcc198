"""The job: files of texts in, files of embeddings out, each row exactly once."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Unpack

from fnet_ray.cluster.pool import WorkerRequest
from fnet_ray.corpus.files import find_inputs, opened_as
from fnet_ray.corpus.planning import check_first, open_manifest, restore_converted, shard_inputs
from fnet_ray.model import resolve_model, share_model
from fnet_ray.options import Options, Parameters
from fnet_ray.output.audit import finish_commits, take_back
from fnet_ray.output.commits import remove_uncommitted
from fnet_ray.output.layout import GONE, REPORT
from fnet_ray.output.lease import Lease
from fnet_ray.output.rejects import RejectLimit
from fnet_ray.output.stores import open_store
from fnet_ray.progress.hint import LongTextHint
from fnet_ray.progress.live import Reporter
from fnet_ray.progress.report import Report, check_complete, make_report
from fnet_ray.progress.tally import Progress, Tally
from fnet_ray.progress.tracking import reach_server, tracked
from fnet_ray.reporting.logged import log_page
from fnet_ray.reuse.gone import write_gone
from fnet_ray.reuse.older import open_older
from fnet_ray.reuse.taking import share_older
from fnet_ray.stages.pipeline import Pipeline
from fnet_ray.stages.workforce import Workforce

Path = str | os.PathLike[str]


def embed(
    model: Path,
    inputs: Path | Sequence[Path],
    output: Path,
    *,
    skip_damaged: bool = False,
    max_rejects: str | int | None = None,
    workers: WorkerRequest | None = None,
    append: bool = False,
    reuse: Path | None = None,
    tracking: bool = True,
    on_progress: Callable[[Progress], None] | None = None,
    **options: Unpack[Options],
) -> Report:
    """Turn files of texts into Parquet files of embeddings; the same call again goes on.

    Writes Parquet files of embeddings, with the carried columns and one of vectors, a fixed-size
    list of `D` floats; Parquet files of rejects, the rows that have none, with the reason; and the
    record by which an interrupted job goes on: `fnet_ray.output.layout` says where. Each input row
    is in exactly one of the first two. Rows that cannot be embedded never stop the job.

    Args:
        model: `models:/name/version`, `models:/name@alias` (pinned at the start), `runs:/…`, a
            model folder or a preset handle.
        inputs: Files, folders and globs of Parquet, JSON lines, CSV, TSV and plain text, local or
            `s3://…`, `gs://…`.
        output: A folder, local or `s3://…`, `gs://…`.
        skip_damaged: Whether to leave out files that cannot be opened. Where a part of one cannot
            be read, its rows are rejected in any case.
        max_rejects: A number of rows or a share such as `1%`; more rejects stop the job.
        workers: How many workers encode, and what each holds; by default what the cluster has.
        append: Take new input files into an output that is there.
        reuse: An older output, finished or not. A row whose text is there takes its vector from
            there, to the last bit: where model, encoding, dtypes, handling of long texts, device,
            kind of processor, threads and library versions were the same. Where they were not,
            nothing is taken over, and a warning says why. All else of the row is read anew. Which
            rows of the older output are no longer here stands in `run/gone.parquet`.
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
    allowed = None if max_rejects is None else RejectLimit(max_rejects)
    store = open_store(output)
    files = find_inputs(inputs, output=store.url)
    parameters.check_used(file.format.name for file in files)
    check_first(files, parameters)
    older = None if reuse is None else open_older(reuse, store)
    with Workforce(files, workers or WorkerRequest(), always_ray=bool(older)) as workforce:
        if not store.exists(REPORT):
            workforce.begin()
        pinned = resolve_model(model)
        parameters.windowing(pinned.encoding.sequence_length)  # an overlap may be too long for it
        if tracking:
            reach_server()
        with Lease(store) as lease:
            manifest = open_manifest(store, pinned, parameters)
            is_new = not manifest.shardings or bool(manifest.new_inputs(files, append=append))
            if is_new and manifest.shardings and not manifest.rows:
                take_back(store, 0)  # an empty file, which may lack columns of the new inputs
            tally = Tally.of(manifest, finish_commits(store, manifest, lease))
            pool = None
            if is_new or len(tally.shards_done) < manifest.shards:
                pool = workforce.choose_pool()
                manifest = shard_inputs(
                    manifest,
                    files,
                    store,
                    pinned,
                    pool,
                    lease=lease,
                    append=append,
                    skip_damaged=skip_damaged,
                    convert_each=workforce.convert_each,
                )
                tally.begin(manifest)
                restore_converted(
                    manifest,
                    files,
                    store,
                    done=tally.shards_done,
                    convert_each=workforce.convert_each,
                )
                workforce.settle(
                    tally.rows - tally.done, pool, pinned, split=parameters.long_text == "split"
                )
            with tracked(manifest, store, lease, on=tracking) as (tracker, manifest):
                if pool is not None:  # something is left
                    shared = share_model(pinned, dtype=parameters.dtype, on_ray=workforce.on_ray)
                    pipeline = Pipeline(
                        manifest=manifest,
                        model=shared,
                        store=store,
                        pool=pool,
                        opened=opened_as(files),
                        reuse=share_older(
                            older, digest=pinned.digest, asked=parameters, model=shared, pool=pool
                        ),
                    )
                    listeners = [tracker.log, LongTextHint(), *filter(None, [on_progress])]
                    _do_rest(workforce, pipeline, tally, lease, listeners, allowed)
                workforce.begin_to_stop()

                lease.check()
                check_complete(manifest, tally)
                if allowed:  # a run before may have gone over it with its last shard
                    allowed.check(tally.rejects, tally.rows)
                report = make_report(store, manifest, tally)
                if pool is None:
                    report = report.with_times_of_earlier(store)
                remove_uncommitted(store)
                if older:
                    report = replace(report, gone=write_gone(older, store, manifest))
                elif pool is not None:
                    store.remove(GONE)  # rows that it lists may be here now
                report.write(store)
                tracker.finish(report)
                log_page(store, tracker.run_id)
    return replace(report, before=tally.rows_before)


def _do_rest(
    workforce: Workforce,
    pipeline: Pipeline,
    tally: Tally,
    lease: Lease,
    listeners: Sequence[Callable[[Progress], None]],
    allowed: RejectLimit | None,
) -> None:
    """Do the shards that are left, while the lease is held and rejects are within their limit."""
    done = frozenset(tally.shards_done)
    board = workforce.board()
    with Reporter(tally, listeners, board) as reporter:
        for commit in workforce.run(pipeline, done=done, board=board):
            lease.check()
            reporter.add(commit)
            if allowed:
                allowed.check(tally.rejects, tally.rows)
