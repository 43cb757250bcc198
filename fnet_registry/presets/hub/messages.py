"""What goes over the pipe between a fetch and its child process, one JSON object a line."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

FailureKind = Literal[
    "repository",  # no such repository, or a private one that was asked for without a token
    "revision",
    "file",
    "preset",  # a repository without the files of a preset
    "gated",
    "denied",
    "unauthorized",  # the hub refused the token itself
    "unreachable",  # no connection at all
    "unavailable",  # 429, 5xx or a dropped connection
    "silent",
    "damaged",
    "oversized",
    "storage",  # the cache cannot be written
    "unexpected",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the child shall do.

    Args:
        task: Name a handle's newest revision, or fetch a pinned one's files.
        handle: The handle as text.
        weights: Whether to fetch weights too.
        keep: Files that are known to be good.
        replace: Files that are known to be damaged.
    """

    task: Literal["resolve", "fetch"]
    handle: str
    weights: bool = True
    keep: tuple[str, ...] = ()
    replace: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """The preset's files at the hub, weights included, and the bytes that are to come."""

    names: tuple[str, ...]
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The bytes that have come so far."""

    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A file is in the cache; `checked` says whether the hub gave a digest, which it matched."""

    name: str
    checked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The task is finished, for this handle: a pinned one, whatever the request's was."""

    handle: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The task cannot be finished now.

    Args:
        kind: What went wrong.
        detail: More words, free of credentials; may be empty.
        authenticated: Whether a token was sent.
        retry_after: Seconds that the hub asked to wait.
    """

    kind: FailureKind
    detail: str = ""
    authenticated: bool = False
    retry_after: float | None = None


Event = Listed | Progress | Fetched | Done | Failed

_TYPES: dict[str, Any] = {kind.__name__: kind for kind in (Request, *get_args(Event))}


def dump(message: Request | Event) -> str:
    """Write a message as one line."""
    return json.dumps({"type": type(message).__name__, **asdict(message)}) + "\n"


def load(line: str) -> Any:
    """Read a message back, as the class that its line names."""
    content = json.loads(line)
    kind = _TYPES[content.pop("type")]
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in content.items()})
