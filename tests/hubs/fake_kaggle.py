"""The part of Kaggle's protocol that a model's download needs.

kagglehub talks to fixed addresses only, so it is sent here by way of ``HTTP_PROXY``.
"""

import base64
import hashlib
import json
from typing import Any

from tests.hubs.fake_hub import Answer, FakeHub


class FakeKaggle(FakeHub):
    """Serves the versions of one model variant; knows one good token."""

    TOKEN = "kaggle-good-token-of-the-tests"
    MODEL = ("keras", "f_net", "f_net_tiny_en")

    def __init__(self) -> None:
        super().__init__()
        self.versions: dict[int, dict[str, bytes]] = {}
        self.private = False
        self.digests = True
        self.page_size = 25

    def answer(self, method: str, path: str, headers: dict[str, str], body: Any) -> Answer:
        if path.startswith("/storage/"):
            _, _, version, name = path.split("/", maxsplit=3)
            return self._file(self.versions[int(version)][name], headers)
        if refusal := self._refuse(body, headers.get("authorization")):
            return refusal
        call = path.rpartition("/")[2]
        if call == "GetModelInstance":
            return _json({"slug": "f_net_tiny_en", "versionNumber": max(self.versions)})
        files = self.versions.get(body["versionNumber"])
        if files is None or ("path" in body and body["path"] not in files):
            return _error(404, "no such version or file")
        if call == "ListModelInstanceVersionFiles":
            return self._list(files, int(body.get("pageToken") or 0))
        assert call == "DownloadModelInstanceVersion"
        where = f"http://storage.kaggle.test/storage/{body['versionNumber']}/{body['path']}"
        return Answer(302, b"", {"Location": where})

    def _refuse(self, body: Any, authorization: str | None):
        authorized = authorization == f"Bearer {self.TOKEN}"
        if authorization and not authorized:
            return _error(401, "Unauthenticated")
        if (body["ownerSlug"], body["modelSlug"], body["instanceSlug"]) != self.MODEL:
            return _error(404, "no such model")
        if self.private and not authorized:
            return _error(403, "Permission denied")
        return None

    def _list(self, files: dict[str, bytes], first: int) -> Answer:
        names = list(files)[first : first + self.page_size]
        rest = first + self.page_size
        return _json(
            {
                "files": [{"name": name, "size": len(files[name])} for name in names],
                "nextPageToken": str(rest) if rest < len(files) else "",
            }
        )

    def _file(self, data: bytes, headers: dict[str, str]) -> Answer:
        sent = {"Accept-Ranges": "bytes", "Content-Type": "application/octet-stream"}
        if self.digests:
            md5 = base64.b64encode(hashlib.md5(data).digest()).decode()
            sent["x-goog-hash"] = f"crc32c=AAAAAA==,md5={md5}"
        if wanted := headers.get("range"):
            first = int(wanted.removeprefix("bytes=").removesuffix("-"))
            return Answer(206, data[first:], sent)
        return Answer(200, data, sent)


def _json(content: Any) -> Answer:
    return Answer(200, json.dumps(content).encode(), {"Content-Type": "application/json"})


def _error(code: int, message: str) -> Answer:
    body = json.dumps({"code": code, "message": message}).encode()
    return Answer(code, body, {"Content-Type": "application/json"})
