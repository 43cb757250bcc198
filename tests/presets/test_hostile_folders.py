"""Folders made to harm: what is no plain file, links that lead away, documents without a bound."""

import json
import os
import socket
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest

from fnet_cli.main import main
from fnet_registry import FNetTokenizer
from fnet_registry.errors import ConfigError, PresetError, TokenizerError, WeightsError
from fnet_registry.presets.checkpoint import read_checkpoint
from fnet_registry.presets.documents import read_json
from fnet_registry.presets.fetch import fetch
from tests.programs import read_preset_apart

FILES = [
    "README.md",
    "assets/tokenizer/vocabulary.spm",
    "config.json",
    "model.weights.h5",
    "tokenizer.json",
]


def bind_socket(path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"/proc/self/fd/{folder}/{path.name}")  # the whole path would be too long
    os.close(folder)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    ("make", "received"),
    [
        (os.mkfifo, "a pipe"),
        (os.mkdir, "a folder"),
        (bind_socket, "a socket"),
        (lambda path: path.symlink_to("/dev/zero"), "a device"),
        (lambda path: path.symlink_to("nowhere"), "No such file|must hold `config.json`"),
        (lambda path: path.symlink_to(path), "Too many levels|must hold `config.json`"),
    ],
)
def test_every_file_must_be_a_regular_file(
    make: Callable[[Path], None], received: str, name: str, hdf5_preset: Path
) -> None:
    (hdf5_preset / name).unlink(missing_ok=True)
    make(hdf5_preset / name)
    for read in (read_checkpoint, fetch):
        with pytest.raises(PresetError, match=received):
            read(hdf5_preset)
    assert main(["inspect", str(hdf5_preset)]) == 2


def test_a_tokenizer_s_own_path_must_be_a_regular_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.spm")
    with pytest.raises(PresetError, match="must be a SentencePiece model. Received: a pipe"):
        FNetTokenizer(tmp_path / "pipe.spm")


@pytest.mark.parametrize("name", [name for name in FILES if name != "config.json"])
def test_no_file_is_endless(name: str, hdf5_preset: Path) -> None:
    with (hdf5_preset / name).open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(PresetError, match="Received: 1,099,511,627,776 B"):
        read_checkpoint(hdf5_preset)
    assert main(["inspect", str(hdf5_preset)]) == 2


@pytest.mark.skipif(not Path("/proc/self/pagemap").exists(), reason="such a file is one of Linux")
def test_no_file_is_larger_than_it_says() -> None:
    with pytest.raises(ConfigError, match="a JSON object of at most 8 MiB. Received: 8,388,609 B"):
        read_json(Path("/proc/self/pagemap"))


@pytest.mark.parametrize("index", [None, "model.safetensors.index.json"])
def test_weights_that_no_one_reads_are_not_hashed(index: str | None, hdf5_preset: Path) -> None:
    digests = fetch(hdf5_preset).digests
    shards = [f"model-{number:05}-of-00020.safetensors" for number in range(20)]
    for name in shards:
        with (hdf5_preset / name).open("wb") as file:
            file.truncate(16 << 30)
    if index:
        (hdf5_preset / index).write_text(json.dumps({"weight_map": dict(enumerate(shards))}))
    assert fetch(hdf5_preset).digests == digests


def test_shards_are_bounded_together(safetensors_preset: Path) -> None:
    shards = [f"model-{number:05}-of-00020.safetensors" for number in range(20)]
    (safetensors_preset / "model.safetensors").rename(safetensors_preset / shards[0])
    for name in shards[1:]:
        with (safetensors_preset / name).open("wb") as file:
            file.truncate(200 << 20)
    index = safetensors_preset / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": shards[0]}}))
    assert set(fetch(safetensors_preset).files).isdisjoint(shards[1:])
    assert read_checkpoint(safetensors_preset).arrays
    index.write_text(json.dumps({"weight_map": dict(enumerate(shards))}))
    with pytest.raises(WeightsError, match="be at most .* B. Received: 3,984"):
        read_checkpoint(safetensors_preset)
    with (safetensors_preset / shards[-1]).open("wb") as file:
        file.truncate(15 << 30)
    with pytest.raises(PresetError, match="at most 16,384 MiB. Received: 19,8"):
        fetch(safetensors_preset)


def test_a_vocabulary_of_endless_pieces_is_refused(hdf5_preset: Path) -> None:
    path = hdf5_preset / "assets/tokenizer/vocabulary.spm"
    path.write_bytes(path.read_bytes() + b"\x0a\x00" * (16 << 20))
    with pytest.raises(PresetError, match="a SentencePiece model of at most 16 MiB. Received"):
        read_checkpoint(hdf5_preset)
    path.write_bytes(b"\x0a\x00" * 1000)
    with pytest.raises(TokenizerError, match="must be sound"):
        FNetTokenizer(path)


class TestLinks:
    @staticmethod
    def shard(folder: Path, name: object) -> None:
        index = {"weight_map": {"/layers/dense/vars": name}}
        (folder / "model.weights.json").write_text(json.dumps(index))

    @pytest.mark.parametrize("name", ["other.h5", "model_00000.weights.h5"])
    def test_an_index_leads_to_no_file_elsewhere(
        self, name: str, hdf5_preset: Path, tmp_path: Path
    ) -> None:
        (hdf5_preset / "model.weights.h5").rename(tmp_path / "outside.h5")
        (hdf5_preset / name).symlink_to(tmp_path / "outside.h5")
        self.shard(hdf5_preset, name)
        with pytest.raises(PresetError, match="leads out of it|must name files beside it"):
            read_checkpoint(hdf5_preset)

    def test_a_stray_shard_hides_no_file_that_is_read(
        self, bin_preset: Path, tmp_path: Path
    ) -> None:
        (bin_preset / "model-00001-of-00001.safetensors").touch()
        (bin_preset / "pytorch_model.bin").rename(tmp_path / "outside.bin")
        (bin_preset / "pytorch_model.bin").symlink_to(tmp_path / "outside.bin")
        for read in (read_checkpoint, fetch):
            with pytest.raises(PresetError, match="leads out of it"):
                read(bin_preset)

    def test_an_index_names_no_endless_number_of_files(self, hdf5_preset: Path) -> None:
        (hdf5_preset / "model.weights.h5").unlink()
        self.shard(hdf5_preset, [f"model_{number:05}.weights.h5" for number in range(99_999)])
        with pytest.raises(WeightsError, match="at most 1,024 files. Received: 99,999"):
            read_checkpoint(hdf5_preset)

    def test_a_snapshot_in_a_hub_s_cache_is_one_of_links(
        self, safetensors_preset: Path, tmp_path: Path
    ) -> None:
        repository = tmp_path / "models--org--name"
        snapshot = repository / "snapshots" / ("0" * 40)
        snapshot.mkdir(parents=True)
        safetensors_preset.rename(repository / "blobs")
        for blob in (repository / "blobs").iterdir():
            (snapshot / blob.name).symlink_to(f"../../blobs/{blob.name}")
        assert read_checkpoint(snapshot).arrays
        assert "model.safetensors" in fetch(snapshot).digests
        (snapshot / "model.safetensors").unlink()
        (tmp_path / "outside.safetensors").touch()
        (snapshot / "model.safetensors").symlink_to(tmp_path / "outside.safetensors")
        for read in (read_checkpoint, fetch):
            with pytest.raises(PresetError, match="leads out of it"):
                read(snapshot)


HOSTILE_VALUES = {
    "long text": "x" * 6_000_000,
    "lone surrogate": "\ud800",
    "terminal escapes": "\x1b]0;title\x07\u202e\n\x00",
    "list": list(range(500_000)),
    "mapping": {str(number): None for number in range(100_000)},
    "huge integer": 10**4000,
    "negative": -1,
    "fraction": 1.5,
    "infinity": float("inf"),
    "not a number": float("nan"),
    "truth": True,
    "null": None,
}


HOSTILE_KEYS = ["hidden_dim", "num_layers", "vocabulary_size", "dropout", "class_name", "dtype"]


@pytest.mark.parametrize(
    ("key", "kind"),
    # A policy of null is no harm: it is float32.
    [pair for pair in product(HOSTILE_KEYS, HOSTILE_VALUES) if pair != ("dtype", "null")],
)
def test_a_hostile_value_is_refused_in_one_bounded_line(
    key: str, kind: str, hdf5_preset: Path
) -> None:
    document = json.loads((hdf5_preset / "config.json").read_text())
    (document if key in document else document["config"])[key] = HOSTILE_VALUES[kind]
    (hdf5_preset / "config.json").write_text(json.dumps(document))
    with pytest.raises(ConfigError, match="Received: ") as caught:
        read_checkpoint(hdf5_preset)
    assert len(str(caught.value)) < 1100
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", ["\ud800", "\x1b]0;title\x07.h5", "a" * 6_000_000])
def test_a_hostile_name_in_an_index_is_refused_in_one_bounded_line(
    name: str, hdf5_preset: Path
) -> None:
    (hdf5_preset / "model.weights.h5").unlink()
    TestLinks.shard(hdf5_preset, name)
    with pytest.raises(WeightsError, match="must name files beside it.*Received: ") as caught:
        read_checkpoint(hdf5_preset)
    assert len(str(caught.value)) < 1100
    assert str(caught.value).isprintable()


def test_the_keys_of_a_hostile_document_are_shown_in_one_bounded_line(hdf5_preset: Path) -> None:
    (hdf5_preset / "config.json").write_text(json.dumps({"\ud800\x1b" + "k" * 3_000_000: 1}))
    with pytest.raises(ConfigError, match=r"Received the keys: \\ud800\\x1bkkk") as caught:
        read_checkpoint(hdf5_preset)
    assert len(str(caught.value)) < 1100


@pytest.mark.parametrize("key", ["://a:", "http://", "&key", "://"])
def test_a_key_that_looks_like_a_million_passwords_is_searched_for_no_time(
    key: str, hdf5_preset: Path
) -> None:
    (hdf5_preset / "config.json").write_text(json.dumps({key * 1_000_000: 1}))
    with pytest.raises(ConfigError, match=r"Received the keys: ") as caught:
        read_checkpoint(hdf5_preset)
    assert len(str(caught.value)) < 1100


@pytest.mark.parametrize("depth", [10, 500, *range(880, 1000, 2), 100_000])
def test_a_nested_value_is_refused_at_any_depth(depth: int, hdf5_preset: Path) -> None:
    document = json.loads((hdf5_preset / "config.json").read_text())
    document["config"]["hidden_dim"] = "HERE"
    nested = json.dumps(document).replace('"HERE"', "[" * depth + "]" * depth)
    (hdf5_preset / "config.json").write_text(nested)
    with pytest.raises(ConfigError, match="Received: "):
        read_checkpoint(hdf5_preset)


@pytest.mark.parametrize("content", ["[" + "[]," * 2_700_000 + "[]]", '{"a":' + "9" * 5000 + "}"])
def test_a_document_that_grows_is_refused_in_bounded_memory(
    content: str, hdf5_preset: Path
) -> None:
    (hdf5_preset / "config.json").write_text(content)
    reading = read_preset_apart(hdf5_preset)
    assert "must be a JSON object. Received: " in str(reading.refusal)
    assert reading.peak_bytes < 1 << 30


def test_sizes_that_only_together_make_a_giant_are_refused(hdf5_preset: Path) -> None:
    document = json.loads((hdf5_preset / "config.json").read_text())
    document["config"] |= {"hidden_dim": 1 << 15, "intermediate_dim": 1 << 15}
    (hdf5_preset / "config.json").write_text(json.dumps(document))
    with pytest.raises(ConfigError, match="at most 536,870,912 parameters. Received: sizes"):
        read_checkpoint(hdf5_preset, weights=False)


def test_what_inspect_prints_of_a_card_is_one_line_that_no_terminal_obeys(
    hdf5_preset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (hdf5_preset / "README.md").write_text("\x1b]0;title\x07" + "word " * 100_000)
    versions = {"a_version": "\x1b[2J", "b_version": ["\x1b"], "c_version": "9" * 1_000_000}
    (hdf5_preset / "metadata.json").write_text(json.dumps(versions))
    assert main(["inspect", str(hdf5_preset)]) == 0
    printed = capsys.readouterr().out
    assert len(printed) < 5000
    assert "\x1b" not in printed
