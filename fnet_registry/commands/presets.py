"""Lists the built-in presets and what is in the cache."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass

from fnet_registry.commands.printing import print_json
from fnet_registry.errors import DamagedFileError, PresetError
from fnet_registry.presets.builtin import BUILT_IN_PRESETS
from fnet_registry.presets.documents import read_json
from fnet_registry.presets.folder import preset_format
from fnet_registry.presets.formats.format import CONFIG_FILE
from fnet_registry.presets.hub import offline
from fnet_registry.presets.hub.cache import CacheEntry, cached_entries


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedPreset:
    """One revision of an FNet preset in a hub client's cache.

    Args:
        handle: The pinned handle.
        complete: Whether it loads without a network, weights included.
        verified: Whether its files matched the hub's digests when they came; with `--check`,
            whether they still do.
        size: Bytes of its files.
    """

    handle: str
    complete: bool
    verified: bool
    size: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--check", action="store_true", help="read the cached files and compare their digests"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Print both lists."""
    cached = list(cached_presets(check=args.check))
    if args.json:
        built_in = [{"name": name, **asdict(each)} for name, each in BUILT_IN_PRESETS.items()]
        print_json({"built_in": built_in, "cached": cached})
        return 0
    print("Built in:")
    for name, preset in BUILT_IN_PRESETS.items():
        where = preset.handle or "comes with this package"
        print(f"  {name:<20}{preset.parameter_count:>12,} parameters  {where}")
        print(f"  {'':<20}{preset.description}")
    print("In the cache:" if cached else "In the cache: none")
    width = max((len(preset.handle) for preset in cached), default=0)
    for preset in cached:
        complete = "complete" if preset.complete else "incomplete"
        verified = "verified" if preset.verified else "unverified"
        print(f"  {preset.handle:<{width}}  {preset.size / 1e6:>9,.1f} MB  {complete}, {verified}")
    return 0


def cached_presets(*, check: bool = False) -> Iterator[CachedPreset]:
    """Find the FNet presets in the hub clients' caches.

    With `check` the files of those that are complete are digested, at about a second for each GB;
    without, their record is trusted.
    """
    for entry in cached_entries():
        if _is_fnet(entry):
            complete = offline.is_complete(entry, weights=True)
            yield CachedPreset(
                handle=str(entry.handle),
                complete=complete,
                verified=_is_intact(entry) if check and complete else _is_recorded(entry),
                size=sum((entry.path / name).stat().st_size for name in entry.present()),
            )


def _is_fnet(entry: CacheEntry) -> bool:
    with suppress(PresetError):  # another model's folder need not have a config that we can read
        preset_format(entry.path).parse_config(read_json(entry.path / CONFIG_FILE))
        return True
    return False


def _is_recorded(entry: CacheEntry) -> bool:
    record = entry.record()
    return record is not None and record.checked.issuperset(entry.present())


def _is_intact(entry: CacheEntry) -> bool:
    try:
        return offline.find(entry.handle, weights=True).verified
    except DamagedFileError:
        return False
