"""The `fnet` command: a thin root that loads the module of the one command asked for."""

from __future__ import annotations

import argparse
import io
import logging
import sys
from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from types import ModuleType

from fnet_cli.commands import COMMANDS, Command
from fnet_cli.parser import declare, make_parser
from fnet_cli.reader import until_unread
from fnet_cli.stopping import stoppable
from fnet_registry.collector import spare_collector
from fnet_registry.errors import FNetError
from fnet_registry.redaction import without_secrets

USAGE_ERROR = 2


class _Formatter(logging.Formatter):
    """Shows no credentials, whoever logs them; what goes as it should has no level."""

    def format(self, record: logging.LogRecord) -> str:
        level = "" if record.levelno <= logging.INFO else f"{record.levelname.lower()}: "
        return without_secrets(f"fnet: {level}{super().format(record)}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run `fnet`.

    Args:
        argv: The arguments; by default the process's own.

    Returns:
        The exit status: 0, 1 where a command did part of its work, 2 for a user's mistake.
    """
    spare_collector()
    if isinstance(sys.stdout, io.TextIOWrapper):  # which may lack the letters of a text
        sys.stdout.reconfigure(errors="backslashreplace")
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return until_unread(partial(_find_and_run, arguments))
    except (FNetError, OSError) as error:
        return _fail(str(error))
    except Exception as error:
        if not isinstance(error, _mlflow_errors()):
            raise
        return _fail(str(error))


def _find_and_run(arguments: list[str]) -> int:
    name = next((argument for argument in arguments if not argument.startswith("-")), None)
    parser, subparsers = make_parser()
    if name not in subparsers:
        parser.parse_args(arguments)
        return USAGE_ERROR
    command = COMMANDS[name]
    return stoppable(
        partial(_run, command, subparsers[name], parser, arguments), resumes=command.resumes
    )


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
    console.setFormatter(_Formatter())
    logging.basicConfig(level=logging.WARNING, handlers=[console])
    for package in ("fnet_registry", "fnet_ray", "fnet_tune"):
        logging.getLogger(package).setLevel(logging.INFO)
    logging.getLogger("mlflow.store.db").setLevel(logging.WARNING)  # it tells how it makes tables
    module = declare(command, subparser)
    parsed = parser.parse_args(arguments)
    _say_what_is_loaded(command, getattr(parsed, "models", None) or [getattr(parsed, "model", "")])
    return module.run(parsed)


def _say_what_is_loaded(command: Command, models: Sequence[str]) -> None:
    """Give a sign of life before imports that take seconds, and more on a busy machine."""
    left = [package for package in command.loads if package not in sys.modules]
    if left:
        then = f", then {', '.join(models)}" if any(models) else ""
        print(without_secrets(f"fnet: loading {', '.join(left)}{then}"), file=sys.stderr)


def _mlflow_errors() -> tuple[type[Exception], ...]:
    """MLflow' own error, where MLflow is loaded: an unknown model is a user's mistake."""
    exceptions: ModuleType | None = sys.modules.get("mlflow.exceptions")
    return () if exceptions is None else (exceptions.MlflowException,)


def _fail(message: str) -> int:
    first_line = without_secrets(message).partition("\n")[0]
    print(f"fnet: error: {first_line}", file=sys.stderr)
    return USAGE_ERROR
