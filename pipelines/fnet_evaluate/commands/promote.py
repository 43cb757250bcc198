"""Give a version an alias if its logged figures are good enough."""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from fnet_mlflow.commands.table import format_table
from fnet_registry.errors import ModelError

if TYPE_CHECKING:
    from fnet_evaluate.registry.decision import Decision

REFUSED = 1

_EPILOG = """\
requirements:
  "ndcg@10>=0.42"      the figure is at least 0.42; its interval is shown, and decides nothing
  "ndcg@10>=champion"  the version is not shown to be worse than the champion: refused only if the
                       interval of their difference, item by item on the same data, lies below
                       zero, as `fnet evaluate` prints it. Few items make a wide interval, which
                       lets much through, and small losses add up: require a number beside it.
  "ndcg@10>champion"   the version is shown to be better: the interval lies above zero
  <= and < ask the same of figures that should be low, as "cut_share<=0.05". Any alias of the
  model can be compared with. While no version has the alias that is to be given, there is nothing
  to compare with, and numbers alone let the first one in.

exit status: 0 the version has the alias; 1 refused, or someone else moved the alias meanwhile;
  2 a mistake. The decision, its grounds and who took it are a tag of the version in each case.

The registry cannot set an alias on condition. The alias is read again right before it is set, and
0.2 seconds after; who finds another version there has lost. One window is left: who needs longer
than that from reading the alias to setting it may set it after another has won. Then both exit with
0, both decisions are on their versions, and the alias is where the later one put it.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "model",
        metavar="MODEL",
        help="models:/NAME/VERSION or models:/NAME@ALIAS; models:/NAME with --rollback",
    )
    parser.add_argument("--alias", default="champion", help="the alias to give (default: champion)")
    parser.add_argument(
        "--require",
        action="append",
        default=[],
        metavar="REQUIREMENT",
        help="what the version must reach, in quotes; may be repeated",
    )
    parser.add_argument(
        "--data",
        help="the data of the figures, if they were logged of several: a file, a name or a digest",
    )
    parser.add_argument("--force", action="store_true", help="let it in all the same, on record")
    parser.add_argument(
        "--rollback",
        action="store_true",
        help="give the alias back to the version before; again, to the one before that",
    )
    parser.add_argument("--json", action="store_true", help="print the decision as JSON")


def run(args: argparse.Namespace) -> int:
    """Run the command; the exit status is 1 where the version does not have the alias."""
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    from fnet_evaluate.registry.promotion import promote, roll_back

    if args.rollback:
        _check_alone(args)
        decision = roll_back(args.model, alias=args.alias)
    else:
        decision = promote(
            args.model, alias=args.alias, require=args.require, data=args.data, force=args.force
        )
    if args.json:
        print(json.dumps(_plain(decision), indent=1, allow_nan=False))
    else:
        _print(decision)
    return 0 if decision.stands else REFUSED


def _plain(decision: Decision) -> dict[str, Any]:
    checks = [
        asdict(check) | {"figure": check.figure and check.figure.plain()}
        for check in decision.checks
    ]
    return asdict(decision) | {"checks": checks}


def _check_alone(args: argparse.Namespace) -> None:
    beside = [name for name in ("require", "data", "force") if getattr(args, name)]
    if beside:
        raise ModelError(
            "--rollback goes back to the version before, whatever its figures, for example: fnet "
            f"promote models:/fnet --rollback. Received beside it: --{', --'.join(beside)}"
        )


def _print(decision: Decision) -> None:
    before = decision.before or "no version"
    said = {
        "promoted": f"is {decision.alias} now; before: {before}",
        "rolled back": f"is {decision.alias} again; before: {before}",
        "unchanged": f"is {decision.alias} already",
        "refused": f"is refused; {decision.alias} stays {before}",
        "lost": f"has lost: someone else moved {decision.alias} meanwhile; it was {before}",
    }
    forced = " (forced)" if decision.forced else ""
    print(f"{decision.model} {said[decision.outcome]}{forced}")
    if decision.checks:
        rows = [
            ("met" if check.met else "NOT MET", check.requirement, check.grounds)
            for check in decision.checks
        ]
        print(format_table(("", "REQUIREMENT", "GROUNDS"), rows))
