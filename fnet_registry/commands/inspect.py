"""Shows what a preset is, without loading its weights."""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass
from typing import Any

from fnet_registry.commands.printing import print_json
from fnet_registry.encoding.stored import read_encoding
from fnet_registry.presets.card import ModelCard, read_card
from fnet_registry.presets.checkpoint import read_checkpoint
from fnet_registry.presets.documents import read_json
from fnet_registry.presets.fetch import fetch
from fnet_registry.presets.folder import PresetFolder, preset_format
from fnet_registry.presets.handle import LocalHandle, parse_handle
from fnet_registry.presets.tensors import parameter_count
from fnet_registry.shown import one_line


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What is known of a preset before its weights are loaded."""

    handle: str
    format: str
    written_by: str
    parameters: int
    config: dict[str, Any]
    dtype: str
    encoding: dict[str, Any] | None
    license: str | None
    model_card: str | None
    sha256: dict[str, str]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("preset", help="any preset handle")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Print the preset's facts."""
    inspection = inspect_preset(args.preset)
    if args.json:
        print_json(inspection)
        return 0
    for name, value in asdict(inspection).items():
        print(f"{name.replace('_', ' '):<12}{_shown(value)}")
    return 0


def inspect_preset(preset: str) -> Inspection:
    """Read the documents of a preset, by any handle; a hub's weights are not fetched.

    Raises:
        FNetError: If the preset cannot be had, or is not an FNet.
    """
    handle = parse_handle(preset)
    folder = fetch(handle, weights=isinstance(handle, LocalHandle))
    checkpoint = read_checkpoint(folder.path, weights=False)
    encoding = read_encoding(folder.path)
    card: ModelCard = read_card(folder)
    return Inspection(
        handle=str(folder.handle),
        format=preset_format(folder.path).name,
        written_by=_written_by(folder),
        parameters=parameter_count(checkpoint.config),
        config=checkpoint.config.to_dict(),
        dtype=checkpoint.dtype,
        encoding=None if encoding is None else encoding.to_dict(),
        license=card.license,
        model_card=card.text,
        sha256=dict(folder.digests),
    )


def _written_by(folder: PresetFolder) -> str:
    """Return the tools and versions that the preset's own documents name."""
    names = ("metadata.json", "config.json")
    documents = [read_json(folder.path / name) for name in names if name in folder.files]
    versions = {
        key.removesuffix("_version"): value
        for document in documents
        for key, value in document.items()
        if key.endswith("_version") and isinstance(value, str)
    }
    named = ", ".join(f"{tool} {version}" for tool, version in versions.items() if version)
    return one_line(named) or "unknown"


def _shown(value: Any) -> str:
    if value is None:
        return "not stated"
    if isinstance(value, dict):
        return "".join(f"\n  {name:<40}{entry}" for name, entry in value.items())
    if isinstance(value, int):
        return f"{value:,}"
    return one_line(str(value).partition("\n")[0])
