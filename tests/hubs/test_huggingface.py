"""What is the Hugging Face Hub's own: revisions, gates, commits, large files."""

from pathlib import Path

import pytest

from fnet_registry.errors import AccessDeniedError, DamagedFileError, OfflineError
from fnet_registry.presets.fetch import fetch
from fnet_registry.presets.handle import parse_handle
from tests.hubs.fake_hub import with_headers
from tests.hubs.fake_huggingface import COMMIT, FakeHuggingFace, FakeRepository

HANDLE = "hf://keras/f_net_tiny_en"
OTHER = "2e" * 20


@pytest.fixture
def repository(huggingface: FakeHuggingFace) -> FakeRepository:
    return huggingface.repositories["keras/f_net_tiny_en"]


@pytest.mark.parametrize("revision", ["dev", "v1.0", "feature/x", "refs/pr/1", OTHER])
def test_every_kind_of_revision_is_pinned(repository: FakeRepository, revision: str):
    repository.revisions[revision] = OTHER
    folder = fetch(f"{HANDLE}@{revision}", weights=False)
    assert str(folder.handle) == f"{HANDLE}@{OTHER}"
    assert fetch(f"{HANDLE}@{revision}", weights=False, offline=True).handle == folder.handle


def test_a_pinned_handle_stays_what_it_was_when_the_branch_moves(
    repository: FakeRepository, huggingface: FakeHuggingFace
):
    before = fetch(HANDLE)
    repository.revisions["main"] = OTHER
    assert str(fetch(HANDLE).handle) == f"{HANDLE}@{OTHER}"
    huggingface.asked.clear()
    assert fetch(str(before.handle)) == before
    assert not huggingface.asked


@pytest.mark.parametrize("noted", [b"", b"\xff\xfe", b"2e2e", b"../../escaped"])
def test_a_note_that_is_no_commit_counts_as_none_and_is_replaced(
    huggingface: FakeHuggingFace, home: Path, noted: bytes
):
    folder = fetch(HANDLE)
    note = home / "hf" / "hub" / "models--keras--f_net_tiny_en" / "refs" / "main"
    note.write_bytes(noted)
    with pytest.raises(OfflineError, match="does not hold the whole"):
        fetch(HANDLE, offline=True)
    assert fetch(HANDLE) == folder
    assert note.read_text() == COMMIT
    assert list(note.parent.iterdir()) == [note]


def test_a_gated_repository_says_where_to_accept_its_terms(repository: FakeRepository):
    repository.gated = True
    with pytest.raises(
        AccessDeniedError, match=r"gated.*https://huggingface\.co/keras/f_net_tiny_en.*HF_TOKEN"
    ):
        fetch(HANDLE)


def test_a_saved_token_that_is_stale_is_left_out_too(
    huggingface: FakeHuggingFace, home: Path, caplog: pytest.LogCaptureFixture
):
    (home / "hf").mkdir()
    (home / "hf" / "token").write_text("hf_staleTokenOfTheTests")
    assert fetch(HANDLE).verified
    assert "was refused" in caplog.text


def test_another_commit_than_the_one_asked_for_is_refused(huggingface: FakeHuggingFace):
    huggingface.break_down("HEAD", with_headers(X_Repo_Commit=OTHER), times=100)
    with pytest.raises(DamagedFileError, match=f"came from commit '{OTHER}'"):
        fetch(HANDLE)


def test_an_etag_that_is_a_path_is_refused(huggingface: FakeHuggingFace, home: Path):
    huggingface.break_down("HEAD", with_headers(ETag='"../../../../escaped"'), times=100)
    with pytest.raises(DamagedFileError, match="came with the ETag"):
        fetch(HANDLE, weights=False)
    assert not list(home.rglob("*escaped*"))


def test_a_commit_that_is_none_is_refused(repository: FakeRepository):
    repository.revisions["main"] = "../../escaped"
    with pytest.raises(Exception, match="revision is a branch"):
        fetch(HANDLE)


def test_one_kind_of_weights_is_enough(
    repository: FakeRepository, data_folder: Path, huggingface: FakeHuggingFace
):
    folder = data_folder / "transformers_base"
    repository.files.clear()
    repository.files.update({path.name: path.read_bytes() for path in folder.iterdir()})
    repository.files["pytorch_model.bin"] = b"\x80\x04."
    fetched = fetch(HANDLE)
    assert "model.safetensors" in fetched.files
    assert huggingface.count(r"pytorch_model\.bin") == 0


def test_shards_come_with_their_index(repository: FakeRepository):
    weights = repository.files.pop("model.weights.h5")
    shards = {f"model_0000{n}.weights.h5": weights[n:] for n in range(3)}
    repository.files.update(shards | {"model.weights.json": b'{"weight_map": {}}'})
    assert set(fetch(HANDLE).files) == set(repository.files)


def test_transformers_finds_what_was_fetched(huggingface: FakeHuggingFace, home: Path):
    from huggingface_hub import try_to_load_from_cache

    folder = fetch(HANDLE)
    found = try_to_load_from_cache(
        "keras/f_net_tiny_en", "config.json", cache_dir=home / "hf" / "hub", revision="main"
    )
    assert found == str(folder.path / "config.json")
    assert folder.path.name == COMMIT


def test_a_variable_that_is_empty_is_none(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    handle = parse_handle("hf://keras/f_net_tiny_en")
    for name in ("XDG_CACHE_HOME", "HF_HOME", "HUGGINGFACE_HUB_CACHE", "HF_HUB_CACHE"):
        monkeypatch.setenv(name, "")
    cache = home / ".cache" / "huggingface" / "hub"
    assert handle.repository_folder == cache / "models--keras--f_net_tiny_en"
