"""List the registered versions."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from fnet_mlflow.commands.table import format_table
from fnet_registry.commands.printing import print_json

if TYPE_CHECKING:
    from fnet_mlflow.registry.catalog import CatalogEntry

_HEADER = ("MODEL", "ALIASES", "ENCODING", "DIM", "PARAMETERS", "WEIGHTS", "EVALUATED", "HANDLE")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "name", nargs="?", metavar="NAME", help="one registered model, or models:/NAME"
    )
    parser.add_argument("--json", action="store_true", help="print all that is known as JSON")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from fnet_mlflow.registry.catalog import list_versions
    from fnet_mlflow.registry.uri import ModelUri

    entries = list_versions(args.name and (ModelUri.parse(args.name).name or args.name))
    if args.json:
        print_json([{"model_uri": entry.model_uri, **asdict(entry)} for entry in entries])
    elif entries:
        print(format_table(_HEADER, map(_row, entries)))
    else:
        print("No versions registered by fnet; make one with: fnet register HANDLE --name fnet")
    return 0


def _row(entry: CatalogEntry) -> tuple[str, ...]:
    place = " on the hub" if entry.reference else ""
    return (
        entry.model_uri,
        ",".join(entry.aliases) or "-",
        entry.encoding,
        str(entry.embedding_dim),
        f"{entry.parameter_count:,}",
        f"{entry.weights_bytes / 1e6:,.1f} MB{place}",
        "-" if entry.evaluation is None else entry.evaluation.headline,
        entry.handle or "-",
    )
