"""Preset handles: what a user may write to name a preset, read once and printed back exactly."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from fnet_registry.errors import HandleError
from fnet_registry.presets.builtin import BUILT_IN_PRESETS

_KAGGLE_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_KAGGLE_VERSION = re.compile(r"[1-9][0-9]{0,8}")
_HF_PART = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?")
_HF_REVISION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+/-]{0,199}")
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class BuiltInHandle:
    """A published preset by its short name, such as `f_net_base_en`."""

    name: str

    def __post_init__(self):
        if self.name not in BUILT_IN_PRESETS:
            raise _unknown(
                self.name, f"It names no built-in preset: {', '.join(BUILT_IN_PRESETS)}."
            )

    @property
    def pinned(self) -> bool:
        """False: a later release may let the name stand for a later version."""
        return False

    @property
    def target(self) -> KaggleHandle:
        """The pinned handle that the name stands for."""
        return _parse_kaggle(BUILT_IN_PRESETS[self.name].handle)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class KaggleHandle:
    """A Keras model variant on Kaggle: `kaggle://owner/model/keras/variant[/version]`."""

    SCHEME: ClassVar[str] = "kaggle://"

    owner: str
    model: str
    variant: str
    version: int | None = None

    def __post_init__(self):
        for part in (self.owner, self.model, self.variant):
            _check_part(part, _KAGGLE_PART, self)
        if self.version is not None and not _KAGGLE_VERSION.fullmatch(str(self.version)):
            raise _unknown(str(self), "A version is a whole number from 1 on.")

    @property
    def pinned(self) -> bool:
        """Whether the handle names one version."""
        return self.version is not None

    def __str__(self) -> str:
        version = "" if self.version is None else f"/{self.version}"
        return f"{self.SCHEME}{self.owner}/{self.model}/keras/{self.variant}{version}"


@dataclass(frozen=True, slots=True)
class HuggingFaceHandle:
    """A model repository on the Hugging Face Hub: `hf://owner/name[@revision]`.

    A revision is a branch, a tag, a full commit or `refs/pr/N`; without one it is `main`.
    """

    SCHEME: ClassVar[str] = "hf://"

    owner: str
    name: str
    revision: str | None = None

    def __post_init__(self):
        for part in (self.owner, self.name):
            _check_part(part, _HF_PART, self)
            if "--" in part or part.endswith(".git"):
                raise _unknown(
                    str(self), f"No part may hold '--' or end in '.git', as {part!r} does."
                )
        if self.revision is not None:
            _check_revision(self.revision, self)

    @property
    def pinned(self) -> bool:
        """Whether the revision is a full commit."""
        return self.revision is not None and _COMMIT.fullmatch(self.revision) is not None

    @property
    def repository(self) -> str:
        """The repository as the hub names it, `owner/name`."""
        return f"{self.owner}/{self.name}"

    def __str__(self) -> str:
        revision = "" if self.revision is None else f"@{self.revision}"
        return f"{self.SCHEME}{self.owner}/{self.name}{revision}"


@dataclass(frozen=True, slots=True)
class LocalHandle:
    """A folder on this machine, kept as an absolute path."""

    path: Path

    def __post_init__(self):
        object.__setattr__(self, "path", Path(self.path).absolute())

    @property
    def pinned(self) -> bool:
        """False: a folder's content can change; its digests tell."""
        return False

    def __str__(self) -> str:
        return str(self.path)


Handle = BuiltInHandle | KaggleHandle | HuggingFaceHandle | LocalHandle


def parse_handle(text: str | os.PathLike[str] | Handle) -> Handle:
    """Read what a user wrote to name a preset.

    Args:
        text: A built-in name, `kaggle://owner/model/keras/variant[/version]`,
            `hf://owner/name[@revision]` or a local folder. A path object is always a folder; a
            handle is returned as it is.

    Returns:
        The handle, of which `parse_handle(str(handle)) == handle` holds.

    Raises:
        HandleError: The text is none of these, or the folder does not exist.
    """
    if isinstance(text, Handle):
        return text
    if isinstance(text, os.PathLike):
        return _parse_folder(os.fspath(text))
    if not isinstance(text, str):
        raise _unknown(text, "A handle is a string or a path.")
    if text in BUILT_IN_PRESETS:
        return BuiltInHandle(text)
    if text.startswith(KaggleHandle.SCHEME):
        return _parse_kaggle(text)
    if text.startswith(HuggingFaceHandle.SCHEME):
        return _parse_huggingface(text)
    if "://" in text:
        raise _unknown(text, f"The scheme {text.split('://')[0]!r} is not one of kaggle, hf.")
    return _parse_folder(text)


def _parse_kaggle(text: str) -> KaggleHandle:
    match text.removeprefix(KaggleHandle.SCHEME).split("/"):
        case [owner, model, "keras", variant]:
            return KaggleHandle(owner, model, variant)
        case [owner, model, "keras", variant, version]:
            if not _KAGGLE_VERSION.fullmatch(version):
                raise _unknown(text, "A version is a whole number from 1 on.")
            return KaggleHandle(owner, model, variant, int(version))
        case [_, _, framework, _] | [_, _, framework, _, _]:
            raise _unknown(text, f"The framework must be 'keras', not {framework!r}.")
    raise _unknown(text, "After kaggle:// come four parts and an optional version.")


def _parse_huggingface(text: str) -> HuggingFaceHandle:
    repository, at, revision = text.removeprefix(HuggingFaceHandle.SCHEME).partition("@")
    owner, slash, name = repository.partition("/")
    if not slash:
        raise _unknown(text, "After hf:// come an owner and a name.")
    return HuggingFaceHandle(owner, name, revision if at else None)


def _parse_folder(text: str) -> LocalHandle:
    if not text or not os.path.isdir(text):
        raise _unknown(
            text, f"No such folder, and no built-in preset ({', '.join(BUILT_IN_PRESETS)})."
        )
    return LocalHandle(Path(text))


def _check_part(part: str, grammar: re.Pattern[str], handle: KaggleHandle | HuggingFaceHandle):
    if not grammar.fullmatch(part) or ".." in part:
        raise _unknown(
            str(handle), f"A part holds letters, digits, '_', '-' and '.', unlike {part!r}."
        )


def _check_revision(revision: str, handle: HuggingFaceHandle):
    segments = revision.split("/")
    if (
        not _HF_REVISION.fullmatch(revision)
        or ".." in revision
        or any(not part or part.startswith(".") or part.endswith(".lock") for part in segments)
    ):
        raise _unknown(
            str(handle),
            f"A revision is a branch, a tag, a full commit or refs/pr/N, unlike {revision!r}.",
        )


def _unknown(received: object, why: str) -> HandleError:
    return HandleError(
        f"Unknown preset handle. {why} Expected a built-in name, "
        "kaggle://owner/model/keras/variant[/version], hf://owner/name[@revision] or a local "
        f"folder, for example 'f_net_base_en'. Received: {received!r}"
    )
