"""Our record of the files of one revision: which there are, and their SHA-256."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from fnet_registry.presets.folder import digest_file, is_known
from fnet_registry.presets.whole_file import write_file

# Raise it when an older release could misread the file. A record of another format counts as none,
# so the files are checked against the hub again.
FORMAT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestRecord:
    """What is known of a revision's files.

    Args:
        names: Every file that the preset needs of those that the hub lists, weights included.
        sha256: Digest (hex) of each file that was fetched so far.
        checked: The files whose bytes matched the hub's own digest.
    """

    names: tuple[str, ...]
    sha256: Mapping[str, str] = field(default_factory=dict)
    checked: frozenset[str] = frozenset()

    def intact(self, folder: Path, names: Iterable[str]) -> dict[str, str]:
        """Digest files of a folder and keep those that are as recorded."""
        return {
            name: self.sha256[name]
            for name in names
            if name in self.sha256
            and (folder / name).is_file()
            and digest_file(folder / name) == self.sha256[name]
        }

    def with_file(self, name: str, digest: str, *, checked: bool) -> Self:
        """Add or replace one file."""
        return type(self)(
            names=self.names,
            sha256={**self.sha256, name: digest},
            checked=self.checked | {name} if checked else self.checked - {name},
        )

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Read a record; one that is missing, damaged or of another format is None."""
        try:
            content = json.loads(path.read_bytes())
            if content["format"] != FORMAT:
                return None
            record = cls(
                names=tuple(content["names"]),
                sha256=dict(content["sha256"]),
                checked=frozenset(content["checked"]),
            )
        except (FileNotFoundError, ValueError, KeyError, TypeError, RecursionError):
            return None
        return record if all(map(is_known, {*record.names, *record.sha256})) else None

    def write(self, path: Path) -> None:
        """Write the record in one step, so that no reader sees half of it."""
        content = {
            "format": FORMAT,
            "names": sorted(self.names),
            "sha256": dict(sorted(self.sha256.items())),
            "checked": sorted(self.checked),
        }
        text = json.dumps(content, indent=1) + "\n"
        write_file(path, lambda draft: draft.write_text(text, encoding="utf-8"))
