"""Register presets as model versions in MLflow."""

from __future__ import annotations

import argparse
from pathlib import Path

from fnet_mlflow.commands.table import format_table
from fnet_mlflow.registry.batch import PRESET_KEYS, Outcome, read_presets, register_presets
from fnet_mlflow.registry.register import Registration, register_preset
from fnet_registry.errors import ModelError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "handle",
        nargs="?",
        metavar="HANDLE",
        help="f_net_base_en, kaggle://owner/model/keras/variant, hf://owner/name or a folder",
    )
    parser.add_argument("--name", help="the registered model")
    parser.add_argument(
        "--from", dest="file", type=Path, metavar="FILE", help="register all presets of a TOML file"
    )
    parser.add_argument("--alias", help="an alias to set on the version, for example champion")
    parser.add_argument(
        "--sequence-length", type=int, metavar="TOKENS", help="pad length; default: the maximum"
    )
    parser.add_argument("--pooling", choices=("mean", "cls", "pooled"), help="default: mean")
    parser.add_argument(
        "--normalize", action="store_true", default=None, help="give vectors of length 1"
    )
    parser.add_argument(
        "--buckets", metavar="A,B,…", help="lengths to pad to instead, the last the pad length"
    )
    parser.add_argument(
        "--quantization", choices=("int8",), help="run the dense layers with int8 weights"
    )
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), help="dtype at load")
    parser.add_argument(
        "--tag",
        dest="tags",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a tag; may be repeated",
    )
    parser.add_argument(
        "--reference",
        action="store_true",
        help="refer to the hub, pinned, instead of storing the weights",
    )
    parser.add_argument(
        "--force", action="store_true", help="register again what is registered already"
    )


def run(args: argparse.Namespace) -> int:
    """Run the command; the exit status is 1 where a preset of a file failed."""
    if args.file is not None:
        return _register_file(args)
    if args.handle is None or args.name is None:
        raise ModelError(
            "Expected a handle and --name, for example: fnet register f_net_base_en --name fnet. "
            f"Received: handle {args.handle}, name {args.name}"
        )
    registration = register_preset(
        args.handle,
        args.name,
        alias=args.alias,
        sequence_length=args.sequence_length,
        buckets=_read_buckets(args.buckets),
        pooling=args.pooling,
        normalize=args.normalize,
        quantization=args.quantization,
        model_config={"dtype": args.dtype} if args.dtype else None,
        tags=_read_tags(args.tags),
        reference=args.reference,
        force=args.force,
    )
    print(f"{registration.model_uri} {_say(registration)}")
    return 0


def _register_file(args: argparse.Namespace) -> int:
    beside = {name: value for name, value in vars(args).items() if name in PRESET_KEYS and value}
    if beside:
        given = ", ".join(f"{name} {value}" for name, value in beside.items())
        raise ModelError(f"--from takes all of a preset from the file. Received beside it: {given}")
    outcomes = list(register_presets(read_presets(args.file)))
    print(format_table(("HANDLE", "VERSION", "RESULT"), map(_row, outcomes)))
    return 1 if any(outcome.error for outcome in outcomes) else 0


def _row(outcome: Outcome) -> tuple[str, str, str]:
    registration = outcome.registration
    if registration is None:
        return outcome.handle, "-", f"failed: {outcome.error}"
    return outcome.handle, registration.model_uri, _say(registration)


def _say(registration: Registration) -> str:
    if not registration.created:
        return "holds this already; --force registers it again"
    told = registration.metadata
    return (
        f"registered: {told['parameter_count']:,} parameters, {told['embedding_dim']} dimensions, "
        f"{told['pooling']} pooling over {told['sequence_length']} tokens"
    )


def _read_buckets(lengths: str | None) -> list[int] | None:
    if lengths is None:
        return None
    if not all(length.strip().isdecimal() for length in lengths.split(",")):
        raise ModelError(f"Buckets are written like 32,64,128. Received: {lengths!r}")
    return [int(length) for length in lengths.split(",")]


def _read_tags(pairs: list[str]) -> dict[str, str]:
    for pair in pairs:
        key, equals, _ = pair.partition("=")
        if not key or not equals:
            raise ModelError(
                f"A tag is written key=value, for example team=search. Received: {pair!r}"
            )
    return {key: value for key, _, value in (pair.partition("=") for pair in pairs)}
