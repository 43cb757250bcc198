"""`.bin` files made to harm: what a pickle or an archive declares is never taken on trust."""

import io
import pickletools
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from fnet_registry.errors import WeightsError
from fnet_registry.presets.checkpoint import Checkpoint, read_checkpoint
from fnet_registry.presets.formats.torch_pickle import describe_torch_pickle
from tests.programs import read_preset_apart

LIMIT = 1 << 30


def archive_of(pickled: bytes) -> bytes:
    """A zip archive as torch writes it, around any pickle."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
    return content.getvalue()


def legacy_of(pickled: bytes) -> bytes:
    """The format before the archives, around any pickle."""
    empty = io.BytesIO()
    torch.save({}, empty, _use_new_zipfile_serialization=False)
    empty.seek(0)
    for _ in ("magic", "protocol", "machine"):
        list(pickletools.genops(empty))
    return empty.getvalue()[: empty.tell()] + pickled


# Each of these took gigabytes, hours or the process itself in one reader of pickles or another.
HOSTILE_PICKLES = {
    "a call that makes 8 GiB": b"\x80\x02c__builtin__\nbytearray\n\x8a\x05\0\0\0\0\x02\x85R.",
    "a memo of 4 billion entries": b"\x80\x02}r\xff\xff\xff\xff0N.",
    "a text of 4 GiB": b"\x80\x02X\xff\xff\xff\xffa.",
    "bytes of 1 TiB": b"\x80\x05\x8e\0\0\0\0\0\x01\0\0.",
    "a bytearray of 1 TiB": b"\x80\x05\x96\0\0\0\0\0\x01\0\0.",
    "a frame of 1 TiB": b"\x80\x04\x95\0\0\0\0\0\x01\0\0N.",
    "a key whose hash takes for ever": b"\x80\x02}N" + b"q\0h\0\x86" * 100 + b"Ns.",
    "tuples a million deep as a key": b"\x80\x02}N" + b"\x85" * 1_000_000 + b"Ns.",
    "tuples a million deep": b"\x80\x02}X\x01\0\0\0aN" + b"\x85" * 1_000_000 + b"s.",
    "four million dictionaries": b"\x80\x02" + b"}" * 4_000_000 + b".",
    "an integer of four million bytes": b"\x80\x02\x8b\0\x09=\0" + b"\x7f" * 4_000_000 + b".",
    "an integer of four million digits": b"L" + b"9" * 4_000_000 + b"L\n.",
    "a name of three million letters": b"cos\n" + b"s" * 3_000_000 + b"\n.",
    "more than is on the stack": b"\x80\x02R.",
    "no end": b"\x80\x02}",
    "nothing": b"",
}


@pytest.mark.parametrize("wrap", [archive_of, legacy_of])
@pytest.mark.parametrize("pickled", HOSTILE_PICKLES.values(), ids=HOSTILE_PICKLES.keys())
def test_a_hostile_pickle_is_refused_in_bounded_memory(
    pickled: bytes, wrap: Callable[[bytes], bytes], bin_preset: Path
) -> None:
    (bin_preset / "pytorch_model.bin").write_bytes(wrap(pickled))
    reading = read_preset_apart(bin_preset)
    assert "must map names to tensors" in str(reading.refusal)
    assert len(str(reading.refusal)) < 1100
    assert reading.peak_bytes < LIMIT


@pytest.mark.timeout(10)
def test_one_tuple_of_arguments_is_not_copied_for_every_call(bin_preset: Path) -> None:
    function = b"\x80\x02ctorch._utils\n_rebuild_parameter\nq\0"
    calls = b"(" + b"N" * 524_000 + b"tq\1" + b"h\0h\1R" * 174_000
    (bin_preset / "pytorch_model.bin").write_bytes(archive_of(function + calls + b"."))
    with pytest.raises(WeightsError, match="must map names to tensors. Received: .*argument"):
        read_checkpoint(bin_preset)


def test_shards_are_bounded_together(bin_preset: Path, tmp_path: Path) -> None:
    (tmp_path / "slow.bin").write_bytes(archive_of(b"\x80\x02" + b"}" * 600_000 + b"."))
    assert describe_torch_pickle([tmp_path / "slow.bin"]) == {}
    with pytest.raises(WeightsError, match="Received: a pickle without an end"):
        describe_torch_pickle([tmp_path / "slow.bin"] * 2)
    with pytest.raises(WeightsError, match="must lie in one shard. Received: two"):
        describe_torch_pickle([bin_preset / "pytorch_model.bin"] * 2)


@pytest.fixture(scope="module")
def compressed_archive(data_folder: Path) -> bytes:
    """A checkpoint whose largest storage would unpack to 1.5 GiB."""
    content = io.BytesIO()
    with (
        zipfile.ZipFile(data_folder / "transformers_bin" / "pytorch_model.bin") as source,
        zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
    ):
        largest = max(source.infolist(), key=lambda entry: entry.file_size)
        for entry in source.infolist():
            if entry is not largest:
                archive.writestr(entry.filename, source.read(entry))
        with archive.open(largest.filename, "w", force_zip64=True) as storage:
            for _ in range(96):
                storage.write(bytes(1 << 24))
    return content.getvalue()


@pytest.mark.parametrize("ending", [b"", b"PK\5\6", b"PK\5\6" + bytes(18), bytes(1000)])
def test_a_compressed_archive_is_refused_whatever_follows_it(
    ending: bytes, compressed_archive: bytes, bin_preset: Path
) -> None:
    (bin_preset / "pytorch_model.bin").write_bytes(compressed_archive + ending)
    reading = read_preset_apart(bin_preset)
    assert "must be a torch checkpoint" in str(reading.refusal)
    assert reading.peak_bytes < LIMIT


def test_an_archive_of_a_million_entries_is_refused(bin_preset: Path) -> None:
    entry, count = struct.pack("<4s42xs", b"PK\1\2", b"a"), 1_500_000
    entries = bytearray(entry * count)
    entries[:0] = b"PK\3\4" + bytes(26)
    end = struct.pack("<4sQ4xII4Q", b"PK\6\6", 44, 0, 0, count, count, 46 * count, 30)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, len(entries), 1)
    classic = struct.pack("<4s4xHHIIH", b"PK\5\6", 65535, 65535, 2**32 - 1, 2**32 - 1, 0)
    (bin_preset / "pytorch_model.bin").write_bytes(bytes(entries) + end + locator + classic)
    reading = read_preset_apart(bin_preset)
    assert "must be a torch checkpoint" in str(reading.refusal)
    assert reading.peak_bytes < LIMIT


def test_a_storage_that_lies_past_the_end_is_refused(bin_preset: Path) -> None:
    path = bin_preset / "pytorch_model.bin"
    content = io.BytesIO()
    torch.save({"fnet.pooler.dense.bias": torch.zeros(7)}, content)
    content = bytearray(content.getvalue())
    # The sizes of the storage in the archive's own list: after its name's entry header.
    header = content.rindex(b"PK\1\2", 0, content.rindex(b"archive/data/0"))
    content[header + 20 : header + 28] = struct.pack("<II", 1 << 30, 1 << 30)
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"must lie in `pytorch_model\.bin`"):
        read_checkpoint(bin_preset)


def test_one_storage_under_all_names_is_refused(bin_preset: Path) -> None:
    tensors = torch.load(bin_preset / "pytorch_model.bin")
    storage = torch.zeros(max(tensor.numel() for tensor in tensors.values()))
    shared = {name: storage[: t.numel()].view(t.shape) for name, t in tensors.items()}
    torch.save(shared, bin_preset / "pytorch_model.bin")
    with pytest.raises(WeightsError, match=r"The tensors declare .*in the weights files"):
        read_checkpoint(bin_preset)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("kind", ["tensors", "parameters", "transposed", "views", "state"])
def test_whatever_torch_writes_of_tensors_loads(
    kind: str, legacy: bool, bin_preset: Path, checkpoint: Checkpoint
) -> None:
    path = bin_preset / "pytorch_model.bin"
    tensors = torch.load(path)
    if kind == "parameters":
        tensors = {k: torch.nn.Parameter(t, requires_grad=False) for k, t in tensors.items()}
    elif kind == "transposed":
        tensors = {k: t.T.contiguous().T if t.ndim == 2 else t for k, t in tensors.items()}
    elif kind == "views":
        tensors = {k: torch.cat([t[:1], t])[1:] for k, t in tensors.items()}
    elif kind == "state":
        model = torch.nn.Module()
        for name, tensor in tensors.items():
            model.register_buffer(name.replace(".", "/"), tensor)
        state = model.state_dict()
        for name in list(state):
            state[name.replace("/", ".")] = state.pop(name)
        tensors = state
    torch.save(tensors, path, _use_new_zipfile_serialization=not legacy)
    loaded = read_checkpoint(bin_preset).arrays
    for name, values in checkpoint.arrays.items():
        np.testing.assert_array_equal(loaded[name], values, err_msg=name)
