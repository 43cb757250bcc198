"""Register presets as model versions in MLflow."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from fnet_mlflow.commands.table import format_table
from fnet_mlflow.registry.options import OPTIONS
from fnet_registry.commands.printing import print_json
from fnet_registry.encoding.pooling import in_words
from fnet_registry.errors import ModelError

if TYPE_CHECKING:
    from fnet_mlflow.registry.register import Registration

FAILED = 1


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
    parser.add_argument("--json", action="store_true", help="print what was registered as JSON")


def run(args: argparse.Namespace) -> int:
    """Run the command; the exit status is 1 where a preset of a file failed."""
    from fnet_mlflow.registry.batch import register

    given = {
        name: value
        for name in ("handle", *OPTIONS, "tags")
        if (value := getattr(args, name)) is not None
    }
    if args.file is not None:
        return _register_file(args.file, given, as_json=args.json)
    if args.handle is None:
        raise ModelError(
            "Expected a handle and --name, or a handle alone, for example: fnet register "
            "f_net_base_en. Received: no handle"
        )
    if args.tags is not None:
        given["tags"] = read_tags(args.tags)
    registration = register(**given)
    if args.json:
        print_json(_figures(registration))
    else:
        print(f"{registration.model_uri} {_say(registration)}")
    return 0


def _register_file(file: Path, beside: dict[str, object], *, as_json: bool) -> int:
    if beside:
        given = ", ".join(f"{name} {value}" for name, value in beside.items())
        raise ModelError(f"--from takes all of a preset from the file. Received beside it: {given}")
    from fnet_mlflow.registry.batch import read_presets, register_all

    presets = read_presets(file)
    outcomes = list(register_all(presets))
    failed = any(isinstance(outcome, Exception) for outcome in outcomes)
    if as_json:
        print_json(
            [
                {"handle": preset["handle"], "error": str(outcome)}
                if isinstance(outcome, Exception)
                else {"handle": preset["handle"], **_figures(outcome)}
                for preset, outcome in zip(presets, outcomes, strict=True)
            ]
        )
        return FAILED if failed else 0
    rows = [
        (preset["handle"], "-", f"failed: {outcome}".partition("\n")[0])
        if isinstance(outcome, Exception)
        else (preset["handle"], outcome.model_uri, _say(outcome))
        for preset, outcome in zip(presets, outcomes, strict=True)
    ]
    print(format_table(("HANDLE", "VERSION", "RESULT"), rows))
    return FAILED if failed else 0


def _figures(registration: Registration) -> dict[str, object]:
    return {"model_uri": registration.model_uri, **asdict(registration)}


def _say(registration: Registration) -> str:
    if not registration.created:
        return "holds this already; --force registers it again"
    told = registration.metadata
    return (
        f"registered: {told['parameter_count']:,} parameters, {told['embedding_dim']} dimensions, "
        f"{in_words(told['pooling'])} over {told['sequence_length']} tokens"
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
