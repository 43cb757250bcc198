"""Evaluate models side by side on a user's own data."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fnet_registry.errors import ModelError

if TYPE_CHECKING:
    from fnet_evaluate.evaluation import Evaluation


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument(
        "models",
        nargs="+",
        metavar="MODEL",
        help="models:/NAME/VERSION, models:/NAME@ALIAS, runs:/…, a model folder or a preset handle;"
        " the others are compared with the first",
    )
    parser.add_argument(
        "--data",
        action="append",
        required=True,
        metavar="DATA",
        help="files of Parquet, JSON lines, CSV, TSV or text, told apart by their columns: text_a,"
        " text_b, score; anchor, positive; query, relevant_ids; text, label; text; or a BEIR"
        " folder",
    )
    parser.add_argument(
        "--corpus",
        action="append",
        metavar="CORPUS",
        help="the texts that queries are to find: files with id and text, a BEIR folder, or an"
        " output of fnet embed, whose vectors are used",
    )
    parser.add_argument(
        "--map",
        type=renaming,
        action="append",
        default=[],
        metavar="NAME=COLUMN",
        help="another name of a column, such as anchor=question",
    )
    parser.add_argument("--baselines", action="store_true", help="evaluate BM25 and TF-IDF, too")
    parser.add_argument(
        "--no-tracking", action="store_true", help="log nothing on the registered versions"
    )
    parser.add_argument("--json", action="store_true", help="print all figures as JSON")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from fnet_evaluate.commands.shown import as_json, as_table
    from fnet_evaluate.evaluating import evaluate

    found = evaluate(
        args.models,
        args.data,
        corpus=args.corpus,
        map=dict(args.map),
        baselines=args.baselines,
    )
    print(as_json(found) if args.json else as_table(found), flush=True)
    if not args.no_tracking:
        _log(found, args.data[0])
    return 0


def _log(evaluations: Sequence[Evaluation], data: str) -> None:
    """Log on registered versions, once the figures are out: a server that is away costs none."""
    from mlflow.exceptions import MlflowException

    from fnet_evaluate.registry.logged import log_evaluation

    source = data if "://" in data else os.path.abspath(data)
    for evaluation in evaluations:
        try:
            run_id = log_evaluation(evaluation, source=source)
        except (MlflowException, OSError) as error:
            raise ModelError(
                f"The figures could not be logged on {evaluation.model}; --no-tracking leaves that "
                f"out. Received: {error}"
            ) from None
        if run_id is not None:
            print(f"logged on {evaluation.model}: run {run_id}", file=sys.stderr)


def renaming(text: str) -> tuple[str, str]:
    """Read a column's own name and its name in a file, as `argparse` has it read."""
    name, sign, column = text.partition("=")
    if not (name and sign and column):
        raise argparse.ArgumentTypeError(f"written like anchor=question. Received: {text!r}")
    return name, column
