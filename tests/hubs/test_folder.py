"""Local folders, and our record of cached ones."""

import hashlib
import shutil
from pathlib import Path

import pytest

from fnet_registry.errors import PresetError
from fnet_registry.presets.fetch import fetch
from fnet_registry.presets.folder import select_files
from fnet_registry.presets.hub.record import DigestRecord

KERAS = ("config.json", "metadata.json", "tokenizer.json", "assets/tokenizer/vocabulary.spm")


@pytest.fixture
def copy(preset_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(preset_folder, tmp_path / "preset"))


def test_a_local_folder_is_taken_as_it_is(copy: Path):
    (copy / "notes.txt").touch()
    folder = fetch(copy)
    assert folder.path == copy
    assert "notes.txt" not in folder.files
    assert not folder.verified
    data = (copy / "config.json").read_bytes()
    assert folder.digests["config.json"] == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("name", ["config.json", "assets/tokenizer/vocabulary.spm"])
def test_a_link_that_leads_out_of_the_folder_is_refused(copy: Path, tmp_path: Path, name: str):
    outside = (copy / name).rename(tmp_path / "outside")
    (copy / name).symlink_to(outside)
    with pytest.raises(PresetError, match=r"leads out of it.*cp -rL.*Received: .*outside"):
        fetch(copy)


def test_a_linked_folder_inside_is_refused_too(copy: Path, tmp_path: Path):
    shutil.move(copy / "assets", tmp_path / "assets")
    (copy / "assets").symlink_to(tmp_path / "assets")
    with pytest.raises(PresetError, match="leads out"):
        fetch(copy)


def test_a_link_inside_the_folder_is_fine(copy: Path):
    (copy / "config.json").rename(copy / "real.json")
    (copy / "config.json").symlink_to("real.json")
    assert fetch(copy).file("config.json").is_file()


@pytest.mark.parametrize("name", ["../config.json", "/etc/passwd", "a/../config.json", "x.py", ""])
def test_only_names_that_presets_use_are_found(copy: Path, name: str):
    with pytest.raises(PresetError, match="A preset holds files such as.*Received"):
        fetch(copy).file(name)


def test_a_file_that_the_preset_does_not_hold_is_named(copy: Path):
    with pytest.raises(PresetError, match=r"to hold spiece\.model.*Received"):
        fetch(copy).file("spiece.model")


@pytest.mark.parametrize(
    ("listed", "chosen"),
    [
        (["model.weights.h5", "model.weights.json"], ["model.weights.h5"]),
        (
            ["model.weights.json", "model_00000.weights.h5", "model_00001.weights.h5"],
            ["model.weights.json", "model_00000.weights.h5", "model_00001.weights.h5"],
        ),
        (["model.safetensors", "pytorch_model.bin", "tf_model.h5"], ["model.safetensors"]),
        (["pytorch_model.bin", "flax_model.msgpack"], ["pytorch_model.bin"]),
        (["model.weights.h5", "pytorch_model.bin"], ["model.weights.h5", "pytorch_model.bin"]),
        (["task.weights.h5", "../model.weights.h5", "x/config.json"], []),
    ],
)
def test_of_each_family_the_preferred_weights_are_chosen(listed: list[str], chosen: list[str]):
    assert select_files([*listed, *KERAS]) == tuple(sorted([*chosen, *KERAS]))
    assert select_files([*listed, *KERAS], weights=False) == tuple(sorted(KERAS))


def test_a_record_is_read_as_it_was_written(tmp_path: Path):
    record = DigestRecord(names=("config.json", "model.weights.h5"))
    record = record.with_file("config.json", "00" * 32, checked=True)
    record.write(tmp_path / "state" / "2.json")
    assert DigestRecord.read(tmp_path / "state" / "2.json") == record
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["2.json"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"format": 99}',
        b'{"format": 1, "names": [], "sha256": {}, "checked": []}',  # knew no encoding
        b'{"format": 2, "names": 3, "sha256": {}, "checked": []}',
        b'{"format": 2, "names": ["../x"], "sha256": {}, "checked": []}',
    ],
)
def test_a_record_that_cannot_be_read_counts_as_none(tmp_path: Path, content: bytes):
    (tmp_path / "2.json").write_bytes(content)
    assert DigestRecord.read(tmp_path / "2.json") is None
