"""The client of a hub that is a folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from fnet_registry.presets.handles.toy import ToyHandle

from fnet_registry.presets.hub.client import HubClient, from_exception
from fnet_registry.presets.hub.messages import Failed


class ToyClient(HubClient):
    def __init__(self, handle: ToyHandle):
        self._handle = handle
        self._hub = Path(os.environ["TOY_HUB"], handle.owner, handle.name)

    def resolve(self) -> str:
        return str(replace(self._handle, version="1"))

    def list_files(self) -> Mapping[str, int]:
        files = (path for path in self._hub.rglob("*") if path.is_file())
        return {str(path.relative_to(self._hub)): path.stat().st_size for path in files}

    def is_intact(self, name: str) -> bool:
        return (self._hub / name).read_bytes() == self._target(name).read_bytes()

    def download(self, name: str) -> bool:
        self._target(name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self._hub / name, self._target(name))
        return True

    def discard(self, name: str) -> None:
        self._target(name).unlink(missing_ok=True)

    def received(self) -> int:
        return 0

    def secrets(self) -> Iterable[str | None]:
        return ()

    def classify(self, error: Exception) -> Failed:
        return from_exception(error)

    def _target(self, name: str) -> Path:
        return self._handle.revision_folder / name
