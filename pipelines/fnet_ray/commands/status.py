"""Show how far an embedding job is."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from fnet_ray.status import read_status


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument("output", help="the folder that the job writes to")
    parser.add_argument("--json", action="store_true", help="print all figures as JSON")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    status = read_status(args.output)
    if args.json:
        print(json.dumps(asdict(status), indent=1))
        return 0
    by = f" ({status.holder})" if status.holder else ""
    share = status.done / status.rows if status.rows else 1.0
    print(f"{status.state}{by}: {status.done:,} of {status.rows:,} rows ({share:.0%})")
    print(f"{status.shards_done:,} of {status.shards:,} shards, {status.rejected:,} rows rejected")
    print(f"with {status.model}")
    return 0
