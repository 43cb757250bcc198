"""The command line's grammar: all commands by name, and one of them with its arguments."""

from __future__ import annotations

import argparse
import textwrap

from fnet_cli.commands import COMMANDS, Command, CommandModule
from fnet_registry import __version__


def make_parser() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """Return the parser, and the commands' own by name, which know no arguments yet."""
    parser = argparse.ArgumentParser(
        prog="fnet",
        description="FNet text encoders: presets, registry and embedding jobs.",
        epilog="fnet COMMAND --help shows an example of each.",
    )
    parser.add_argument("--version", action="version", version=f"fnet-registry {__version__}")
    adding = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    subparsers = {
        name: adding.add_parser(
            name,
            help=command.help,
            description=f"{command.help[0].upper()}{command.help[1:]}.",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        for name, command in COMMANDS.items()
    }
    return parser, subparsers


def declare(command: Command, subparser: argparse.ArgumentParser) -> CommandModule:
    """Import a command's module, which declares its arguments, and show an example below them."""
    module = command.load()
    module.add_arguments(subparser)
    subparser.description = textwrap.fill(subparser.description or "", 80)
    more = f"\n\n{subparser.epilog}" if subparser.epilog else ""
    subparser.epilog = f"example:\n  {command.example}{more}"
    return module
