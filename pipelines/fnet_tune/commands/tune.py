"""Tune a model on a user's own examples."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fnet_evaluate.commands.evaluate import renaming
from fnet_registry.encoding.config import ENCODING_ARGUMENTS
from fnet_registry.shown import counted
from fnet_tune.commands.bar import ProgressBar
from fnet_tune.commands.version import add_version_arguments

if TYPE_CHECKING:
    from fnet_tune.job import Tuning

NOT_BETTER = 1
_ENCODING = [name for name in ENCODING_ARGUMENTS if name != "quantization"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    add_version_arguments(parser)
    parser.add_argument(
        "data",
        nargs="+",
        metavar="DATA",
        help="files of Parquet, JSON lines, CSV or TSV, told apart by their columns: anchor,"
        " positive and maybe negative; text_a, text_b, score; text, label; text, embedding",
    )
    parser.add_argument(
        "--held-out",
        metavar="FILE",
        help="choose the best state by this data; default: a tenth of DATA, at most 1,000",
    )
    parser.add_argument(
        "--also-evaluate", metavar="FILE", help="show what tuning cost or brought on other data"
    )
    parser.add_argument(
        "--map",
        type=renaming,
        action="append",
        default=[],
        metavar="NAME=COLUMN",
        help="another name of a column, such as anchor=question",
    )
    parser.add_argument(
        "--split-texts",
        action="store_true",
        help="of texts alone, make pairs: the first paragraph or sentence, and the rest",
    )
    parser.add_argument(
        "--device", help="a torch device, for example cuda:0; default: a GPU if any"
    )
    parser.add_argument(
        "--workers", type=int, metavar="N", help="share each step among workers of Ray Train"
    )
    recipe = parser.add_argument_group("recipe")
    recipe.add_argument("--epochs", type=float, help="how often each example is read")
    recipe.add_argument("--batch-size", type=int, metavar="N", help="examples of a step (128)")
    recipe.add_argument("--learning-rate", type=float, metavar="X", help="the highest")
    recipe.add_argument("--seed", type=int, metavar="N", help="draws order and dropout (0)")
    encoding = parser.add_argument_group("encoding", "by default as the model has it")
    for name in _ENCODING:
        encoding.add_argument(f"--{name.replace('_', '-')}", **ENCODING_ARGUMENTS[name])


def run(args: argparse.Namespace) -> int:
    """Run the command; the exit status is 1 where nothing was better than the parent."""
    from fnet_mlflow.commands.register import read_tags
    from fnet_ray.cluster.runtime import quieten_ray
    from fnet_tune.tuning import TuneOptions, tune

    tags = read_tags(args.tags or [])
    if args.workers is not None:
        quieten_ray()
    asked: dict[str, Any] = {
        name: getattr(args, name) for name in TuneOptions.__annotations__ if hasattr(args, name)
    }
    with ProgressBar() as bar:
        tuning = tune(
            args.model,
            args.data,
            name=args.name,
            held_out=args.held_out,
            also_evaluate=args.also_evaluate,
            map=dict(args.map),
            split_texts=args.split_texts,
            device=args.device,
            workers=args.workers,
            alias=args.alias,
            tags=tags,
            on_start=_say_where,
            on_progress=bar,
            **asked,
        )
    print(_told(tuning, args.name))
    return 0 if tuning.registration else NOT_BETTER


def _say_where(folder: Path) -> None:
    print(f"fnet: working in {folder}", file=sys.stderr, flush=True)


def _told(tuning: Tuning, name: str) -> str:
    from fnet_evaluate.commands.shown import as_table

    parts = [
        as_table([before, after]) for before, after in zip(tuning.before, tuning.after, strict=True)
    ]
    if tuning.bad.count:
        rows = counted(tuning.bad.count, "row was", "rows were")
        parts.append(f"{rows} left out: {'; '.join(tuning.bad.named)}")
    made = tuning.registration
    trained = counted(tuning.state.step, "step")
    steps = f"{tuning.metric} was best after {tuning.state.best_step:,} of {trained}"
    if made is None:
        parts.append(f"{steps}, and not better than before: no version of {name} was registered")
    else:
        done = "registered" if made.created else "holds this already"
        parts.append(f"{steps}\n{made.model_uri} {done}")
    return "\n\n".join(parts)
