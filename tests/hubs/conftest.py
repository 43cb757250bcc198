"""Real hub clients against servers of our own."""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fnet_registry.presets.folder import is_known
from fnet_registry.presets.hub import process
from tests.hubs.fake_hub import FakeHub, with_headers
from tests.hubs.fake_huggingface import COMMIT, LARGE_BYTES, FakeHuggingFace, FakeRepository
from tests.hubs.fake_kaggle import FakeKaggle


@dataclass(frozen=True, kw_only=True)
class Site:
    """One of the two hubs, as tests that hold for both see it."""

    hub: FakeHub
    handle: str
    pinned: str
    no_repository: str
    no_revision: str
    resolving: str
    listing: str
    files: dict[str, bytes]
    folder: Path
    record: Path
    token: str
    good_token: str

    def delivery(self, name: str) -> str:
        """The pattern of the request that the bytes of a file are the answer to."""
        data = self.files[name]
        if isinstance(self.hub, FakeHuggingFace) and len(data) >= LARGE_BYTES:
            return f"GET /large/{hashlib.sha256(data).hexdigest()}"
        return rf"GET .*/{re.escape(name)}\b"

    def deliveries(self) -> int:
        return sum(self.hub.count(self.delivery(name)) for name in self.files)

    def make_private(self) -> None:
        match self.hub:
            case FakeKaggle():
                self.hub.private = True
            case FakeHuggingFace(repositories=repositories):
                repositories["keras/f_net_tiny_en"].private = True

    def announce_size(self, name: str, size: int) -> None:
        """Lets the hub claim another size of a file."""
        match self.hub:
            case FakeKaggle():
                self.hub.break_down(self.delivery(name), with_headers(Content_Length=str(size)))
            case FakeHuggingFace(repositories=repositories):
                repositories["keras/f_net_tiny_en"].announced[name] = size

    def recorded(self) -> dict[str, str]:
        return json.loads(self.record.read_text())["sha256"]

    def damage(self, name: str) -> None:
        """Flips a byte of a cached file; its size stays."""
        path = (self.folder / name).resolve()
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 0xFF
        path.write_bytes(data)


@pytest.fixture
def preset_files(preset_folder: Path) -> dict[str, bytes]:
    paths = (path for path in sorted(preset_folder.rglob("*")) if path.is_file())
    named = {path.relative_to(preset_folder).as_posix(): path.read_bytes() for path in paths}
    return {name: data for name, data in named.items() if is_known(name)}


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "FIRST_DELAY_SECONDS", 0.05)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder with nothing in it: no tokens, no caches, no proxies."""
    home = tmp_path / "home"
    home.mkdir()
    for variable in (
        *("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_ENDPOINT", "HF_HUB_OFFLINE"),
        *("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME"),
        *("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_CONFIG_DIR"),
        *("KAGGLEHUB_CACHE", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy", "ALL_PROXY"),
    ):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(home))
    return home


@pytest.fixture
def huggingface(
    home: Path, preset_files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> Iterator[FakeHuggingFace]:
    with FakeHuggingFace() as hub:
        hub.repositories["keras/f_net_tiny_en"] = FakeRepository(dict(preset_files))
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_HOME", str(home / "hf"))
        yield hub


@pytest.fixture
def kaggle(
    home: Path, preset_files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> Iterator[FakeKaggle]:
    with FakeKaggle() as hub:
        hub.versions = {1: dict(preset_files), 2: dict(preset_files)}
        monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST")
        monkeypatch.setenv("HTTP_PROXY", hub.url)
        monkeypatch.setenv("KAGGLEHUB_CACHE", str(home / "kaggle"))
        yield hub


@pytest.fixture
def huggingface_site(huggingface: FakeHuggingFace, home: Path) -> Site:
    repository = home / "hf" / "hub" / "models--keras--f_net_tiny_en"
    return Site(
        hub=huggingface,
        handle="hf://keras/f_net_tiny_en",
        pinned=f"hf://keras/f_net_tiny_en@{COMMIT}",
        no_repository="hf://keras/nothing",
        no_revision="hf://keras/f_net_tiny_en@nothing",
        resolving="/revision/",
        listing="/tree/",
        files=huggingface.repositories["keras/f_net_tiny_en"].files,
        folder=repository / "snapshots" / COMMIT,
        record=repository / ".fnet-registry" / f"{COMMIT}.json",
        token="HF_TOKEN",
        good_token=FakeHuggingFace.TOKEN,
    )


@pytest.fixture
def kaggle_site(kaggle: FakeKaggle, home: Path) -> Site:
    variant = home / "kaggle" / "models" / "keras" / "f_net" / "keras" / "f_net_tiny_en"
    return Site(
        hub=kaggle,
        handle="kaggle://keras/f_net/keras/f_net_tiny_en",
        pinned="kaggle://keras/f_net/keras/f_net_tiny_en/2",
        no_repository="kaggle://keras/f_net/keras/nothing",
        no_revision="kaggle://keras/f_net/keras/f_net_tiny_en/9",
        resolving="GetModelInstance",
        listing="ListModelInstanceVersionFiles",
        files=kaggle.versions[2],
        folder=variant / "2",
        record=variant / ".fnet-registry" / "2.json",
        token="KAGGLE_API_TOKEN",
        good_token=FakeKaggle.TOKEN,
    )


@pytest.fixture(params=["kaggle_site", "huggingface_site"])
def site(request: pytest.FixtureRequest) -> Site:
    return request.getfixturevalue(request.param)
