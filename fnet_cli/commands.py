"""The commands of `fnet`, as one table; each one's module is imported when it is asked for."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


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
        example: A command line that shows it.
        loads: The packages that take a while to import, which a user waits for.
        extra: The extra of this project that it needs.
        brings: A package that only this extra brings; None for one of the extra's own name.
    """

    load: Callable[[], CommandModule]
    help: str
    example: str
    loads: tuple[str, ...] = ()
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


def _completion() -> CommandModule:
    from fnet_cli import completion

    return completion


COMMANDS = {
    "presets": Command(
        load=_presets,
        help="list the built-in presets and what is in the cache",
        example="fnet presets --check",
    ),
    "inspect": Command(
        load=_inspect,
        help="show what a preset is, without loading its weights",
        example="fnet inspect hf://google/fnet-base",
    ),
    "convert": Command(
        load=_convert,
        help="write a preset of any format as a KerasHub folder",
        example="fnet convert hf://google/fnet-base converted",
    ),
    "register": Command(
        load=_register,
        help="register a preset as a model version in MLflow",
        example="fnet register f_net_base_en --name fnet --alias champion",
        loads=("mlflow", "torch"),
        extra="mlflow",
    ),
    "models": Command(
        load=_models,
        help="list the registered versions",
        example="fnet models fnet",
        loads=("mlflow",),
        extra="mlflow",
    ),
    "verify": Command(
        load=_verify,
        help="recompute a version's probe vectors on this machine",
        example="fnet verify models:/fnet/1 --dtype bfloat16",
        loads=("mlflow", "torch"),
        extra="mlflow",
    ),
    "tune": Command(
        load=_tune,
        help="tune a model on your own examples, and register it if it is better",
        example="fnet tune models:/fnet/1 questions.parquet --name support --sequence-length 64",
        loads=("mlflow", "ray", "torch"),
        extra="tune",
        brings="mlflow",
    ),
    "whiten": Command(
        load=_whiten,
        help="spread a version's vectors by a corpus, without labels",
        example="fnet whiten models:/fnet/1 corpus/*.parquet --name fnet --dims 256",
        loads=("mlflow", "ray", "torch"),
        extra="tune",
        brings="ray",
    ),
    "evaluate": Command(
        load=_evaluate,
        help="compare models on your own data",
        example="fnet evaluate models:/fnet/1 models:/fnet/2 --data sts.csv --baselines",
        loads=("mlflow", "torch"),
        extra="evaluate",
        brings="bm25s",
    ),
    "promote": Command(
        load=_promote,
        help="give a version an alias if its figures are good enough",
        example="""\
fnet promote models:/fnet/2 --require "ndcg@10>=0.3" --require "ndcg@10>=champion"
  fnet promote models:/fnet --rollback""",
        loads=("mlflow",),
        extra="evaluate",
        brings="bm25s",
    ),
    "embed": Command(
        load=_embed,
        help="turn a corpus into embeddings",
        example="fnet embed models:/fnet/1 corpus/*.parquet embeddings --column text",
        loads=("mlflow", "ray", "torch"),
        extra="ray",
    ),
    "status": Command(
        load=_status,
        help="show how far an embedding job is",
        example="fnet status embeddings --check",
        extra="ray",
    ),
    "search": Command(
        load=_search,
        help="find the nearest rows of an output",
        example='''fnet search embeddings "how to parse a date" -k 5 --where "lang = 'en'"''',
        loads=("mlflow", "torch"),
        extra="ray",
    ),
    "report": Command(
        load=_report,
        help="write a page that shows what an output holds",
        example="fnet report embeddings --color lang",
        loads=("matplotlib",),
        extra="report",
        brings="ray",
    ),
    "completion": Command(
        load=_completion,
        help="print the script by which a shell completes fnet",
        example="fnet completion bash",
    ),
}
