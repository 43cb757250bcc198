"""What holds for every hub: pinned, only what is known, cached, and checked at each load."""

import hashlib
import json
import logging
from pathlib import Path

import pytest

from fnet_registry.errors import CacheError, DamagedFileError, OfflineError, PresetNotFoundError
from fnet_registry.presets.fetch import fetch
from tests.hubs.conftest import Site

WEIGHTS = "model.weights.h5"


def test_a_handle_is_pinned_and_its_files_are_the_hubs(site: Site):
    folder = fetch(site.handle)
    assert str(folder.handle) == site.pinned
    assert folder.verified
    assert set(folder.files) == set(site.files)
    assert {name: folder.file(name).read_bytes() for name in folder.files} == site.files
    assert folder.digests == {n: hashlib.sha256(d).hexdigest() for n, d in site.files.items()}


def test_a_pinned_handle_loads_again_without_any_request(site: Site):
    first = fetch(site.handle)
    site.hub.asked.clear()
    again = fetch(str(first.handle))
    assert again == first
    assert not site.hub.asked


def test_an_unpinned_handle_asks_only_what_is_newest_when_that_is_cached(site: Site):
    fetch(site.handle)
    site.hub.asked.clear()
    fetch(site.handle)
    assert len(site.hub.asked) == site.hub.count(site.resolving) == 1


def test_without_weights_none_are_fetched_and_later_nothing_but_weights(site: Site):
    folder = fetch(site.handle, weights=False)
    assert set(folder.files) == set(site.files) - {WEIGHTS}
    assert site.hub.count(site.delivery(WEIGHTS)) == 0
    assert set(fetch(site.pinned).files) == set(site.files)
    assert site.deliveries() == len(site.files)


def test_only_known_names_are_asked_for_and_nothing_is_written_outside_the_cache(
    site: Site, home: Path, tmp_path: Path
):
    hostile = ("../../../escaped", "/tmp/escaped", "assets/../../x", "run.py", "config.json/x")
    site.files.update(dict.fromkeys(hostile, b"x"))
    folder = fetch(site.handle)
    assert set(folder.files).isdisjoint(hostile)
    assert site.hub.count("escaped|run.py|/x") == 0
    assert set(tmp_path.iterdir()) == {home}
    assert {path.name for path in home.iterdir()} <= {"kaggle", "hf"}


def test_a_repository_that_is_no_preset_is_refused(site: Site):
    del site.files["config.json"]
    with pytest.raises(PresetNotFoundError, match=r"Expected a preset.*no config\.json.*Received"):
        fetch(site.handle)


@pytest.mark.parametrize("switch", ["argument", "variable"])
def test_offline_what_is_complete_loads_without_any_request(
    site: Site, switch: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    fetch(site.handle)
    site.hub.asked.clear()
    if switch == "variable":
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    folder = fetch(site.handle, offline=True if switch == "argument" else None)
    assert str(folder.handle) == site.pinned
    assert folder.verified
    assert f"{site.handle} is taken to be {site.pinned}" in caplog.text
    assert not site.hub.asked


def test_without_a_network_the_cache_is_taken(site: Site, caplog: pytest.LogCaptureFixture):
    fetch(site.handle)
    site.hub.close()
    folder = fetch(site.handle)
    assert str(folder.handle) == site.pinned
    assert "No connection to" in caplog.text


def test_offline_an_incomplete_preset_is_refused(site: Site):
    with pytest.raises(OfflineError, match=r"does not hold the whole.*HF_HUB_OFFLINE.*Received"):
        fetch(site.handle, offline=True)
    fetch(site.handle, weights=False)
    assert fetch(site.handle, weights=False, offline=True).verified
    with pytest.raises(OfflineError, match="does not hold the whole"):
        fetch(site.pinned, offline=True)


def test_a_damaged_file_is_fetched_again_and_no_other(site: Site):
    fetch(site.handle)
    site.damage(WEIGHTS)
    site.hub.asked.clear()
    folder = fetch(site.pinned)
    assert folder.file(WEIGHTS).read_bytes() == site.files[WEIGHTS]
    assert site.deliveries() == site.hub.count(site.delivery(WEIGHTS)) == 1


def test_offline_a_damaged_file_is_never_used(site: Site):
    fetch(site.handle)
    site.damage(WEIGHTS)
    with pytest.raises(DamagedFileError, match=r"damaged.*model\.weights\.h5.*Received"):
        fetch(site.handle, offline=True)
    site.hub.close()
    with pytest.raises(DamagedFileError, match=r"damaged.*model\.weights\.h5"):
        fetch(site.handle)


def test_a_cache_of_unknown_origin_is_checked_against_the_hub(site: Site):
    fetch(site.handle)
    site.record.unlink()
    site.damage("config.json")
    inode = (site.folder / WEIGHTS).stat().st_ino
    folder = fetch(site.pinned)
    assert folder.verified
    assert folder.file("config.json").read_bytes() == site.files["config.json"]
    assert (site.folder / WEIGHTS).stat().st_ino == inode
    assert set(site.recorded()) == set(site.files)


def test_offline_a_cache_of_unknown_origin_is_reported_as_unverified(
    site: Site, caplog: pytest.LogCaptureFixture
):
    fetch(site.handle)
    site.record.unlink()
    folder = fetch(site.handle, offline=True)
    assert not folder.verified
    assert "unverified" in caplog.text
    assert folder.digests == {n: hashlib.sha256(d).hexdigest() for n, d in site.files.items()}


def test_a_record_cannot_lead_to_other_files(site: Site, tmp_path: Path):
    fetch(site.handle)
    (tmp_path / "secret").write_bytes(b"secret")
    record = json.loads(site.record.read_text())
    record["names"].append("../../../../../../../../secret")
    site.record.write_text(json.dumps(record))
    assert set(fetch(site.pinned).files) == set(site.files)


def test_other_bytes_under_the_same_revision_are_refused(site: Site):
    fetch(site.handle)
    site.damage("config.json")
    site.files["config.json"] = b"{}"
    with pytest.raises(DamagedFileError, match=r"now delivers another config\.json.*remove"):
        fetch(site.pinned)


def test_a_cache_that_cannot_be_written_is_said_to_be_so(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "file").touch()
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "file"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "file"))
    with pytest.raises(CacheError, match=r"cannot be written.*(KAGGLEHUB_CACHE|HF_HOME)"):
        fetch(site.handle)


def test_what_is_done_is_logged(site: Site, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO, "fnet_registry")
    fetch(site.handle)
    assert f"Fetching {site.pinned}" in caplog.text
    assert f"{site.handle} is {site.pinned} now" in caplog.text
