"""Find the nearest rows of an output."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from typing import TYPE_CHECKING, Any

from fnet_registry.commands.printing import print_json
from fnet_registry.errors import InputError
from fnet_registry.shown import counted, one_line

if TYPE_CHECKING:
    from fnet_ray.nearest.searching import Search


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.description = (
        "Find the rows of an output whose vectors are nearest to a text's, by cosine. Every row is "
        "compared, with the very model that made the output."
    )
    parser.add_argument("output", metavar="OUTPUT", help="the folder that fnet embed wrote to")
    parser.add_argument("query", nargs="*", metavar="QUERY", help="texts to find the nearest of")
    parser.add_argument("-k", type=int, default=10, metavar="N", help="rows to find (default: 10)")
    parser.add_argument(
        "--show",
        type=lambda text: [name for name in text.split(",") if name],
        metavar="A,B,…",
        help="columns to show (default: the texts)",
    )
    parser.add_argument("--where", metavar="SQL", help="search rows alone for which this is true")
    parser.add_argument(
        "--model", help="the same model by another name, where the recorded one cannot be reached"
    )
    parser.add_argument(
        "--queries", metavar="FILE", help="take queries from a file's column; needs --to"
    )
    parser.add_argument(
        "--column", default="text", help="the column of queries in FILE (default: text)"
    )
    parser.add_argument("--to", metavar="PARQUET", help="write what was found to a Parquet file")
    parser.add_argument("--json", action="store_true", help="print what was found as JSON")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    _check(args)
    options = {"k": args.k, "show": args.show, "where": args.where, "model": args.model}
    print(_search_files(args, options) if args.queries else _search(args, options), file=sys.stderr)
    return 0


def _check(args: argparse.Namespace) -> None:
    if bool(args.queries) == bool(args.query) or bool(args.queries) != bool(args.to):
        raise InputError(
            "A search needs either queries, such as 'how to parse a date', or --queries FILE with "
            f"--to PARQUET. Received: {len(args.query)} queries, --queries {args.queries}, "
            f"--to {args.to}"
        )


def _search(args: argparse.Namespace, options: dict[str, Any]) -> str:
    from fnet_ray.nearest.searching import search

    found = search(args.output, args.query, **options)
    if args.json:
        results = list(found.results())
        print_json(results[0] if len(results) == 1 else {"results": results})
    else:
        _print(found, args.query)
    return f"{counted(found.rows, 'row')} read in {found.seconds:.1f} s"


def _search_files(args: argparse.Namespace, options: dict[str, Any]) -> str:
    from fnet_ray.cluster.runtime import quieten_ray
    from fnet_ray.nearest.many import search_files

    quieten_ray()
    found = search_files(args.output, args.queries, args.to, column=args.column, **options)
    if args.json:
        print_json(found)
    else:
        queries = counted(found.queries, "query", "queries")
        print(f"{counted(found.neighbours, 'neighbour')} of {queries}: {args.to}")
    return f"queries encoded and {counted(found.rows, 'row')} searched in {found.seconds:.1f} s"


def _print(found: Search, queries: list[str]) -> None:
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for query, hits in zip(queries, found.results(), strict=True):
        if len(queries) > 1:
            print(f"{one_line(query)}\n")
        for hit in hits:
            print(_line(hit)[:width])
        print()


def _line(hit: dict[str, Any]) -> str:
    rank, score = hit.pop("rank"), hit.pop("score")
    here = f"{os.getcwd()}/"
    shown = [
        str(value).removeprefix(here if name == "source_file" else "")
        for name, value in hit.items()
    ]
    told = "  ".join(one_line(" ".join(each.split())) for each in shown)
    return f"{rank:>3}  {score:6.3f}  {told}"
