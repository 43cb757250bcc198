"""The `fnet` command: a thin root that loads the module of the one command asked for."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from types import ModuleType
from typing import Protocol

from fnet_registry import __version__
from fnet_registry.errors import FNetError
from fnet_registry.redaction import without_secrets

USAGE_ERROR = 2


class CommandModule(Protocol):
    """What a command's module holds."""

    def add_arguments(self, parser: argparse.ArgumentParser, /) -> None:
        """Declare the command's arguments."""
        ...

    def run(self, args: argparse.Namespace, /) -> int:
        """Run the command; return its exit status."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command of `fnet`.

    Args:
        load: Imports its module.
        help: One line for the list of commands.
        extra: The extra of this project that it needs.
        brings: A package that only this extra brings; None for one of the extra's own name.
    """

    load: Callable[[], CommandModule]
    help: str
    extra: str | None = None
    brings: str | None = None


def _presets() -> CommandModule:
    from fnet_registry.commands import presets

    return presets


def _inspect() -> CommandModule:
    from fnet_registry.commands import inspect

    return inspect


def _convert() -> CommandModule:
    from fnet_registry.commands import convert

    return convert


def _register() -> CommandModule:
    from fnet_mlflow.commands import register

    return register


def _models() -> CommandModule:
    from fnet_mlflow.commands import models

    return models


def _verify() -> CommandModule:
    from fnet_mlflow.commands import verify

    return verify


def _tune() -> CommandModule:
    from fnet_tune.commands import tune

    return tune


def _whiten() -> CommandModule:
    from fnet_tune.commands import whiten

    return whiten


def _evaluate() -> CommandModule:
    from fnet_evaluate.commands import evaluate

    return evaluate


def _promote() -> CommandModule:
    from fnet_evaluate.commands import promote

    return promote


def _embed() -> CommandModule:
    from fnet_ray.commands import embed

    return embed


def _status() -> CommandModule:
    from fnet_ray.commands import status

    return status


def _search() -> CommandModule:
    from fnet_ray.commands import search

    return search


def _report() -> CommandModule:
    from fnet_ray.commands import report

    return report


COMMANDS = {
    "presets": Command(load=_presets, help="list the built-in presets and what is in the cache"),
    "inspect": Command(load=_inspect, help="show what a preset is, without loading its weights"),
    "convert": Command(load=_convert, help="write a preset of any format as a KerasHub folder"),
    "register": Command(
        load=_register, help="register a preset as a model version in MLflow", extra="mlflow"
    ),
    "models": Command(load=_models, help="list the registered versions", extra="mlflow"),
    "verify": Command(
        load=_verify, help="recompute a version's probe vectors on this machine", extra="mlflow"
    ),
    "tune": Command(
        load=_tune,
        help="tune a model on your own examples, and register it if it is better",
        extra="tune",
        brings="mlflow",
    ),
    "whiten": Command(
        load=_whiten,
        help="spread a version's vectors by a corpus, without labels",
        extra="tune",
        brings="ray",
    ),
    "evaluate": Command(
        load=_evaluate,
        help="compare models on your own data",
        extra="evaluate",
        brings="bm25s",
    ),
    "promote": Command(
        load=_promote,
        help="give a version an alias if its figures are good enough",
        extra="evaluate",
        brings="bm25s",
    ),
    "embed": Command(load=_embed, help="turn a corpus into embeddings", extra="ray"),
    "status": Command(load=_status, help="show how far an embedding job is", extra="ray"),
    "search": Command(load=_search, help="find the nearest rows of an output", extra="ray"),
    "report": Command(
        load=_report,
        help="write a page that shows what an output holds",
        extra="report",
        brings="ray",
    ),
}


class _Formatter(logging.Formatter):
    """Shows no credentials, whoever logs them."""

    def format(self, record: logging.LogRecord) -> str:
        return without_secrets(super().format(record))


def main(argv: Sequence[str] | None = None) -> int:
    """Run `fnet`.

    Args:
        argv: The arguments; by default the process's own.

    Returns:
        The exit status: 0, 1 where a command did part of its work, 2 for a user's mistake.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    name = next((argument for argument in arguments if not argument.startswith("-")), None)
    parser = argparse.ArgumentParser(
        prog="fnet", description="FNet text encoders: presets, registry and embedding jobs."
    )
    parser.add_argument("--version", action="version", version=f"fnet-registry {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    subparser = None
    for each, command in COMMANDS.items():
        added = subparsers.add_parser(each, help=command.help, description=_sentence(command.help))
        subparser = added if each == name else subparser
    if subparser is None or name is None:
        parser.parse_args(arguments)
        return USAGE_ERROR
    return _run(COMMANDS[name], subparser, parser, arguments)


def _run(
    command: Command,
    subparser: argparse.ArgumentParser,
    parser: argparse.ArgumentParser,
    arguments: list[str],
) -> int:
    needed = command.brings or command.extra
    if needed is not None and find_spec(needed) is None:
        return _fail(
            f"This command needs {needed}."
            f' Install it with: pip install "fnet-registry[{command.extra}]"'
        )
    console = logging.StreamHandler()
    console.setFormatter(_Formatter("fnet: %(levelname)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[console])
    logging.getLogger("fnet_registry").setLevel(logging.INFO)
    module = command.load()
    module.add_arguments(subparser)
    parsed = parser.parse_args(arguments)
    try:
        return module.run(parsed)
    except KeyboardInterrupt:
        return 130
    except (FNetError, OSError) as error:
        return _fail(str(error))
    except Exception as error:
        if not isinstance(error, _mlflow_errors()):
            raise
        return _fail(str(error))


def _mlflow_errors() -> tuple[type[Exception], ...]:
    """MLflow' own error, where MLflow is loaded: an unknown model is a user's mistake."""
    exceptions: ModuleType | None = sys.modules.get("mlflow.exceptions")
    return () if exceptions is None else (exceptions.MlflowException,)


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _fail(message: str) -> int:
    first_line = without_secrets(message).partition("\n")[0]
    print(f"fnet: error: {first_line}", file=sys.stderr)
    return USAGE_ERROR
