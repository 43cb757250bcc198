"""Handles of a hub that is a folder: `toy://owner/name[@version]`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Self

from fnet_registry.presets.handles.hub import HubHandle


@dataclass(frozen=True, slots=True)
class ToyHandle(HubHandle):
    SCHEME: ClassVar[str] = "toy://"
    FORM: ClassVar[str] = "toy://owner/name[@version]"
    CLIENT: ClassVar[str] = "fnet_registry.presets.hub.toy:ToyClient"
    NAME: ClassVar[str] = "The toy hub"
    PAGE: ClassVar[str] = "https://toys.example/{0.name}"
    REVISION_WORD: ClassVar[str] = "version"
    CACHE_VARIABLE: ClassVar[str] = "TOY_CACHE"
    TOKEN_VARIABLE: ClassVar[str] = "TOY_TOKEN"
    CREDENTIAL_VARIABLES: ClassVar[tuple[str, ...]] = ("TOY_TOKEN",)

    owner: str
    name: str
    version: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        repository, _, version = text.removeprefix(cls.SCHEME).partition("@")
        owner, _, name = repository.partition("/")
        return cls(owner, name, version or None)

    def __str__(self) -> str:
        version = f"@{self.version}" if self.version else ""
        return f"{self.SCHEME}{self.owner}/{self.name}{version}"

    @classmethod
    def environment(cls) -> dict[str, str]:
        return {"TOY_CACHE": os.environ["TOY_CACHE"]}

    @property
    def repository_folder(self) -> Path:
        return Path(os.environ["TOY_CACHE"], self.owner, self.name)

    @property
    def revision_folder(self) -> Path:
        return self.repository_folder / str(self.version)

    def cached(self) -> Iterator[Self]:
        for path in self.repository_folder.glob("[0-9]*"):
            yield replace(self, version=path.name)

    @classmethod
    def all_cached(cls) -> Iterator[Self]:
        yield from ()
