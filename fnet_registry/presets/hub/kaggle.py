"""Kaggle models, through kagglehub. Runs in the child process only."""

from __future__ import annotations

import base64
import errno
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import requests
from kagglehub.cache import Cache
from kagglehub.clients import build_kaggle_client, download_file
from kagglehub.config import get_kaggle_credentials
from kagglehub.exceptions import DataCorruptionError
from kagglehub.handle import ModelHandle
from kagglehub.integrity import get_md5_checksum_from_response
from kagglesdk.models.types.model_api_service import (
    ApiDownloadModelInstanceVersionRequest,
    ApiGetModelInstanceRequest,
    ApiListModelInstanceVersionFilesRequest,
)
from urllib3.exceptions import MaxRetryError

from fnet_registry.presets.handles.kaggle import KaggleHandle
from fnet_registry.presets.hub.cache import CacheEntry
from fnet_registry.presets.hub.client import (
    MAX_FILES,
    HubClient,
    check_size,
    digest,
    discard_linked,
    from_exception,
    from_status,
)
from fnet_registry.presets.hub.messages import Failed, FailureKind

_PAGE_SIZE = 25


class KaggleClient(HubClient):
    """One model variant on Kaggle."""

    def __init__(self, handle: KaggleHandle):
        self._handle = handle
        self._credentials = get_kaggle_credentials()
        self._api = build_kaggle_client().models.model_api_client
        self._missing: FailureKind = "repository"
        version = handle.version
        self._model = ModelHandle(handle.owner, handle.model, "keras", handle.variant, version)
        if handle.pinned:
            self._entry = CacheEntry(handle)
            self._parts = self._entry.state / "partial" / str(version)
            self._part: Path | None = None

    def resolve(self) -> str:
        """Ask for the newest version."""
        request = self._about(ApiGetModelInstanceRequest())
        version = self._api.get_model_instance(request).version_number
        return str(replace(self._handle, version=version))

    def list_files(self) -> Mapping[str, int]:
        """Ask for the files of the version, page by page."""
        self._missing = "revision"
        request = self._about(ApiListModelInstanceVersionFilesRequest())
        request.version_number = self._handle.version
        request.page_size = _PAGE_SIZE
        sizes: dict[str, int] = {}
        while len(sizes) < MAX_FILES:
            page = self._api.list_model_instance_version_files(request)
            known = len(sizes)
            sizes.update((file.name, file.size) for file in page.files or () if file is not None)
            if not page.next_page_token or len(sizes) == known:
                break
            request.page_token = page.next_page_token
        return sizes

    def is_intact(self, name: str) -> bool:
        """Compare with the MD5 in the headers of a download, of which no more is read."""
        with self._open(name) as response:
            expected = get_md5_checksum_from_response(response)
        return expected == base64.b64encode(digest(self._entry.path / name, "md5")).decode()

    def download(self, name: str) -> bool:
        """Download beside the cache's folder, and move the file there once it is whole.

        kagglehub takes a file of the right size for the right one and can tell a bad resumption
        by its digest alone, so that only a shorter part of a file with a digest is left to resume.
        """
        part = self._part = self._parts / name
        part.parent.mkdir(parents=True, exist_ok=True)
        with self._open(name) as response:
            size = int(response.headers.get("Content-Length", 0))
            check_size(name, size)
            checked = get_md5_checksum_from_response(response) is not None
            if part.is_file() and not (checked and part.stat().st_size < size):
                part.unlink()
            try:
                download_file(response, str(part), self._model, extract_auto_compressed_file=True)
            except OSError as error:
                if error.errno == errno.EFBIG:
                    part.unlink()
                raise
        destination = self._entry.path / name
        destination.parent.mkdir(parents=True, exist_ok=True)
        part.replace(destination)
        Cache().mark_as_complete(self._model, name)
        return checked

    def discard(self, name: str) -> None:
        """Remove the file and kagglehub's mark of it."""
        Cache().mark_as_incomplete(self._model, name)
        discard_linked(self._entry.path / name, self._entry)

    def received(self) -> int:
        """Return the size of the part under way."""
        return self._part.stat().st_size if self._part and self._part.is_file() else 0

    def secrets(self) -> Iterable[str | None]:
        """Return the token or key in use."""
        if self._credentials is None:
            return ()
        return (self._credentials.api_key, self._credentials.key)

    def classify(self, error: Exception) -> Failed:
        """Read kagglehub's and requests' exceptions."""
        match error:
            case DataCorruptionError():
                failed = Failed(kind="damaged", detail="a file does not match the hub's digest")
            case requests.HTTPError(response=requests.Response() as response):
                failed = from_status(_status(response), response.headers, missing=self._missing)
            case requests.ConnectTimeout() | requests.exceptions.ProxyError():
                failed = Failed(kind="unreachable", detail=type(error).__name__)
            case requests.ConnectionError(args=(MaxRetryError(), *_)):
                failed = Failed(kind="unreachable", detail=type(error).__name__)
            case requests.RequestException():
                failed = Failed(kind="unavailable", detail=type(error).__name__)
            case _:
                failed = from_exception(error)
        return replace(failed, authenticated=self._credentials is not None)

    def _open(self, name: str) -> requests.Response:
        self._missing = "file"
        request = self._about(ApiDownloadModelInstanceVersionRequest())
        request.version_number = self._handle.version
        request.path = name
        # The type that it declares is not the one that it returns.
        return cast("requests.Response", self._api.download_model_instance_version(request))

    def _about(self, request: Any) -> Any:
        request.owner_slug = self._handle.owner
        request.model_slug = self._handle.model
        request.framework = self._model.framework_enum()
        request.instance_slug = self._handle.variant
        return request


def _status(response: requests.Response) -> int:
    """Return the status, which Kaggle may also give in the body of an answer with status 200."""
    if response.ok:
        return int(response.json()["code"])
    return response.status_code
