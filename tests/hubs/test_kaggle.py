"""What is Kaggle's own: versions, pages, digests in headers, files that are fetched in parts."""

from pathlib import Path

import pytest

from fnet_registry.errors import AccessDeniedError, OfflineError, PresetNotFoundError
from fnet_registry.presets.fetch import fetch
from tests.hubs.fake_hub import Answer, cut
from tests.hubs.fake_kaggle import FakeKaggle

HANDLE = "kaggle://keras/f_net/keras/f_net_tiny_en"
WEIGHTS = "model.weights.h5"


@pytest.fixture
def variant(home: Path) -> Path:
    """The folder that kagglehub keeps the versions in."""
    return home / "kaggle" / "models" / "keras" / "f_net" / "keras" / "f_net_tiny_en"


def test_a_version_is_taken_at_its_word(kaggle: FakeKaggle):
    assert str(fetch(f"{HANDLE}/1").handle) == f"{HANDLE}/1"
    assert kaggle.count("GetModelInstance") == 0


def test_offline_the_newest_complete_version_is_taken(
    kaggle: FakeKaggle, caplog: pytest.LogCaptureFixture
):
    fetch(f"{HANDLE}/1")
    fetch(f"{HANDLE}/2", weights=False)
    kaggle.asked.clear()
    assert str(fetch(HANDLE, offline=True).handle) == f"{HANDLE}/1"
    assert str(fetch(HANDLE, weights=False, offline=True).handle) == f"{HANDLE}/2"
    assert f"{HANDLE} is taken to be {HANDLE}/1" in caplog.text
    assert not kaggle.asked


def test_a_file_that_was_never_finished_does_not_count_offline(kaggle: FakeKaggle, variant: Path):
    folder = fetch(f"{HANDLE}/2")
    (variant / ".fnet-registry" / "2.json").unlink()
    (variant / ".complete" / "2" / f"{WEIGHTS}.complete").unlink()
    assert folder.path == variant / "2"
    with pytest.raises(OfflineError):
        fetch(HANDLE, offline=True)


def test_kagglehub_finds_what_was_fetched(kaggle: FakeKaggle):
    from kagglehub.cache import Cache
    from kagglehub.handle import parse_model_handle

    folder = fetch(f"{HANDLE}/2")
    model = parse_model_handle(f"{HANDLE}/2".removeprefix("kaggle://"))
    assert Cache().load_from_cache(model, WEIGHTS) == str(folder.path / WEIGHTS)


def test_a_long_list_of_files_is_read_to_its_end(kaggle: FakeKaggle, preset_files: dict):
    kaggle.page_size = 2
    assert set(fetch(HANDLE).files) == set(preset_files)
    assert kaggle.count("ListModelInstanceVersionFiles") == 3


def test_without_the_hubs_digest_a_preset_is_unverified(
    kaggle: FakeKaggle, caplog: pytest.LogCaptureFixture
):
    kaggle.digests = False
    assert not fetch(HANDLE).verified
    assert "no digest" in caplog.text
    assert not fetch(f"{HANDLE}/2").verified


def test_a_stream_that_is_cut_is_taken_up_where_it_broke(kaggle: FakeKaggle):
    weights = kaggle.versions[2][WEIGHTS] = bytes(range(256)) * 12_000
    kaggle.break_down(f"GET /storage/2/{WEIGHTS}", cut(at=2_500_000))
    assert fetch(HANDLE).file(WEIGHTS).read_bytes() == weights
    ranges = [asked.headers.get("range") for asked in kaggle.asked if WEIGHTS in asked.about]
    assert f"bytes={2 * 2**20}-" in ranges


def test_a_stream_that_is_cut_with_no_digest_begins_anew(kaggle: FakeKaggle, preset_files: dict):
    kaggle.digests = False
    kaggle.break_down(f"GET /storage/2/{WEIGHTS}", cut(at=5_000))
    assert fetch(HANDLE).file(WEIGHTS).read_bytes() == preset_files[WEIGHTS]
    assert not [asked for asked in kaggle.asked if "range" in asked.headers]


def test_an_error_inside_an_answer_of_status_200_is_an_error(kaggle: FakeKaggle):
    error = Answer(200, b'{"code": 404, "message": "gone"}', {"Content-Type": "application/json"})
    kaggle.break_down("GetModelInstance", lambda _: error)
    with pytest.raises(PresetNotFoundError, match="Kaggle shows no such repository"):
        fetch(HANDLE)


def test_a_private_model_says_where_to_ask_for_access(kaggle: FakeKaggle):
    kaggle.private = True
    with pytest.raises(
        AccessDeniedError,
        match=r"https://www\.kaggle\.com/models/keras/f_net/keras/f_net_tiny_en.*KAGGLE_API_TOKEN",
    ):
        fetch(HANDLE)


def test_a_stale_user_name_and_key_are_left_out(
    kaggle: FakeKaggle, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setenv("KAGGLE_USERNAME", "someone")
    monkeypatch.setenv("KAGGLE_KEY", "stale-key-of-the-tests")
    assert fetch(HANDLE).verified
    assert "was refused" in caplog.text
    assert "stale-key-of-the-tests" not in caplog.text
