"""The new version that a command registers, as the command line names it."""

from __future__ import annotations

import argparse


def add_version_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the model, and what its new version is called."""
    parser.add_argument("model", metavar="MODEL", help="any preset handle, or models:/NAME/VERSION")
    parser.add_argument("--name", required=True, help="the registered model of the new version")
    parser.add_argument("--alias", help="an alias to set on the version, for example challenger")
    parser.add_argument(
        "--tag", dest="tags", action="append", metavar="KEY=VALUE", help="a tag; may be repeated"
    )
