"""Weights files made to harm: a clear error, bounded memory, nothing executed or followed."""

import contextlib
import json
import os
import pickle
import shutil
import struct
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fnet_registry.errors import ConfigError, FNetError, WeightsError
from fnet_registry.presets.checkpoint import read_checkpoint
from fnet_registry.presets.config import FNetConfig
from fnet_registry.presets.formats.safetensors import describe_safetensors
from tests.programs import read_preset_apart, run_program

LIMIT = 1 << 30


class TestHDF5:
    NAME = "layers/reversible_embedding/vars/0"

    def test_a_dataset_that_declares_terabytes_is_refused(self, hdf5_preset: Path) -> None:
        with h5py.File(hdf5_preset / "model.weights.h5", "a") as file:
            del file[self.NAME]
            file.create_dataset(self.NAME, shape=(1 << 20, 1 << 20), dtype="f4")
        with pytest.raises(WeightsError, match=r"declares 4,398,046,511,104 bytes. Received: 0"):
            read_checkpoint(hdf5_preset)

    def test_a_compressed_bomb_is_refused(self, hdf5_preset: Path) -> None:
        with h5py.File(hdf5_preset / "model.weights.h5", "a") as file:
            del file[self.NAME]
            file.create_dataset(
                self.NAME, data=np.zeros((1000, 32), "f4"), compression="gzip", chunks=True
            )
        with pytest.raises(WeightsError, match=r"declares 128,000 bytes. Received: "):
            read_checkpoint(hdf5_preset)

    def test_bytes_in_another_file_are_not_read(self, hdf5_preset: Path, tmp_path: Path) -> None:
        (tmp_path / "secret").write_bytes(bytes(128_000))
        with h5py.File(hdf5_preset / "model.weights.h5", "a") as file:
            del file[self.NAME]
            file.create_dataset(
                self.NAME,
                shape=(1000, 32),
                dtype="f4",
                external=[(str(tmp_path / "secret"), 0, 128_000)],
            )
        with pytest.raises(WeightsError, match="must lie in `model.weights.h5` itself"):
            read_checkpoint(hdf5_preset)

    @pytest.mark.parametrize("kind", ["external", "soft"])
    def test_links_are_not_followed(self, kind: str, hdf5_preset: Path, tmp_path: Path) -> None:
        other = shutil.copy(hdf5_preset / "model.weights.h5", tmp_path / "other.h5")
        with h5py.File(hdf5_preset / "model.weights.h5", "a") as file:
            del file[self.NAME]
            file[self.NAME] = (
                h5py.ExternalLink(str(other), self.NAME)
                if kind == "external"
                else h5py.SoftLink("/layers/position_embedding/vars/0")
            )
        with pytest.raises(WeightsError, match="Missing: reversible_embedding/vars/0"):
            read_checkpoint(hdf5_preset)

    def test_a_virtual_dataset_is_refused(self, hdf5_preset: Path, tmp_path: Path) -> None:
        with h5py.File(tmp_path / "other.h5", "w") as other:
            other["x"] = np.zeros((1000, 32), "f4")
        layout = h5py.VirtualLayout(shape=(1000, 32), dtype="f4")
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "x", shape=(1000, 32))
        with h5py.File(hdf5_preset / "model.weights.h5", "a") as file:
            del file[self.NAME]
            file.create_virtual_dataset(self.NAME, layout)
        with pytest.raises(WeightsError, match="itself. Received: a link"):
            read_checkpoint(hdf5_preset)

    @pytest.mark.parametrize("name", ["../model.weights.h5", "/etc/passwd", "a/b.h5", 7, ".."])
    def test_a_shard_index_names_files_beside_it_only(
        self, name: object, hdf5_preset: Path
    ) -> None:
        (hdf5_preset / "model.weights.h5").unlink()
        index = {"weight_map": {"/layers/dense/vars": name}}
        (hdf5_preset / "model.weights.json").write_text(json.dumps(index))
        with pytest.raises(WeightsError, match="must name files beside it"):
            read_checkpoint(hdf5_preset)

    def test_text_in_place_of_numbers_is_refused(self, hdf5_preset: Path) -> None:
        with h5py.File(hdf5_preset / "model.weights.h5", "a") as file:
            del file["layers/dense/vars/1"]
            file["layers/dense/vars/1"] = ["text"] * 32
        with pytest.raises(WeightsError, match="`dense/vars/1` must be of type float32"):
            read_checkpoint(hdf5_preset)


class TestPickle:
    def test_code_in_a_bin_file_never_runs(self, bin_preset: Path, tmp_path: Path) -> None:
        class Attack:
            def __reduce__(self) -> tuple[object, tuple[str]]:
                return os.mkdir, (str(tmp_path / "executed"),)

        torch.save({"fnet.pooler.dense.bias": Attack()}, bin_preset / "pytorch_model.bin")
        with pytest.raises(WeightsError, match="Received: a pickle that asks for code"):
            read_checkpoint(bin_preset)
        (bin_preset / "pytorch_model.bin").write_bytes(pickle.dumps(Attack()))
        with pytest.raises(WeightsError, match=r"pytorch_model\.bin` must"):
            read_checkpoint(bin_preset)
        assert not (tmp_path / "executed").exists()

    def test_a_tensor_larger_than_its_storage_is_refused(self, bin_preset: Path) -> None:
        huge = torch.zeros(1).as_strided((1 << 21, 1 << 20), (0, 0))
        torch.save({"pooler.dense.bias": huge}, bin_preset / "pytorch_model.bin")
        with pytest.raises(WeightsError, match=r"declares 8,796,093,022,208 bytes. Received: 4"):
            read_checkpoint(bin_preset)

    def test_a_compressed_archive_is_refused(self, bin_preset: Path) -> None:
        path = bin_preset / "pytorch_model.bin"
        with zipfile.ZipFile(path) as archive:
            entries = {name: archive.read(name) for name in archive.namelist()}
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in entries.items():
                archive.writestr(name, content)
        with pytest.raises(WeightsError, match="Received: a compressed archive"):
            read_checkpoint(bin_preset)

    @pytest.mark.parametrize("content", [[1, 2], {"a": 1}, {"a": torch.zeros(2).to_sparse()}])
    def test_anything_but_dense_tensors_is_refused(self, content: object, bin_preset: Path) -> None:
        torch.save(content, bin_preset / "pytorch_model.bin")
        with pytest.raises(WeightsError, match=r"must (map names to tensors|be dense)"):
            read_checkpoint(bin_preset)


class TestSafetensors:
    @pytest.mark.parametrize(
        "header", [b"", struct.pack("<Q", 1 << 60), struct.pack("<Q", 8) + b"not json"]
    )
    def test_a_hostile_header_is_refused(
        self, header: bytes, data_folder: Path, tmp_path: Path
    ) -> None:
        folder = Path(shutil.copytree(data_folder / "transformers_base", tmp_path / "preset"))
        (folder / "model.safetensors").write_bytes(header)
        with pytest.raises(WeightsError, match="must be a safetensors file"):
            read_checkpoint(folder)

    def test_a_header_far_larger_than_any_model_s_is_refused(
        self, safetensors_preset: Path
    ) -> None:
        entry = '"%d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
        header = ("{" + ",".join(entry % number for number in range(1_600_000)) + "}").encode()
        path = safetensors_preset / "model.safetensors"
        path.write_bytes(struct.pack("<Q", len(header)) + header)
        reading = read_preset_apart(safetensors_preset)
        assert "a header of at most 4,194,304 B. Received: " in str(reading.refusal)
        assert reading.peak_bytes < LIMIT

    def test_shards_are_bounded_together(self, safetensors_preset: Path, tmp_path: Path) -> None:
        header = b"{" + b" " * (3 << 20) + b"}"
        (tmp_path / "slow").write_bytes(struct.pack("<Q", len(header)) + header)
        assert describe_safetensors([tmp_path / "slow"]) == {}
        with pytest.raises(WeightsError, match="a header of at most 4,194,304 B. Received: "):
            describe_safetensors([tmp_path / "slow"] * 2)
        with pytest.raises(WeightsError, match="must lie in one shard. Received: two"):
            describe_safetensors([safetensors_preset / "model.safetensors"] * 2)


def test_a_config_that_names_modules_imports_none(hdf5_preset: Path) -> None:
    document = json.loads((hdf5_preset / "config.json").read_text())
    document["module"] = document["config"]["dtype"]["module"] = "antigravity"
    (hdf5_preset / "config.json").write_text(json.dumps(document))
    read_checkpoint(hdf5_preset)
    assert "antigravity" not in sys.modules


def test_a_huge_json_file_is_refused_unread(hdf5_preset: Path) -> None:
    with (hdf5_preset / "config.json").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ConfigError, match="at most 8 MiB. Received: 1,099,511,627,776 B"):
        read_checkpoint(hdf5_preset)


def test_more_layers_than_memory_holds_names_for_are_refused(hdf5_preset: Path) -> None:
    document = json.loads((hdf5_preset / "config.json").read_text())
    document["config"]["num_layers"] = 1 << 24
    (hdf5_preset / "config.json").write_text(json.dumps(document))
    with pytest.raises(ConfigError, match="`num_layers` must lie between 1 and 1,024. Received"):
        read_checkpoint(hdf5_preset, weights=False)


@pytest.mark.parametrize("name", ["hidden_dim", "intermediate_dim", "max_sequence_length"])
def test_a_width_that_no_model_has_is_refused(name: str) -> None:
    sizes = {"vocabulary_size": 8, "num_layers": 1, "hidden_dim": 8, "intermediate_dim": 8}
    FNetConfig(**sizes | {name: 1 << 12})
    with pytest.raises(ConfigError, match=f"`{name}` must lie between 1 and 65,536. Received"):
        FNetConfig(**sizes | {name: (1 << 16) + 1})


SMALL = st.integers(-2, 1 << 26) | st.none() | st.text(max_size=3) | st.floats() | st.booleans()


@given(st.dictionaries(st.sampled_from(sorted(FNetConfig.__dataclass_fields__)), SMALL))
def test_any_configuration_is_taken_or_refused(values: dict[str, object]) -> None:
    with contextlib.suppress(ConfigError):
        config = FNetConfig.from_mapping(values)
        assert FNetConfig.from_mapping(config.to_dict()) == config


@pytest.mark.parametrize("preset", ["kerashub", "transformers_base", "transformers_bin"])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_damaged_weights_files_load_or_are_refused(
    preset: str, data_folder: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    source = data_folder / preset
    folder = Path(shutil.copytree(source, tmp_path_factory.mktemp("damaged"), dirs_exist_ok=True))
    path = next(p for p in folder.iterdir() if p.suffix in (".h5", ".safetensors", ".bin"))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content[: data.draw(st.integers(len(content) // 2, len(content)))])
    with contextlib.suppress(FNetError):
        for values in read_checkpoint(folder).arrays.values():
            assert np.isfinite(values).all()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_loading_takes_at_most_twice_the_declared_weights(tmp_path: Path) -> None:
    """A preset whose declared weights are 130 MB, read in a process of its own."""
    program = (
        "import re, sys; from pathlib import Path;"
        "from fnet_registry.presets.checkpoint import read_checkpoint;"
        "c = read_checkpoint(sys.argv[1]);"
        "peak = re.search(r'VmHWM:\\s+(\\d+) kB', Path('/proc/self/status').read_text())[1];"
        "print(sum(a.nbytes for a in c.arrays.values()), int(peak) * 1024)"
    )
    config = FNetConfig(
        vocabulary_size=32_000, num_layers=1, hidden_dim=1024, intermediate_dim=1024
    )
    from fnet_registry.presets.checkpoint import Checkpoint
    from fnet_registry.presets.tensors import tensor_shapes
    from fnet_registry.presets.writing import write_checkpoint

    arrays = {name: np.ones(shape, "f4") for name, shape in tensor_shapes(config).items()}
    checkpoint = Checkpoint(config=config, arrays=arrays, tokenizer_proto=None, dtype="float32")
    write_checkpoint(checkpoint, tmp_path)
    declared, resident = map(int, run_program(program, str(tmp_path)).split())
    assert resident < 2 * declared + (1 << 30)
