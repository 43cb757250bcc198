"""Print the script by which a shell completes commands, options and files."""

from __future__ import annotations

import argparse
from importlib.util import find_spec

SHELLS = ("bash", "zsh", "tcsh")
# What takes no path: files are completed everywhere else, models' folders among them.
NO_PATHS = ("k", "limit", "name", "alias", "tags", "query", "where", "column", "seed")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.description = (
        "Print a script by which a shell completes the commands of fnet, their options and the "
        'files that they take. In ~/.bashrc: eval "$(fnet completion bash)"'
    )
    parser.add_argument("shell", choices=SHELLS, help="the shell to print it for")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    import shtab

    print(shtab.complete(_whole_parser(), shell=args.shell))
    return 0


def _whole_parser() -> argparse.ArgumentParser:
    """Return the parser with the arguments of all commands whose packages are installed."""
    import shtab

    from fnet_cli.commands import COMMANDS
    from fnet_cli.parser import declare, make_parser

    parser, subparsers = make_parser()
    for name, command in COMMANDS.items():
        needed = command.brings or command.extra
        if needed is None or find_spec(needed):
            declare(command, subparsers[name])
        for action in subparsers[name]._actions:
            if action.nargs != 0 and not action.choices and action.dest not in NO_PATHS:
                action.complete = shtab.FILE  # pyright: ignore[reportAttributeAccessIssue]
    return parser
