"""Register presets as model versions in MLflow."""

import argparse

from fnet_mlflow.registration import Registration, register_preset
from fnet_registry.errors import ModelError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument(
        "handle",
        metavar="HANDLE",
        help="f_net_base_en, kaggle://owner/model/keras/variant, hf://owner/name or a folder",
    )
    parser.add_argument("--name", required=True, help="the registered model")
    parser.add_argument("--alias", help="an alias to set on the version, for example champion")
    parser.add_argument(
        "--sequence-length", type=int, metavar="TOKENS", help="pad length; default: the maximum"
    )
    parser.add_argument("--pooling", choices=("mean", "cls", "pooled"), help="default: mean")
    parser.add_argument(
        "--normalize", action="store_true", default=None, help="give vectors of length 1"
    )
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), help="default dtype at load")
    parser.add_argument(
        "--tag", action="append", default=[], metavar="KEY=VALUE", help="a tag; may be repeated"
    )
    parser.add_argument(
        "--force", action="store_true", help="register again what is registered already"
    )


def run(args: argparse.Namespace) -> int:
    """Runs the command."""
    registration = register_preset(
        args.handle,
        args.name,
        alias=args.alias,
        sequence_length=args.sequence_length,
        pooling=args.pooling,
        normalize=args.normalize,
        model_config={"dtype": args.dtype} if args.dtype else None,
        tags=read_tags(args.tag),
        force=args.force,
    )
    print(_say(registration))
    return 0


def read_tags(pairs: list[str]) -> dict[str, str]:
    """Reads `key=value` pairs."""
    for pair in pairs:
        if not pair.partition("=")[0] or "=" not in pair:
            raise ModelError(
                f"A tag is written key=value, for example team=search. Received: {pair!r}"
            )
    return {key: value for key, _, value in (pair.partition("=") for pair in pairs)}


def _say(registration: Registration) -> str:
    if not registration.created:
        return f"{registration.model_uri} holds this already; --force registers it again"
    told = registration.metadata
    return (
        f"{registration.model_uri} registered: {told['parameter_count']:,} parameters, "
        f"{told['embedding_dim']} dimensions, {told['pooling']} pooling over "
        f"{told['sequence_length']} tokens"
    )
