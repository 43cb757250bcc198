"""What every hub's handle tells: its revision, its place in the cache, and words for people."""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Self
from urllib.parse import urlsplit

from fnet_registry.errors import HandleError


class HubHandle(ABC):
    """A preset on a hub. Subclasses are frozen dataclasses of which `parse(str(handle))` is equal.

    They know where the hub's own client keeps files on this machine, and ask the hub nothing: that
    does the class named in `CLIENT`, in a child process.
    """

    __slots__ = ()

    SCHEME: ClassVar[str]
    FORM: ClassVar[str]  # how a handle is written, for people
    CLIENT: ClassVar[str]  # `module:class` of the hub's `HubClient`
    NAME: ClassVar[str]
    PAGE: ClassVar[str]  # the address of a preset's page, to be formatted with a handle
    REVISION_WORD: ClassVar[str]  # also the name of the field
    CACHE_VARIABLE: ClassVar[str]
    ENDPOINT_VARIABLE: ClassVar[str] = ""
    TOKEN_VARIABLE: ClassVar[str]
    CREDENTIAL_VARIABLES: ClassVar[tuple[str, ...]]

    owner: str

    @classmethod
    @abstractmethod
    def parse(cls, text: str) -> Self:
        """Read a text that begins with the scheme.

        Raises:
            HandleError: If it is no handle of this hub.
        """

    @property
    def revision_name(self) -> str | None:
        """The revision as the hub names it, or None where it is left open."""
        revision = getattr(self, self.REVISION_WORD)
        return None if revision is None else str(revision)

    @property
    def pinned(self) -> bool:
        """Whether the handle names one revision whose files never change."""
        return self.revision_name is not None

    @property
    def hub_name(self) -> str:
        """The hub for people, with its address where it is not the public one."""
        address = urlsplit(os.environ.get(self.ENDPOINT_VARIABLE, "")).hostname
        return f"{self.NAME} at {address}" if address else self.NAME

    @property
    def page(self) -> str:
        """The address of the preset's page."""
        return self.PAGE.format(self)

    @property
    def label(self) -> str:
        """What a model made from the preset is called, where nobody says otherwise."""
        return self.page.rpartition("/")[2]

    @classmethod
    @abstractmethod
    def environment(cls) -> dict[str, str]:
        """Return variables for the client: its cache as this process sees it, and no chatter."""

    @property
    @abstractmethod
    def repository_folder(self) -> Path:
        """The folder of all revisions in the client's cache."""

    @property
    @abstractmethod
    def revision_folder(self) -> Path:
        """The folder of the files of a pinned handle; it may not exist yet."""

    @abstractmethod
    def cached(self) -> Iterator[Self]:
        """Yield what an unpinned handle may stand for by the cache alone, pinned, newest first."""

    @classmethod
    @abstractmethod
    def all_cached(cls) -> Iterator[Self]:
        """Yield every revision in the cache, pinned, whatever it is a model of."""

    def is_whole(self, name: str) -> bool:
        """Return whether a file of the revision folder was fetched to its end."""
        return (self.revision_folder / name).is_file()

    def remember(self, pinned: HubHandle) -> None:  # noqa: B027  (not every client keeps a note)
        """Note in the client's own way which revision an unpinned handle stands for."""


def check_part(part: str, grammar: re.Pattern[str], handle: HubHandle) -> None:
    """Refuse a part of a handle that no name on the hub is like, or that leads out of a folder."""
    if not grammar.fullmatch(part) or ".." in part:
        raise unknown_handle(
            str(handle), f"A part holds letters, digits, '_', '-' and '.', unlike {part!r}."
        )


def unknown_handle(received: object, why: str) -> HandleError:
    """Make the error for what is no handle, with the forms that are."""
    from fnet_registry.presets.handles import HUBS  # here: the table needs this module

    return HandleError(
        f"Unknown preset handle. {why} Expected a built-in name,"
        f" {', '.join(hub.FORM for hub in HUBS)} or a local folder, for example 'f_net_base_en'."
        f" Received: {received!r}"
    )
