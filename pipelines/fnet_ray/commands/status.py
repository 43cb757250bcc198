"""Show how far an embedding job is."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from fnet_registry.commands.printing import print_json
from fnet_registry.shown import counted

if TYPE_CHECKING:
    from fnet_ray.status import Status

DAMAGED = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument("output", help="the folder that the job writes to")
    parser.add_argument(
        "--check",
        action="store_true",
        help="read every file; shards that are not as they were committed will be embedded again",
    )
    parser.add_argument("--json", action="store_true", help="print all figures as JSON")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from fnet_ray.output.audit import take_back
    from fnet_ray.output.stores import open_store
    from fnet_ray.status import read_status

    status = read_status(args.output, check=args.check)
    if args.json:
        print_json(status)
    else:
        _print(status)
    if args.check and status.holder is None:
        for shard in status.damage:
            take_back(open_store(args.output), shard)
    return DAMAGED if status.damage else 0


def _print(status: Status) -> None:
    by = f" ({status.holder})" if status.holder else ""
    share = status.done / status.rows if status.rows else 1.0
    print(f"{status.state}{by}: {status.done:,} of {counted(status.rows, 'row')} ({share:.0%})")
    shards, rejected = counted(status.shards, "shard"), counted(status.rejected, "row")
    print(f"{status.shards_done:,} of {shards}, {rejected} rejected")
    print(f"with {status.model}")
    for shard, what in status.damage.items():
        print(f"shard {shard} is damaged: {what}")
    if status.damage:
        print("the same fnet embed command embeds damaged shards again")
