"""The `fnet` command: a thin root that loads the module of the one command asked for."""

import argparse
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from fnet_registry import __version__
from fnet_registry.errors import FNetError
from fnet_registry.redaction import without_secrets

USAGE_ERROR = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Where a command lives.

    Args:
        module: Holds `add_arguments(parser)` and `run(args) -> int`.
        help: One line for the list of commands.
        extra: The extra of this project that it needs, or None.
        needs: The import name that this extra brings.
    """

    module: str
    help: str
    extra: str | None = None
    needs: str | None = None


COMMANDS = {
    "presets": Command(
        module="fnet_registry.commands.presets",
        help="list the built-in presets and what is in the cache",
    ),
    "inspect": Command(
        module="fnet_registry.commands.inspect",
        help="show what a preset is, without loading its weights",
    ),
    "convert": Command(
        module="fnet_registry.commands.convert",
        help="write a preset of any format as a KerasHub folder",
    ),
    "register": Command(
        module="fnet_mlflow.commands.register",
        help="register a preset as a model version in MLflow",
        extra="mlflow",
        needs="mlflow",
    ),
    "models": Command(
        module="fnet_mlflow.commands.models",
        help="list the registered versions",
        extra="mlflow",
        needs="mlflow",
    ),
    "verify": Command(
        module="fnet_mlflow.commands.verify",
        help="recompute a version's probe vectors on this machine",
        extra="mlflow",
        needs="mlflow",
    ),
    "embed": Command(
        module="fnet_ray.commands.embed",
        help="turn a corpus into embeddings",
        extra="ray",
        needs="ray",
    ),
    "status": Command(
        module="fnet_ray.commands.status",
        help="show how far an embedding job is",
        extra="ray",
        needs="ray",
    ),
}


class _Formatter(logging.Formatter):
    """Shows no credentials, whoever logs them."""

    def format(self, record: logging.LogRecord) -> str:
        return without_secrets(super().format(record))


def main(argv: Sequence[str] | None = None) -> int:
    """Runs `fnet`.

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
    if command.needs is not None and find_spec(command.needs) is None:
        return _fail(
            f"This command needs {command.needs}."
            f' Install it with: pip install "fnet-registry[{command.extra}]"'
        )
    console = logging.StreamHandler()
    console.setFormatter(_Formatter("fnet: %(levelname)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[console])
    logging.getLogger("fnet_registry").setLevel(logging.INFO)
    module = import_module(command.module)
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
    """MLflow's own error, where MLflow is loaded: an unknown model is a user's mistake."""
    exceptions: ModuleType | None = sys.modules.get("mlflow.exceptions")
    return () if exceptions is None else (exceptions.MlflowException,)


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _fail(message: str) -> int:
    first_line = without_secrets(message).partition("\n")[0]
    print(f"fnet: error: {first_line}", file=sys.stderr)
    return USAGE_ERROR
