"""HDF5 files made to harm: what they take to read is bounded before it is read."""

import json
import os
import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from fnet_registry.errors import WeightsError
from fnet_registry.presets.checkpoint import read_checkpoint
from tests.programs import read_preset_apart

LIMIT = 1 << 30
TABLE = "layers/reversible_embedding/vars/0"


def replace(file: h5py.File, name: str, **dataset: Any) -> None:
    del file[name]
    file.create_dataset(name, **dataset)


def packed_zeros(size: int) -> bytes:
    packer = zlib.compressobj(1)
    block = bytes(1 << 24)
    packed = [packer.compress(block) for _ in range(size >> 24)]
    return b"".join([*packed, packer.compress(bytes(size % (1 << 24))), packer.flush()])


def edit_config(folder: Path, **values: object) -> None:
    document = json.loads((folder / "config.json").read_text())
    document["config"] |= values
    (folder / "config.json").write_text(json.dumps(document))


def test_a_chunk_larger_than_the_tensor_is_refused(hdf5_preset: Path) -> None:
    with h5py.File(hdf5_preset / "model.weights.h5", "a") as file:
        del file["layers/dense/vars/0"]
        kernel = file.create_dataset(
            "layers/dense/vars/0",
            shape=(32, 32),
            maxshape=(None, None),
            chunks=(16384, 24000),
            dtype="f4",
            compression="gzip",
        )
        # Packed by hand: 1.6 GB of zeros take 7 MB in the file.
        kernel.id.write_direct_chunk((0, 0), packed_zeros(16384 * 24000 * 4))
    reading = read_preset_apart(hdf5_preset)
    assert "Received: chunks of (16384, 24000)" in str(reading.refusal)
    assert reading.peak_bytes < LIMIT


def test_a_chunk_that_unpacks_to_more_than_its_size_is_refused(hdf5_preset: Path) -> None:
    with h5py.File(hdf5_preset / "model.weights.h5", "a") as file:
        del file["layers/dense/vars/0"]
        kernel = file.create_dataset(
            "layers/dense/vars/0", (32, 32), "f4", chunks=(32, 32), compression="gzip"
        )
        kernel.id.write_direct_chunk((0, 0), packed_zeros(3 << 29))
    reading = read_preset_apart(hdf5_preset)
    assert "unpacked. Received: a filter" in str(reading.refusal)
    assert reading.peak_bytes < LIMIT


def test_plain_chunks_load_unless_they_are_endlessly_many(hdf5_preset: Path) -> None:
    with h5py.File(hdf5_preset / "model.weights.h5", "a") as file:
        values = file[TABLE][()]
        replace(file, TABLE, data=values, chunks=(100, 32))
    table = read_checkpoint(hdf5_preset).arrays["token_embedding"]
    np.testing.assert_array_equal(table, values)
    with h5py.File(hdf5_preset / "model.weights.h5", "a") as file:
        replace(file, TABLE, data=values, chunks=(1, 1))
    with pytest.raises(WeightsError, match=r"in one piece.*Received: chunks of \(1, 1\)"):
        read_checkpoint(hdf5_preset)


def test_numbers_of_another_byte_order_load(hdf5_preset: Path) -> None:
    with h5py.File(hdf5_preset / "model.weights.h5", "a") as file:
        values = file[TABLE][()]
        replace(file, TABLE, data=values.astype(">f4"))
    table = read_checkpoint(hdf5_preset).arrays["token_embedding"]
    np.testing.assert_array_equal(table, values)


@pytest.mark.parametrize(("depth", "width", "links"), [(20_000, 0, 0), (1, 40_000, 0), (1, 0, 50)])
def test_a_file_of_endless_groups_is_refused(
    depth: int, width: int, links: int, hdf5_preset: Path
) -> None:
    with h5py.File(hdf5_preset / "model.weights.h5", "a", libver="latest") as file:
        group = file
        for _ in range(depth):
            group = group.create_group("group")
        for number in range(width):
            group[f"again_{number}"] = file["layers/dense"]
        for number in range(links):
            group[f"itself_{number}"] = group
    reading = read_preset_apart(hdf5_preset)
    assert "at most 32,768 objects, at most 8 groups deep" in str(reading.refusal)


def test_one_dataset_under_many_names_is_refused(hdf5_preset: Path) -> None:
    edit_config(hdf5_preset, num_layers=1000)
    with h5py.File(hdf5_preset / "model.weights.h5", "a") as file:
        for index in range(2, 1000):
            file[f"layers/f_net_encoder_{index}"] = file["layers/f_net_encoder_1"]
    with pytest.raises(WeightsError, match=r"The tensors declare .*in the weights files"):
        read_checkpoint(hdf5_preset)


def test_a_file_far_larger_than_the_model_is_refused(hdf5_preset: Path) -> None:
    os.truncate(hdf5_preset / "model.weights.h5", 1 << 30)
    with pytest.raises(WeightsError, match=r"must hold the configuration's model.*Received"):
        read_checkpoint(hdf5_preset)


def test_a_name_that_a_terminal_obeys_is_shown_escaped(hdf5_preset: Path) -> None:
    with h5py.File(hdf5_preset / "model.weights.h5", "a", libver="latest") as file:
        file["layers"].create_dataset("\x1b[31m" + "n" * 60_000, data=[1.0])
    with pytest.raises(WeightsError, match=r"Not the model's: \\x1b\[31mnnn") as caught:
        read_checkpoint(hdf5_preset)
    assert len(str(caught.value)) < 1100
