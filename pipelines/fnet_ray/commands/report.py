"""Write a page on which one sees what an output holds."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.description = (
        "Write a page on which one sees what an output holds: what was embedded, with what, how "
        "fast, what went wrong, and what is near what. The output may still be written to."
    )
    parser.add_argument("output", metavar="OUTPUT", help="the folder that fnet embed wrote to")
    parser.add_argument(
        "--color",
        metavar="COLUMN",
        help="the column to colour the map by (default: the first with few values)",
    )
    parser.add_argument(
        "--export", metavar="PARQUET", help="write the map's rows to a file for Embedding Atlas"
    )


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from fnet_ray.output.layout import PICTURES
    from fnet_ray.reporting.report import report

    written = report(args.output, color=args.color, export=args.export)
    print(f"page      {written.page}")
    if written.pictures:
        print(f"pictures  {written.pictures[0].partition(PICTURES)[0]}{PICTURES}/*.png")
    if args.export:
        print(f"map       {args.export}\n          {written.atlas}")
    return 0
