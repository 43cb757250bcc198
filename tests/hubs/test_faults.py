"""Hubs that fail: each failure has its own error, and what can be retried is."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import filelock
import psutil
import pytest

from fnet_registry.errors import (
    AccessDeniedError,
    DamagedFileError,
    FetchTimeoutError,
    HubUnavailableError,
    PresetNotFoundError,
)
from fnet_registry.presets.fetch import fetch
from fnet_registry.presets.hub import process
from fnet_registry.presets.hub.client import redact
from tests.hubs.conftest import Site
from tests.hubs.fake_hub import cut, flipped, slow, status

WEIGHTS = "model.weights.h5"
FETCH = "import sys; from fnet_registry.presets.fetch import fetch; print(fetch(sys.argv[1]).path)"


def test_a_missing_repository_is_named(site: Site):
    with pytest.raises(PresetNotFoundError, match=f"no such repository.*{site.token}.*Received"):
        fetch(site.no_repository)


def test_a_missing_revision_is_named(site: Site):
    with pytest.raises(PresetNotFoundError, match="no such (version|revision).*Received"):
        fetch(site.no_revision)


def test_a_listed_file_that_is_missing_is_named(site: Site):
    site.hub.break_down(
        r"(resolve|Download).*config\.json", status(404, X_Error_Code="EntryNotFound")
    )
    with pytest.raises(PresetNotFoundError, match="lists a file that it does not have"):
        fetch(site.handle)


@pytest.mark.parametrize("code", [429, 500])
def test_a_failing_hub_is_asked_again(site: Site, code: int):
    site.hub.break_down(site.resolving, status(code))
    site.hub.break_down(site.listing, status(code), times=2)
    site.hub.break_down(site.delivery(WEIGHTS), status(code))
    assert fetch(site.handle).verified


def test_retry_after_is_honoured(site: Site):
    site.hub.break_down(site.listing, status(429, Retry_After="2"))
    start = time.monotonic()
    fetch(site.handle)
    assert time.monotonic() - start > 2


def test_a_wait_beyond_the_deadline_is_not_begun(site: Site):
    site.hub.break_down(site.listing, status(429, Retry_After="3600"))
    start = time.monotonic()
    with pytest.raises(HubUnavailableError, match=r"429.*Try again in 3600 s"):
        fetch(site.pinned, deadline=60)
    assert time.monotonic() - start < 30


def test_a_hub_that_keeps_failing_is_given_up(site: Site):
    site.hub.break_down(site.listing, status(502), times=100)
    with pytest.raises(HubUnavailableError, match=r"keeps failing.*502.*Received"):
        fetch(site.pinned)
    assert site.hub.count(site.listing) == 6


def test_a_stream_that_is_cut_is_taken_up_again(site: Site):
    site.hub.break_down(site.delivery(WEIGHTS), cut(at=5_000))
    folder = fetch(site.handle)
    assert folder.verified
    assert folder.file(WEIGHTS).read_bytes() == site.files[WEIGHTS]


def test_wrong_bytes_are_fetched_again(site: Site):
    site.hub.break_down(site.delivery(WEIGHTS), flipped)
    folder = fetch(site.handle)
    assert folder.file(WEIGHTS).read_bytes() == site.files[WEIGHTS]


def test_bytes_that_stay_wrong_are_refused_and_not_kept(site: Site):
    site.hub.break_down(site.delivery(WEIGHTS), flipped, times=100)
    with pytest.raises(DamagedFileError, match=r"other bytes than it announced.*Received"):
        fetch(site.handle)
    assert not (site.folder / WEIGHTS).exists()


@pytest.mark.parametrize("stage", ["resolving", "listing", "delivery"])
def test_the_deadline_holds_when_the_hub_hangs(site: Site, stage: str):
    patterns = {
        "resolving": site.resolving,
        "listing": site.listing,
        "delivery": site.delivery(WEIGHTS),
    }
    site.hub.break_down(patterns[stage], slow(15), times=100)
    start = time.monotonic()
    with pytest.raises(FetchTimeoutError, match=r"within 3 s.*Received"):
        fetch(site.handle, deadline=3)
    assert time.monotonic() - start < 6


def test_a_hub_that_falls_silent_is_asked_again(site: Site, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(process, "SILENCE_SECONDS", 4)
    site.hub.break_down(site.delivery(WEIGHTS), slow(10))
    start = time.monotonic()
    assert fetch(site.pinned).verified
    assert time.monotonic() - start < 9


def test_a_private_repository_names_the_token_variable(site: Site):
    site.make_private()
    with pytest.raises((AccessDeniedError, PresetNotFoundError), match=f"private.*{site.token}"):
        fetch(site.handle)


def test_a_private_repository_opens_with_a_token(site: Site, monkeypatch: pytest.MonkeyPatch):
    site.make_private()
    monkeypatch.setenv(site.token, site.good_token)
    assert fetch(site.handle).verified


def test_a_stale_token_does_not_close_a_public_repository(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setenv(site.token, "hf_staleTokenOfTheTests")
    assert fetch(site.handle).verified
    assert caplog.text.count(f"token in {site.token} was refused") == 1


def test_tokens_are_nowhere_to_be_found(
    site: Site, home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    caplog.set_level("DEBUG")
    monkeypatch.setenv(site.token, site.good_token)
    fetch(site.handle)
    site.hub.break_down(site.listing, status(418, X_Error_Message=site.good_token), times=100)
    site.record.unlink()
    with pytest.raises(Exception, match="418") as caught:
        fetch(site.pinned)
    written = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    assert site.good_token not in caplog.text + repr(caught.value)
    assert site.good_token.encode() not in written


def test_an_absurd_size_is_refused(site: Site):
    site.announce_size(WEIGHTS, 2**43)
    with pytest.raises(DamagedFileError, match=r"larger than any.*8,796,093,022,208 bytes"):
        fetch(site.handle)


def test_files_that_are_only_together_absurd_are_refused(huggingface_site: Site):
    huggingface_site.announce_size(WEIGHTS, 16 << 30)
    with pytest.raises(DamagedFileError, match=r"larger than any.*after .*17,179,869,184 bytes"):
        fetch(huggingface_site.handle)


def test_processes_that_fetch_at_once_share_one_download(site: Site):
    command = [sys.executable, "-c", FETCH, site.pinned]
    with ThreadPoolExecutor() as pool:
        outputs = list(pool.map(lambda _: subprocess.check_output(command), range(4)))
    assert {output.decode().strip() for output in outputs} == {str(site.folder)}
    assert site.deliveries() == len(site.files)


def test_a_lock_that_is_held_does_not_outlast_the_deadline(site: Site):
    site.record.parent.mkdir(parents=True)
    with (
        filelock.FileLock(site.record.with_suffix(".lock")),
        pytest.raises(FetchTimeoutError, match=r"Another process.*within 1 s.*Received"),
    ):
        fetch(site.pinned, deadline=1)


def test_the_child_ends_with_its_parent(site: Site):
    site.hub.break_down(site.listing, slow(15), times=100)
    parent = subprocess.Popen([sys.executable, "-c", FETCH, site.pinned])
    while not site.hub.count(site.listing):
        time.sleep(0.05)
    (child,) = psutil.Process(parent.pid).children()
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    child.wait(timeout=5)


def test_the_child_imports_nothing_from_the_working_directory(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for module in ("kagglehub", "huggingface_hub", "requests", "json"):
        (tmp_path / f"{module}.py").write_text("raise SystemExit('imported')")
    monkeypatch.chdir(tmp_path)
    assert fetch(site.handle).verified


def test_nothing_listens(home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://user:secret@127.0.0.1:9")
    with pytest.raises(HubUnavailableError, match=r"No connection.*127\.0\.0\.1") as caught:
        fetch("hf://keras/f_net_tiny_en")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("Authorization: Bearer abc.def-9", "Authorization: Bearer ***"),
        ("basic dXNlcjprZXk=", "basic ***"),
        ("proxy http://user:pass@host:1 failed", "proxy http://***@host:1 failed"),
        ("at https://host/file?X-Signature=abc&x=1 there", "at https://host/file?*** there"),
        ("the key of the user", "the *** of the user"),
        ("hf_abcdefghijkl is no name", "*** is no name"),
        ("HTTP status 404 at https://host/file", "HTTP status 404 at https://host/file"),
    ],
)
def test_credentials_are_redacted(text: str, redacted: str):
    assert redact(text, ["key", None]) == redacted
