"""Handles of Keras models on Kaggle, and where kagglehub keeps them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Self

from fnet_registry.errors import HandleError
from fnet_registry.presets.handles.hub import HubHandle, check_part, unknown_handle

_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_VERSION = re.compile(r"[1-9][0-9]{0,8}")


@dataclass(frozen=True, slots=True)
class KaggleHandle(HubHandle):
    """A Keras model variant on Kaggle: `kaggle://owner/model/keras/variant[/version]`."""

    SCHEME: ClassVar[str] = "kaggle://"
    FORM: ClassVar[str] = "kaggle://owner/model/keras/variant[/version]"
    CLIENT: ClassVar[str] = "fnet_registry.presets.hub.kaggle:KaggleClient"
    NAME: ClassVar[str] = "Kaggle"
    PAGE: ClassVar[str] = "https://www.kaggle.com/models/{0.owner}/{0.model}/keras/{0.variant}"
    REVISION_WORD: ClassVar[str] = "version"
    CACHE_VARIABLE: ClassVar[str] = "KAGGLEHUB_CACHE"
    TOKEN_VARIABLE: ClassVar[str] = "KAGGLE_API_TOKEN"
    CREDENTIAL_VARIABLES: ClassVar[tuple[str, ...]] = (
        *("KAGGLE_API_TOKEN", "KAGGLE_API_V1_TOKEN"),
        *("KAGGLE_CONFIG_DIR", "KAGGLE_KEY", "KAGGLE_USERNAME"),
    )

    owner: str
    model: str
    variant: str
    version: int | None = None

    def __post_init__(self) -> None:
        for part in (self.owner, self.model, self.variant):
            check_part(part, _PART, self)
        if self.version is not None and not _VERSION.fullmatch(str(self.version)):
            raise unknown_handle(str(self), "A version is a whole number from 1 on.")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a handle; see `HubHandle`, as for all that follow."""
        match text.removeprefix(cls.SCHEME).split("/"):
            case [owner, model, "keras", variant]:
                return cls(owner, model, variant)
            case [owner, model, "keras", variant, version]:
                if not _VERSION.fullmatch(version):
                    raise unknown_handle(text, "A version is a whole number from 1 on.")
                return cls(owner, model, variant, int(version))
            case [_, _, framework, _] | [_, _, framework, _, _]:
                raise unknown_handle(text, f"The framework must be 'keras', not {framework!r}.")
        raise unknown_handle(text, "After kaggle:// come four parts and an optional version.")

    def __str__(self) -> str:
        version = "" if self.version is None else f"/{self.version}"
        return f"{self.SCHEME}{self.owner}/{self.model}/keras/{self.variant}{version}"

    @classmethod
    def environment(cls) -> dict[str, str]:
        """Return variables for kagglehub."""
        return {"KAGGLEHUB_CACHE": str(_cache()), "KAGGLEHUB_VERBOSITY": "error"}

    @property
    def repository_folder(self) -> Path:
        """The folder of the variant."""
        return _cache() / "models" / self.owner / self.model / "keras" / self.variant

    @property
    def revision_folder(self) -> Path:
        """The folder of the version."""
        return self.repository_folder / str(self.version)

    def cached(self) -> Iterator[Self]:
        """Yield all versions, the newest first."""
        names = (path.name for path in self.repository_folder.glob("[1-9]*"))
        for version in sorted(map(int, filter(_VERSION.fullmatch, names)), reverse=True):
            yield replace(self, version=version)

    @classmethod
    def all_cached(cls) -> Iterator[Self]:
        """Yield all versions of all Keras models."""
        for variant in sorted(_cache().glob("models/*/*/keras/*")):
            *_, owner, model, _, name = variant.parts
            with suppress(HandleError):
                yield from cls(owner, model, name).cached()

    def is_whole(self, name: str) -> bool:
        """Return whether kagglehub marked the file, or all files, as complete."""
        of_all = self.repository_folder / f"{self.version}.complete"
        of_one = self.repository_folder / ".complete" / str(self.version) / f"{name}.complete"
        # Not by `super()`: a dataclass with slots is another class than the one written here.
        return HubHandle.is_whole(self, name) and (of_all.is_file() or of_one.is_file())


def _cache() -> Path:
    default = Path.home() / ".cache" / "kagglehub"
    return Path(os.environ.get("KAGGLEHUB_CACHE", default)).absolute()
