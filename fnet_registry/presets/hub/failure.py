"""What the user is told when a hub does not deliver, with the way out."""

from __future__ import annotations

from fnet_registry.errors import (
    AccessDeniedError,
    CacheError,
    DamagedFileError,
    FetchError,
    HubUnavailableError,
    PresetNotFoundError,
)
from fnet_registry.presets.handles.hub import HubHandle
from fnet_registry.presets.hub.messages import Failed, FailureKind

_FAILURES: dict[FailureKind, tuple[type[FetchError], str]] = {
    "repository": (
        PresetNotFoundError,
        "{hub} shows no such repository. Check the name; if it is private, set {token} to a token "
        "that may read it.",
    ),
    "revision": (
        PresetNotFoundError,
        "{hub} has no such {revision}. Leave it out to get the newest.",
    ),
    "file": (PresetNotFoundError, "{hub} lists a file that it does not have{detail}."),
    "preset": (
        PresetNotFoundError,
        "Expected a preset of KerasHub or a checkpoint of Transformers{detail}.",
    ),
    "gated": (
        AccessDeniedError,
        "The repository is gated. Accept its terms at {page}, then set {token} to a token of the "
        "account that did.",
    ),
    "denied": (
        AccessDeniedError,
        "{hub} refuses access{detail}. If the repository is private or asks for consent, open "
        "{page} and set {token} to a token that may read it.",
    ),
    "unreachable": (
        HubUnavailableError,
        "No connection to {hub}{detail}. Check the network and its proxy; what the cache holds "
        "loads without.",
    ),
    "unavailable": (HubUnavailableError, "{hub} keeps failing{detail}. Try again {later}."),
    "damaged": (
        DamagedFileError,
        "{hub} delivered other bytes than it announced{detail}. Try again; if it stays so, look "
        "for a proxy on the way that changes them.",
    ),
    "oversized": (
        DamagedFileError,
        "A file is larger than any of an FNet preset, and was not kept{detail}.",
    ),
    "storage": (
        CacheError,
        "The cache cannot be written{detail}. Make room, or name another folder in {cache}.",
    ),
    "unexpected": (FetchError, "The client of {hub} failed{detail}."),
}
_FAILURES["unauthorized"] = _FAILURES["denied"]
_FAILURES["silent"] = _FAILURES["unavailable"]


def to_error(failed: Failed, handle: HubHandle) -> FetchError:
    """Make the error of a failure in the child process."""
    error, template = _FAILURES[failed.kind]
    message = template.format(
        hub=handle.hub_name,
        token=handle.TOKEN_VARIABLE,
        page=handle.page,
        revision=handle.REVISION_WORD,
        cache=handle.CACHE_VARIABLE,
        detail=f" ({failed.detail})" if failed.detail else "",
        later="later" if failed.retry_after is None else f"in {failed.retry_after:.0f} s",
    )
    return error(f"{message} Received: {handle}")
