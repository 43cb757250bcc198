"""Register presets as model versions in MLflow."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from fnet_mlflow.commands.table import format_table
from fnet_mlflow.registry.options import OPTIONS
from fnet_registry.errors import ModelError

if TYPE_CHECKING:
    from fnet_mlflow.registry.register import Registration


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "handle",
        nargs="?",
        metavar="HANDLE",
        help="f_net_base_en, kaggle://owner/model/keras/variant, hf://owner/name or a folder",
    )
    parser.add_argument(
        "--from", dest="file", type=Path, metavar="FILE", help="register all presets of a TOML file"
    )
    for name, argument in OPTIONS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", **argument)
    parser.add_argument(
        "--tag", dest="tags", action="append", metavar="KEY=VALUE", help="a tag; may be repeated"
    )


def run(args: argparse.Namespace) -> int:
    """Run the command; the exit status is 1 where a preset of a file failed."""
    from fnet_mlflow.registry.batch import register

    given = {
        name: value
        for name in ("handle", *OPTIONS, "tags")
        if (value := getattr(args, name)) is not None
    }
    if args.file is not None:
        return _register_file(args.file, given)
    if not {"handle", "name"} <= given.keys():
        raise ModelError(
            "Expected a handle and --name, for example: fnet register f_net_base_en --name fnet. "
            f"Received: handle {args.handle}, name {args.name}"
        )
    if args.tags is not None:
        given["tags"] = read_tags(args.tags)
    registration = register(**given)
    print(f"{registration.model_uri} {_say(registration)}")
    return 0


def _register_file(file: Path, beside: dict[str, object]) -> int:
    if beside:
        given = ", ".join(f"{name} {value}" for name, value in beside.items())
        raise ModelError(f"--from takes all of a preset from the file. Received beside it: {given}")
    from fnet_mlflow.registry.batch import read_presets, register_all

    presets = read_presets(file)
    outcomes = list(register_all(presets))
    rows = [
        (preset["handle"], "-", f"failed: {outcome}".partition("\n")[0])
        if isinstance(outcome, Exception)
        else (preset["handle"], outcome.model_uri, _say(outcome))
        for preset, outcome in zip(presets, outcomes, strict=True)
    ]
    print(format_table(("HANDLE", "VERSION", "RESULT"), rows))
    return 1 if any(isinstance(outcome, Exception) for outcome in outcomes) else 0


def _say(registration: Registration) -> str:
    if not registration.created:
        return "holds this already; --force registers it again"
    told = registration.metadata
    return (
        f"registered: {told['parameter_count']:,} parameters, {told['embedding_dim']} dimensions, "
        f"{told['pooling']} pooling over {told['sequence_length']} tokens"
    )


def read_tags(pairs: list[str]) -> dict[str, str]:
    """Read tags as the command line has them.

    Raises:
        ModelError: One is not written `key=value`.
    """
    tags = {}
    for pair in pairs:
        key, equals, tags[key] = pair.partition("=")
        if not key or not equals:
            raise ModelError(
                f"A tag is written key=value, for example team=search. Received: {pair!r}"
            )
    return tags
