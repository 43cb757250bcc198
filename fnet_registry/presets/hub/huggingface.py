"""The Hugging Face Hub, through huggingface_hub. Runs in the child process only."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import httpx2
from huggingface_hub import (
    HfApi,
    constants,
    get_hf_file_metadata,
    get_token,
    hf_hub_download,
    set_client_factory,
)
from huggingface_hub import hf_hub_url as file_url
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import RepoFile

from fnet_registry.presets.handles.huggingface import HuggingFaceHandle
from fnet_registry.presets.hub.cache import CacheEntry
from fnet_registry.presets.hub.client import (
    MAX_FILES,
    HubClient,
    HubClientError,
    check_size,
    digest,
    discard_linked,
    from_exception,
    from_status,
    is_busy,
)
from fnet_registry.presets.hub.messages import Failed

_ETAG = re.compile(r"[0-9A-Za-z_-]{1,128}")


class _OneAttempt(httpx2.Client):
    """Fails where huggingface_hub would wait and try again: the parent process does that."""

    latest: httpx2.Response | None = None

    def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        try:
            response = super().send(request, **options)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError) as error:
            raise HubClientError("unreachable", type(error).__name__) from error
        except httpx2.TransportError as error:
            raise HubClientError("unavailable", type(error).__name__) from error
        if is_busy(response.status_code):
            failed = from_status(response.status_code, response.headers, missing="repository")
            raise HubClientError(failed.kind, failed.detail, retry_after=failed.retry_after)
        self.latest = response
        return response


class HuggingFaceClient(HubClient):
    """One repository on the Hugging Face Hub."""

    def __init__(self, handle: HuggingFaceHandle):
        self._http = _OneAttempt(follow_redirects=True, timeout=None)
        set_client_factory(lambda: self._http)
        self._handle = handle
        self._api = HfApi()
        self._token = None if constants.HF_HUB_DISABLE_IMPLICIT_TOKEN else get_token()
        self._files: dict[str, RepoFile] = {}
        if handle.pinned:
            self._entry = CacheEntry(handle)

    def resolve(self) -> str:
        """Ask for the commit of a branch or tag."""
        revision = self._handle.revision or constants.DEFAULT_REVISION
        info = self._api.model_info(self._handle.repository, revision=revision)
        pinned = replace(self._handle, revision=info.sha)
        if not pinned.pinned:
            raise HubClientError("unexpected", f"it named {info.sha!r} as the commit")
        return str(pinned)

    def list_files(self) -> Mapping[str, int]:
        """Ask for the tree of the commit."""
        tree = self._api.list_repo_tree(
            self._handle.repository, recursive=True, revision=self._handle.revision
        )
        for item in itertools.islice(tree, MAX_FILES):
            if isinstance(item, RepoFile):
                self._files[item.path] = item
        return {name: file.size for name, file in self._files.items()}

    def is_intact(self, name: str) -> bool:
        """Compare with the SHA-256 of a large file, the git digest of a small one."""
        path, file = self._entry.path / name, self._files[name]
        if file.lfs is not None:
            return digest(path, "sha256").hex() == file.lfs.sha256
        header = b"blob %d\0" % path.stat().st_size
        return digest(path, "sha1", prefix=header).hex() == file.blob_id

    def download(self, name: str) -> bool:
        """Download after a look at the headers that huggingface_hub would build paths from."""
        where = {"repo_id": self._handle.repository, "revision": self._handle.revision}
        check_size(name, self._files[name].size)
        metadata = get_hf_file_metadata(file_url(filename=name, **where))
        if metadata.commit_hash != self._handle.revision:
            raise HubClientError("damaged", f"{name} came from commit {metadata.commit_hash!r}")
        if not _ETAG.fullmatch(metadata.etag or ""):
            raise HubClientError("damaged", f"{name} came with the ETag {metadata.etag!r}")
        hf_hub_download(filename=name, **where)
        if not self.is_intact(name):
            self.discard(name)
            raise HubClientError("damaged", f"{name} does not match the hub's digest")
        return True

    def discard(self, name: str) -> None:
        """Remove the link in the snapshot and the blob behind it."""
        discard_linked(self._entry.path / name, self._entry)

    def received(self) -> int:
        """Return the bytes of the latest answer: huggingface_hub writes files in steps of 10 MB."""
        latest = self._http.latest
        return latest.num_bytes_downloaded if latest else 0

    def secrets(self) -> Iterable[str | None]:
        """Return the token in use."""
        return (self._token,)

    def classify(self, error: Exception) -> Failed:
        """Read huggingface_hub's exceptions."""
        match error:
            case GatedRepoError():
                failed = Failed(kind="gated")
            case RevisionNotFoundError():
                failed = Failed(kind="revision")
            case RemoteEntryNotFoundError():
                failed = Failed(kind="file", detail=error.response.url.path)
            case RepositoryNotFoundError() if self._token is None:
                # Without a token, 401 is the answer for a repository that does not exist, too.
                failed = Failed(kind="repository")
            case HfHubHTTPError(response=response):
                failed = from_status(response.status_code, response.headers, missing="repository")
            case OSError(errno=None):
                failed = Failed(kind="unavailable", detail="a download was cut short")
            case _:
                failed = from_exception(error)
        return replace(failed, authenticated=self._token is not None)
