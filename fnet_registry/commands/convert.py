"""Writes a preset of any format as a KerasHub folder."""

from __future__ import annotations

import argparse
from pathlib import Path

from fnet_registry.encoding.stored import read_encoding, write_encoding
from fnet_registry.presets.checkpoint import read_checkpoint
from fnet_registry.presets.fetch import fetch
from fnet_registry.presets.tensors import parameter_count
from fnet_registry.presets.writing import write_checkpoint


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("preset", help="any preset handle")
    parser.add_argument("folder", type=Path, help="the folder to write")


def run(args: argparse.Namespace) -> int:
    """Convert one preset."""
    source = fetch(args.preset)
    checkpoint = read_checkpoint(source.path)
    write_encoding(read_encoding(source.path), args.folder)
    write_checkpoint(checkpoint, args.folder)
    count = parameter_count(checkpoint.config)
    print(f"{args.folder}: {count:,} parameters from {source.handle}, as a KerasHub preset")
    return 0
