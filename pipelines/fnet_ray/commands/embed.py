"""Turn a corpus into embeddings."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from fnet_ray.cluster.pool import WorkerRequest, parse_workers
from fnet_ray.commands.bar import ProgressBar, duration
from fnet_ray.output.layout import EMBEDDINGS, GONE, REJECTS
from fnet_ray.progress.hint import MOST, SPLIT_HINT
from fnet_registry.commands.printing import print_json
from fnet_registry.shown import counted

if TYPE_CHECKING:
    from fnet_ray.job_preview import Preview
    from fnet_ray.progress.report import Report

PARTLY = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument(
        "model",
        help="models:/NAME/VERSION, models:/NAME@ALIAS, runs:/…, a model folder or a preset handle",
    )
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="input",
        help="files, folders and globs of Parquet, JSON lines, CSV, TSV or plain text",
    )
    parser.add_argument("output", help="a folder; the same command again goes on where it stopped")

    parser.add_argument(
        "--plan", action="store_true", help="only say what would be done; nothing is written"
    )
    rows = parser.add_argument_group("rows")
    rows.add_argument(
        "--column",
        default="text",
        help="the column of texts (default: text); doc.text is a field inside the column doc",
    )
    rows.add_argument("--id-column", help="the column that identifies rows")
    rows.add_argument(
        "--keep",
        type=_names,
        metavar="A,B",
        help="the input columns to carry along (default: all; '' for none)",
    )
    rows.add_argument(
        "--output-column",
        default="embedding",
        metavar="NAME",
        help="what to call the column of vectors (default: embedding)",
    )
    rows.add_argument("--limit", type=int, metavar="N", help="embed the first N rows only")
    rows.add_argument("--reject-empty", action="store_true", help="reject texts of no characters")
    rows.add_argument(
        "--skip-damaged", action="store_true", help="leave out files that cannot be opened"
    )
    rows.add_argument(
        "--max-rejects", metavar="N|P%", help="stop when more rows than this are rejected"
    )
    rows.add_argument(
        "--append", action="store_true", help="take new input files into an output that is there"
    )
    rows.add_argument(
        "--reuse",
        metavar="OLD_OUTPUT",
        help="take from an older output the vectors of the texts that it holds, where the same "
        "model computed them on the same kind of machine",
    )

    files = parser.add_argument_group("files")
    files.add_argument(
        "--whole-files",
        action="store_true",
        help="make each plain text file one text, rather than each of its lines",
    )
    files.add_argument(
        "--encoding",
        default="utf-8",
        metavar="NAME",
        help="the character encoding of all but Parquet, such as utf-16 or cp1252 (default: utf-8)",
    )
    files.add_argument(
        "--delimiter",
        type=lambda text: text.replace("\\t", "\t"),
        metavar="C",
        help="what parts the values of CSV and TSV (default: a comma and a tab)",
    )
    files.add_argument(
        "--header",
        type=lambda text: text.split(","),
        metavar="A,B,…",
        help="the columns of CSV and TSV files that have no header line",
    )

    encoding = parser.add_argument_group("encoding")
    encoding.add_argument("--dtype", choices=("float32", "bfloat16"), help="compute dtype")
    encoding.add_argument(
        "--embedding-dtype", choices=("float32", "float16"), default="float32", help="as stored"
    )
    encoding.add_argument(
        "--long-text",
        choices=("truncate", "split", "error"),
        default="truncate",
        help="what to do with texts longer than the model's sequence length (default: truncate)",
    )
    encoding.add_argument(
        "--overlap", type=int, default=0, metavar="TOKENS", help="shared by neighbouring windows"
    )
    encoding.add_argument(
        "--windows",
        choices=("rows", "mean"),
        default="rows",
        help="under --long-text split: one row for each window, or their mean (default: rows)",
    )

    parser.add_argument("--no-tracking", action="store_true", help="log no MLflow run")
    parser.add_argument("--json", action="store_true", help="print all figures as JSON")

    workers = parser.add_argument_group("workers")
    workers.add_argument(
        "--workers", metavar="N|MIN:MAX", help="how many encode (default: what the cluster has)"
    )
    workers.add_argument("--gpus-per-worker", type=float, metavar="N", help="GPUs of each")
    workers.add_argument(
        "--cpus-per-worker",
        type=float,
        metavar="N",
        help="CPUs and threads of each; with as many threads, vectors are equal to the last bit",
    )


def run(args: argparse.Namespace) -> int:
    """Run the command; the exit status is 1 where files were damaged."""
    return _plan(args) if args.plan else _embed(args)


def _asked(args: argparse.Namespace) -> dict[str, Any]:
    """Return what a job and its preview are both asked."""
    from fnet_ray.options import Options

    workers = WorkerRequest(
        workers=parse_workers(args.workers) if args.workers else None,
        gpus_per_worker=args.gpus_per_worker,
        cpus_per_worker=args.cpus_per_worker,
    )
    options = {name: getattr(args, name) for name in Options.__annotations__}
    beside = {name: getattr(args, name) for name in ("skip_damaged", "reuse")}
    return {"workers": workers, **beside, **options}


def _plan(args: argparse.Namespace) -> int:
    from fnet_ray.cluster.runtime import quieten_ray
    from fnet_ray.job_preview import preview

    quieten_ray()
    found = preview(args.model, args.inputs, output=args.output, **_asked(args))
    if args.json:
        print_json(found)
    else:
        _print_preview(found)
    return 0


def _embed(args: argparse.Namespace) -> int:
    from fnet_ray.cluster.runtime import quieten_ray
    from fnet_ray.embedding import embed

    quieten_ray()
    with ProgressBar() as bar:
        report = embed(
            args.model,
            args.inputs,
            args.output,
            max_rejects=args.max_rejects,
            append=args.append,
            tracking=not args.no_tracking,
            on_progress=bar,
            **_asked(args),
        )
    if args.json:
        print_json(report)
    else:
        _print_report(report)
    return PARTLY if report.damaged else 0


def _print_preview(found: Preview) -> None:
    files, shards = counted(found.files, "file"), counted(found.shards, "shard")
    print(f"{counted(found.rows, 'row')} in {files}, {shards}")
    tokens = counted(found.tokens, "token")
    print(f"about {tokens}; {found.truncated_share:.1%} of the texts would be cut")
    if found.truncated_share > MOST:
        print(SPLIT_HINT)
    if found.rejected_share:
        print(f"{found.rejected_share:.1%} of the rows would be rejected")
    if found.reused_share:
        print(f"{found.reused_share:.1%} of the vectors would come from the older output")
    if found.seconds is None:
        return
    print(
        f"about {duration(found.seconds)} with {found.model} on {counted(found.workers, 'worker')} "
        f"({found.rows_per_second:,.1f} rows/s in a sample)"
    )


def _print_report(report: Report) -> None:
    done = f"{counted(report.embedded, 'row')} embedded with {report.model}"
    if report.before == report.rows:
        print(f"finished already: {done}")
    else:
        print(f"finished: {done} in {duration(report.seconds)}")
    cut = counted(report.truncated, "text was", "texts were")
    print(f"{cut} cut to the model's sequence length")
    if report.gone is not None:
        print(f"{report.reused:,} of the vectors come from the older output")
        gone = counted(report.gone, "row")
        print(f"gone        {report.output}/{GONE} ({gone} of the older output)")
    print(f"embeddings  {report.output}/{EMBEDDINGS}/*.parquet")
    if report.rejected:
        where = f"{report.output}/{REJECTS}/*.parquet"
        print(f"rejects     {where} ({counted(report.rejected, 'row')}, with the reasons)")
    if report.damaged:
        print(f"damaged     {report.damaged:,} of these could not be read")
    if report.tracking_run:
        print(f"MLflow run  {report.tracking_run}")


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]
