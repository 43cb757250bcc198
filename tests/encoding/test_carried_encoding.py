"""A preset carries its encoding, which is the default wherever the preset is used."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fnet_cli.main import main
from fnet_registry import EncodingConfig, FNetBackbone, TextEncoder
from fnet_registry.encoding.stored import read_encoding
from fnet_registry.errors import ConfigError, FNetError, PresetError
from fnet_registry.presets.folder import digest_files, list_files

CARRIED = EncodingConfig(
    sequence_length=32, padding="bucket", buckets=(16, 32), pooling="cls", normalize=True
)
TEXTS = ["The quick brown fox.", "", "jumps over " * 40]


@pytest.fixture
def carrying(preset_folder: Path, tmp_path: Path) -> Path:
    """The tiny preset, saved with an encoding."""
    folder = tmp_path / "carrying"
    encoder = TextEncoder.from_preset(
        preset_folder, sequence_length=32, buckets=(16, 32), pooling="cls", normalize=True
    )
    encoder.save_to_preset(folder)
    return folder


@pytest.fixture(scope="module")
def registry_uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A registry of this process's own: two that make one's tables at a time fail."""
    return f"sqlite:///{tmp_path_factory.mktemp('registry')}/mlflow.db"


def write_carried(folder: Path, content: Any) -> None:
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / "encoding.json").write_text(text)


def test_a_saved_encoder_comes_back_with_its_encoding_and_its_vectors(
    carrying: Path, preset_folder: Path
) -> None:
    again = TextEncoder.from_preset(carrying)
    assert again.config == CARRIED
    expected = TextEncoder.from_preset(preset_folder, **vars_of(CARRIED)).encode(TEXTS)
    np.testing.assert_array_equal(again.encode(TEXTS), expected)


def vars_of(config: EncodingConfig) -> dict[str, Any]:
    return {k: v for k, v in config.to_dict().items() if k != "padding"}


def test_no_file_of_kerashubs_depends_on_the_encoding(carrying: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    shutil.copytree(carrying, plain)
    (plain / "encoding.json").unlink()
    TextEncoder.from_preset(plain).save_to_preset(tmp_path / "other")
    names = set(list_files(carrying)) - {"encoding.json", "metadata.json"}  # which has the time
    assert digest_files(carrying, names) == digest_files(tmp_path / "other", names)
    assert FNetBackbone.from_preset(carrying).num_layers == 2


def test_a_preset_without_an_encoding_has_the_default(preset_folder: Path) -> None:
    assert read_encoding(preset_folder) is None
    assert TextEncoder.from_preset(preset_folder).config == EncodingConfig(sequence_length=64)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"pooling": "mean"}, {"pooling": "mean"}),
        ({"normalize": False}, {"normalize": False}),
        ({"sequence_length": 64}, {"sequence_length": 64, "buckets": (), "padding": "fixed"}),
        ({"sequence_length": 32}, {"buckets": (), "padding": "fixed"}),
        ({"buckets": (8, 32)}, {"buckets": (8, 32)}),
        ({"buckets": ()}, {"buckets": (), "padding": "fixed"}),
        ({"sequence_length": 64, "buckets": (8, 64)}, {"sequence_length": 64, "buckets": (8, 64)}),
        ({"pooling": None, "sequence_length": None}, {}),
    ],
)
def test_an_explicit_option_wins(
    options: dict[str, Any], expected: dict[str, Any], carrying: Path
) -> None:
    config = TextEncoder.from_preset(carrying, **options).config
    assert config.to_dict() == CARRIED.to_dict() | expected


def test_convert_keeps_the_encoding(carrying: Path, tmp_path: Path) -> None:
    assert main(["convert", str(carrying), str(tmp_path / "out")]) == 0
    assert read_encoding(tmp_path / "out") == CARRIED


def test_convert_leaves_no_other_presets_encoding_behind(carrying: Path, data_folder: Path) -> None:
    assert main(["convert", str(data_folder / "transformers_base"), str(carrying)]) == 0
    assert read_encoding(carrying) is None


def test_a_transformers_checkpoint_may_carry_one_too(data_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(data_folder / "transformers_base", tmp_path / "preset"))
    write_carried(folder, {"encoding": {"sequence_length": 16}})
    assert TextEncoder.from_preset(folder).config.sequence_length == 16


def test_inspect_shows_it(carrying: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(carrying), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["encoding"]["buckets"] == [16, 32]
    assert "encoding.json" in shown["sha256"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "must be a JSON object"),
        ("[]", "must be a JSON object"),
        ("[" * 100_000, "must be a JSON object"),
        ("{}", "`encoding` must be a JSON object"),
        ({"encoding": 3}, "`encoding` must be a JSON object"),
        ({"encoding": {}}, "An encoding configuration holds"),
        ({"encoding": {"sequence_length": 16, "head": "x"}}, "An encoding configuration holds"),
        ({"encoding": {"sequence_length": "16"}}, "`sequence_length` must be an integer"),
        ({"encoding": {"sequence_length": 16.0}}, "`sequence_length` must be an integer"),
        ({"encoding": {"sequence_length": 10**4000}}, "at most 64, the model's maximum"),
        ({"encoding": {"sequence_length": 65}}, "at most 64, the model's maximum"),
        ({"encoding": {"sequence_length": 16, "pooling": ["cls"]}}, "`pooling` must be one of"),
        ({"encoding": {"sequence_length": 16, "normalize": 1}}, "`normalize` must be one of"),
        ({"encoding": {"sequence_length": 16, "buckets": [[8], 16]}}, "`buckets`"),
        ({"encoding": {"sequence_length": 16, "buckets": "\u001b[31m"}}, "`buckets` must be"),
        (
            {"encoding": {"sequence_length": 16, "padding": "bucket", "buckets": [{}, 16]}},
            "`buckets` must be lengths in rising order",
        ),
    ],
)
def test_a_damaged_file_is_refused_in_one_line(
    content: Any,
    words: str,
    carrying: Path,
    registry_uri: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", registry_uri)
    write_carried(carrying, content)
    with pytest.raises(ConfigError, match=rf"(?s)encoding.json.*{words}.*Received"):
        TextEncoder.from_preset(carrying)
    assert main(["register", str(carrying), "--name", "fnet"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("fnet: error: ")
    assert len(line) < 1200


def test_a_hostile_file_is_not_read(carrying: Path, tmp_path: Path) -> None:
    path = carrying / "encoding.json"
    path.write_bytes(b" " * (9 << 20))
    with pytest.raises(PresetError, match="at most 8 MiB"):
        TextEncoder.from_preset(carrying)
    path.unlink()
    (tmp_path / "secret.json").write_text("{}")
    path.symlink_to(tmp_path / "secret.json")
    with pytest.raises(PresetError, match="leads out of it"):
        TextEncoder.from_preset(carrying)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(FNetError, match="a pipe"):
        TextEncoder.from_preset(carrying)


def test_a_pooling_that_the_model_lacks_is_refused(poolerless_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(poolerless_folder, tmp_path / "preset"))
    write_carried(folder, {"encoding": {"sequence_length": 16, "pooling": "pooled"}})
    with pytest.raises(ConfigError, match="for a model without a pooler"):
        TextEncoder.from_preset(folder)
