"""Whiten a version by a corpus, without labels."""

from __future__ import annotations

import argparse

from fnet_registry.shown import counted
from fnet_tune.commands.version import add_version_arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.description = (
        "Register a version with a head that makes its vectors vary alike in all directions, by "
        "mean and covariance over a corpus. It takes minutes and no labels, and helps search and "
        "similarity with vectors that were never trained for it. Classification can suffer."
    )
    add_version_arguments(parser)
    parser.add_argument(
        "corpus", nargs="+", metavar="CORPUS", help="files, folders and globs, as fnet embed's"
    )
    parser.add_argument("--column", default="text", help="the column of texts (default: text)")
    parser.add_argument(
        "--dims",
        type=int,
        metavar="K",
        help="the directions to keep, the widest first (default: all that vary)",
    )


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from fnet_mlflow.commands.register import read_tags
    from fnet_ray.cluster.runtime import quieten_ray
    from fnet_tune.whitening import whiten

    quieten_ray()
    made = whiten(
        args.model,
        args.corpus,
        name=args.name,
        column=args.column,
        dims=args.dims,
        alias=args.alias,
        tags=read_tags(args.tags or []),
    )
    rows = counted(made.left_out, "row without a text was", "rows without a text were")
    left_out = f"; {rows} left out" if made.left_out else ""
    done = "registered" if made.registration.created else "holds this already"
    print(f"{counted(made.texts, 'text')}, vectors of {counted(made.dims, 'value')}{left_out}")
    print(f"{made.registration.model_uri} {done}")
    return 0
