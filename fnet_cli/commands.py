"""The commands of `fnet`, as one table; each one's module is imported when it is asked for."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol, cast


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
        module: The module that declares and runs it.
        help: One line for the list of commands.
        example: A command line that shows it.
        loads: The packages that take a while to import, which a user waits for.
        extra: The extra of this project that it needs.
        brings: A package that only this extra brings; None for one of the extra's own name.
        resumes: Whether, once stopped, the same command goes on where it was.
    """

    module: str
    help: str
    example: str
    loads: tuple[str, ...] = ()
    extra: str | None = None
    brings: str | None = None
    resumes: bool = False

    def load(self) -> CommandModule:
        """Import its module."""
        return cast(CommandModule, import_module(self.module))


COMMANDS = {
    "presets": Command(
        module="fnet_registry.commands.presets",
        help="list the built-in presets and what is in the cache",
        example="fnet presets --check",
    ),
    "inspect": Command(
        module="fnet_registry.commands.inspect",
        help="show what a preset is, without loading its weights",
        example="fnet inspect hf://google/fnet-base",
    ),
    "convert": Command(
        module="fnet_registry.commands.convert",
        help="write a preset of any format as a KerasHub folder",
        example="fnet convert hf://google/fnet-base converted",
    ),
    "register": Command(
        module="fnet_mlflow.commands.register",
        help="register a preset as a model version in MLflow",
        example="fnet register f_net_base_en --name fnet --alias champion",
        loads=("mlflow", "torch"),
        extra="mlflow",
    ),
    "models": Command(
        module="fnet_mlflow.commands.models",
        help="list the registered versions",
        example="fnet models fnet",
        loads=("mlflow",),
        extra="mlflow",
    ),
    "verify": Command(
        module="fnet_mlflow.commands.verify",
        help="recompute a version's probe vectors on this machine",
        example="fnet verify models:/fnet/1 --dtype bfloat16",
        loads=("mlflow", "torch"),
        extra="mlflow",
    ),
    "tune": Command(
        module="fnet_tune.commands.tune",
        help="tune a model on your own examples, and register it if it is better",
        example="fnet tune models:/fnet/1 questions.parquet --name support --sequence-length 64",
        loads=("mlflow", "ray", "torch"),
        extra="tune",
        brings="mlflow",
        resumes=True,
    ),
    "whiten": Command(
        module="fnet_tune.commands.whiten",
        help="spread a version's vectors by a corpus, without labels",
        example="fnet whiten models:/fnet/1 corpus/*.parquet --name fnet --dims 256",
        loads=("mlflow", "ray", "torch"),
        extra="tune",
        brings="ray",
    ),
    "evaluate": Command(
        module="fnet_evaluate.commands.evaluate",
        help="compare models on your own data",
        example="fnet evaluate models:/fnet/1 models:/fnet/2 --data sts.csv --baselines",
        loads=("mlflow", "torch"),
        extra="evaluate",
        brings="bm25s",
    ),
    "promote": Command(
        module="fnet_evaluate.commands.promote",
        help="give a version an alias if its figures are good enough",
        example="""\
fnet promote models:/fnet/2 --require "ndcg@10>=0.3" --require "ndcg@10>=champion"
  fnet promote models:/fnet --rollback""",
        loads=("mlflow",),
        extra="evaluate",
        brings="bm25s",
    ),
    "embed": Command(
        module="fnet_ray.commands.embed",
        help="turn a corpus into embeddings",
        example="fnet embed models:/fnet/1 corpus/*.parquet embeddings --column text",
        loads=("mlflow", "ray", "torch"),
        extra="ray",
        resumes=True,
    ),
    "status": Command(
        module="fnet_ray.commands.status",
        help="show how far an embedding job is",
        example="fnet status embeddings --check",
        extra="ray",
    ),
    "search": Command(
        module="fnet_ray.commands.search",
        help="find the nearest rows of an output",
        example='''fnet search embeddings "how to parse a date" -k 5 --where "lang = 'en'"''',
        loads=("mlflow", "torch"),
        extra="ray",
    ),
    "report": Command(
        module="fnet_ray.commands.report",
        help="write a page that shows what an output holds",
        example="fnet report embeddings --color lang",
        loads=("matplotlib",),
        extra="report",
        brings="ray",
    ),
    "completion": Command(
        module="fnet_cli.completion",
        help="print the script by which a shell completes fnet",
        example="fnet completion bash",
    ),
}
