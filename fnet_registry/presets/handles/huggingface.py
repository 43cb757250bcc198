"""Handles of repositories on the Hugging Face Hub, and where huggingface_hub keeps them."""

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
from fnet_registry.presets.whole_file import write_file

_PART = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?")
# As git has it: no part is empty, begins with a dot or ends in `.lock`.
_REVISION = re.compile(r"(?!.*(\.\.|//|/\.|/$|\.lock(/|$)))[A-Za-z0-9_][A-Za-z0-9_.+/-]{0,199}")
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class HuggingFaceHandle(HubHandle):
    """A model repository on the Hugging Face Hub: `hf://owner/name[@revision]`.

    A revision is a branch, a tag, a full commit or `refs/pr/N`; without one it is `main`.
    """

    SCHEME: ClassVar[str] = "hf://"
    FORM: ClassVar[str] = "hf://owner/name[@revision]"
    CLIENT: ClassVar[str] = "fnet_registry.presets.hub.huggingface:HuggingFaceClient"
    NAME: ClassVar[str] = "The Hugging Face Hub"
    PAGE: ClassVar[str] = "https://huggingface.co/{0.repository}"
    REVISION_WORD: ClassVar[str] = "revision"
    CACHE_VARIABLE: ClassVar[str] = "HF_HOME"
    ENDPOINT_VARIABLE: ClassVar[str] = "HF_ENDPOINT"
    TOKEN_VARIABLE: ClassVar[str] = "HF_TOKEN"
    CREDENTIAL_VARIABLES: ClassVar[tuple[str, ...]] = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")

    owner: str
    name: str
    revision: str | None = None

    def __post_init__(self) -> None:
        for part in (self.owner, self.name):
            check_part(part, _PART, self)
            if "--" in part or part.endswith(".git"):
                raise unknown_handle(
                    str(self), f"No part may hold '--' or end in '.git', as {part!r} does."
                )
        if self.revision is not None and not _REVISION.fullmatch(self.revision):
            raise unknown_handle(
                str(self),
                "A revision is a branch, a tag, a full commit or refs/pr/N, unlike"
                f" {self.revision!r}.",
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a handle; see `HubHandle`, as for all that follow."""
        repository, at, revision = text.removeprefix(cls.SCHEME).partition("@")
        owner, slash, name = repository.partition("/")
        if not slash:
            raise unknown_handle(text, "After hf:// come an owner and a name.")
        return cls(owner, name, revision if at else None)

    def __str__(self) -> str:
        revision = "" if self.revision is None else f"@{self.revision}"
        return f"{self.SCHEME}{self.repository}{revision}"

    @property
    def repository(self) -> str:
        """The repository as the hub names it, `owner/name`."""
        return f"{self.owner}/{self.name}"

    @property
    def pinned(self) -> bool:
        """Whether the revision is a full commit."""
        return self.revision is not None and _COMMIT.fullmatch(self.revision) is not None

    @classmethod
    def environment(cls) -> dict[str, str]:
        """Return variables for huggingface_hub."""
        return {
            "HF_HUB_CACHE": str(_cache()),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_XET": "1",  # plain HTTP, whose failures and pace are known
            "HF_HUB_OFFLINE": "0",
            "TRANSFORMERS_OFFLINE": "0",
        }

    @property
    def repository_folder(self) -> Path:
        """The folder of the repository."""
        return _cache() / f"models--{self.owner}--{self.name}"

    @property
    def revision_folder(self) -> Path:
        """The snapshot of the commit."""
        return self.repository_folder / "snapshots" / str(self.revision)

    def cached(self) -> Iterator[Self]:
        """Yield the commit that the branch or tag stood for when it was last asked for."""
        if self._note.is_file():
            noted = self._note.read_text(encoding="utf-8", errors="replace").strip()
            with suppress(HandleError):  # a write that broke off left anything but a commit
                commit = replace(self, revision=noted)
                if commit.pinned:
                    yield commit

    @classmethod
    def all_cached(cls) -> Iterator[Self]:
        """Yield all snapshots of all models."""
        for snapshot in sorted(_cache().glob("models--*--*/snapshots/*")):
            _, owner, name = snapshot.parents[1].name.split("--", maxsplit=2)
            with suppress(HandleError):
                handle = cls(owner, name, snapshot.name)
                if handle.pinned:
                    yield handle

    def remember(self, pinned: HubHandle) -> None:
        """Note which commit the branch or tag stands for."""
        commit = str(pinned.revision_name)
        if [*self.cached()] != [pinned]:
            write_file(self._note, lambda draft: draft.write_text(commit, encoding="utf-8"))

    @property
    def _note(self) -> Path:
        return self.repository_folder / "refs" / (self.revision or "main")


def _cache() -> Path:
    shared = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("HF_HOME") or f"{shared}/huggingface"
    old_name = os.environ.get("HUGGINGFACE_HUB_CACHE") or f"{home}/hub"
    cache = os.environ.get("HF_HUB_CACHE") or old_name
    return Path(os.path.expandvars(cache)).expanduser().absolute()
