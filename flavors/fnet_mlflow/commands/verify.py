"""Recompute a version's probe vectors on this machine."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from fnet_registry.commands.printing import print_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("model", metavar="MODEL_URI", help="for example models:/fnet/1")
    parser.add_argument("--device", help="a torch device, for example cuda:0; default: as saved")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), help="default: as saved")
    parser.add_argument("--num-threads", type=int, metavar="N", help="CPU threads")
    parser.add_argument("--json", action="store_true", help="print all figures as JSON")


def run(args: argparse.Namespace) -> int:
    """Run the command; the exit status is 1 where a bound does not hold."""
    from fnet_mlflow.registry.verify import verify_model

    report = verify_model(
        args.model, device=args.device, dtype=args.dtype, num_threads=args.num_threads
    )
    if args.json:
        print_json({"model": args.model, "passed": report.passed, **asdict(report)})
        return 0 if report.passed else 1
    print(f"{args.model} {'computes the same' if report.passed else 'DIFFERS'}: {report}")
    return 0 if report.passed else 1
