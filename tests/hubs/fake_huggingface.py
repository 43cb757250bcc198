"""The part of the Hugging Face Hub's protocol that a download needs."""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from tests.hubs.fake_hub import Answer, FakeHub

COMMIT = "1f" * 20
LARGE_BYTES = 10_000
"""From this size on a file is kept as a large one: by SHA-256, on another host name."""


@dataclass
class FakeRepository:
    files: dict[str, bytes]
    revisions: dict[str, str] = field(default_factory=lambda: {"main": COMMIT})
    announced: dict[str, int] = field(default_factory=dict)
    gated: bool = False
    private: bool = False


class FakeHuggingFace(FakeHub):
    """Serves repositories; knows one good token."""

    TOKEN = "hf_goodTokenOfTheTests0000"

    def __init__(self) -> None:
        super().__init__()
        self.repositories: dict[str, FakeRepository] = {}

    def answer(self, method: str, path: str, headers: dict[str, str], body: Any) -> Answer:
        path, _, _query = unquote(path).partition("?")
        parts = path.strip("/").split("/")
        if parts[0] == "large":
            return self._large(parts[1])
        api = parts[:2] == ["api", "models"]
        owner, name, *rest = parts[2:] if api else parts
        repository = self.repositories.get(f"{owner}/{name}")
        if refusal := self._refuse(repository, headers.get("authorization")):
            return refusal
        assert repository is not None
        kind, *rest = rest
        if kind == "revision":
            return self._revision(repository, "/".join(rest))
        if rest[0] not in repository.revisions.values():
            return _error(404, "RevisionNotFound")
        if kind == "tree":
            entries = [_tree_entry(name, data) for name, data in repository.files.items()]
            sizes = repository.announced
            return _json([e | {"size": sizes.get(e["path"], e["size"])} for e in entries])
        assert kind == "resolve"
        return self._resolve(repository, rest[0], "/".join(rest[1:]))

    def _refuse(
        self, repository: FakeRepository | None, authorization: str | None
    ) -> Answer | None:
        authorized = authorization == f"Bearer {self.TOKEN}"
        if authorization and not authorized:
            return _error(401, message="Invalid credentials in Authorization header")
        if repository is None or (repository.private and not authorized):
            return _error(404 if authorized else 401, "RepoNotFound")
        if repository.gated and not authorized:
            return _error(401, "GatedRepo")
        return None

    def _revision(self, repository: FakeRepository, revision: str) -> Answer:
        commits = {commit: commit for commit in repository.revisions.values()}
        commit = (repository.revisions | commits).get(revision)
        if commit is None:
            return _error(404, "RevisionNotFound")
        return _json({"id": "x/y", "sha": commit, "tags": [], "downloads": 0, "likes": 0})

    def _resolve(self, repository: FakeRepository, commit: str, name: str) -> Answer:
        data = repository.files.get(name)
        if data is None:
            return _error(404, "EntryNotFound")
        if len(data) < LARGE_BYTES:
            return Answer(200, data, {"ETag": f'"{git_digest(data)}"', "X-Repo-Commit": commit})
        digest = hashlib.sha256(data).hexdigest()
        headers = {
            "X-Repo-Commit": commit,
            "X-Linked-Etag": f'"{digest}"',
            "X-Linked-Size": str(len(data)),
            "Location": f"http://localhost:{self.port}/large/{digest}",
        }
        return Answer(302, b"", headers)

    def _large(self, digest: str) -> Answer:
        files = (data for repo in self.repositories.values() for data in repo.files.values())
        data = next(data for data in files if hashlib.sha256(data).hexdigest() == digest)
        return Answer(200, data, {"ETag": f'"{digest}"'})


def git_digest(data: bytes) -> str:
    """The name that git gives a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def _tree_entry(name: str, data: bytes) -> dict[str, Any]:
    entry = {"type": "file", "path": name, "size": len(data), "oid": git_digest(data)}
    if len(data) >= LARGE_BYTES:
        digest = hashlib.sha256(data).hexdigest()
        entry["lfs"] = {"oid": digest, "size": len(data), "pointerSize": 134}
    return entry


def _json(content: Any) -> Answer:
    return Answer(200, json.dumps(content).encode(), {"Content-Type": "application/json"})


def _error(status: int, code: str = "", message: str = "") -> Answer:
    headers = {"X-Error-Code": code, "X-Error-Message": message}
    return Answer(status, b"{}", {"Content-Type": "application/json", **headers})
