"""A head: one dense layer after pooling, which travels with the preset."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from fnet_cli.main import main
from fnet_registry import Checkpoint, FNetBackbone, TextEncoder
from fnet_registry.errors import WeightsError
from fnet_registry.presets.checkpoint import read_checkpoint
from fnet_registry.presets.writing import write_checkpoint

TEXTS = ["The quick brown fox.", "", "jumps over " * 40, "the lazy dog", "Fourier"]
DIM = 5


@pytest.fixture(scope="module")
def headed(preset_folder: Path) -> Checkpoint:
    """The tiny preset with a head to five values."""
    checkpoint = read_checkpoint(preset_folder)
    generator = np.random.default_rng(0)
    head = {
        "head.kernel": generator.normal(size=(checkpoint.config.hidden_dim, DIM)),
        "head.bias": generator.normal(size=DIM),
    }
    arrays = {name: values.astype("float32") for name, values in head.items()}
    return replace(checkpoint, arrays=checkpoint.arrays | arrays)


def apply(head: Checkpoint, pooled: np.ndarray) -> np.ndarray:
    return pooled @ head.arrays["head.kernel"] + head.arrays["head.bias"]


@pytest.mark.parametrize("pooling", ["mean", "cls", "pooled"])
def test_it_comes_after_pooling_and_before_normalising(
    headed: Checkpoint, preset_folder: Path, pooling
) -> None:
    plain = TextEncoder.from_preset(preset_folder, pooling=pooling)
    encoder = TextEncoder.from_checkpoint(headed, plain.config)
    expected = apply(headed, plain.encode(TEXTS))
    assert encoder.dim == DIM
    np.testing.assert_allclose(encoder.encode(TEXTS), expected, rtol=1e-4, atol=1e-4)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    normal = encoder.encode(TEXTS, normalize=True)
    np.testing.assert_allclose(normal, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("options", [{}, {"dtype": "bfloat16"}, {"quantization": "int8"}])
def test_each_vector_has_the_same_bits_in_any_batch(
    headed: Checkpoint, tmp_path: Path, options
) -> None:
    write_checkpoint(headed, tmp_path)
    encoder = TextEncoder.from_preset(tmp_path, sequence_length=16, **options)
    together = encoder.encode(TEXTS * 7)
    alone = np.concatenate([encoder.encode([text]) for text in TEXTS] * 7)
    np.testing.assert_array_equal(together, alone)


def test_a_folder_keeps_it_and_kerashub_sees_the_backbone(
    headed: Checkpoint, tmp_path: Path
) -> None:
    folder, converted = tmp_path / "headed", tmp_path / "converted"
    write_checkpoint(headed, folder)
    assert main(["convert", str(folder), str(converted)]) == 0
    expected = TextEncoder.from_checkpoint(headed).encode(TEXTS)
    np.testing.assert_array_equal(TextEncoder.from_preset(converted).encode(TEXTS), expected)
    assert FNetBackbone.from_preset(folder).hidden_dim == headed.config.hidden_dim


def test_a_model_without_one_takes_away_the_folders_own(
    headed: Checkpoint, preset_folder: Path, tmp_path: Path
) -> None:
    write_checkpoint(headed, tmp_path)
    write_checkpoint(read_checkpoint(preset_folder), tmp_path)
    assert TextEncoder.from_preset(tmp_path).dim == headed.config.hidden_dim


def test_rounding_errors_may_grow_as_far_as_it_enlarges_them(
    headed: Checkpoint, preset_folder: Path
) -> None:
    plain = TextEncoder.from_preset(preset_folder)
    np.testing.assert_array_equal(plain.amplification(TEXTS), np.ones(len(TEXTS)))
    pooled = plain.encode(TEXTS)
    changed = pooled * (1 + 1e-3 * np.random.default_rng(1).choice([-1, 1], pooled.shape))
    given, error = apply(headed, pooled), apply(headed, changed) - apply(headed, pooled)
    relative = np.linalg.norm(error, axis=1) / np.linalg.norm(given, axis=1) / 1e-3
    assert (relative <= TextEncoder.from_checkpoint(headed).amplification(TEXTS)).all()


@pytest.mark.parametrize(
    ("tensors", "received"),
    [
        ({"kernel": np.ones((7, 3), "f4"), "bias": np.ones(3, "f4")}, r"kernel float32 \(7, 3\)"),
        ({"kernel": np.ones((32, 3), "f4"), "bias": np.ones(4, "f4")}, r"bias float32 \(4,\)"),
        ({"kernel": np.ones((32, 3), "f2"), "bias": np.ones(3, "f2")}, r"bias float16"),
        ({"kernel": np.ones((32, 0), "f4"), "bias": np.ones(0, "f4")}, r"kernel float32 \(32, 0\)"),
        ({"kernel": np.ones((32, 3), "f4")}, r"Received: kernel float32 \(32, 3\)$"),
        ({}, r"Received: no tensors"),
        ({"bias": np.array(1, "f4")}, r"Received: bias float32 \(\)"),
        ({"kernel": np.ones(32, "f4"), "bias": np.array(1, "f4")}, r"kernel float32 \(32,\)"),
        (
            {"kernel": np.ones((32, 65_537), "f4"), "bias": np.ones(65_537, "f4")},
            r"dim at most 65,536. Received: bias float32 \(65537,\)",
        ),
        ({"kernel": np.full((32, 3), np.nan, "f4"), "bias": np.ones(3, "f4")}, r"must be finite"),
    ],
)
def test_what_is_no_head_of_the_model_is_refused(
    headed: Checkpoint, tmp_path: Path, tensors: dict[str, np.ndarray], received: str
) -> None:
    assert headed.config.hidden_dim == 32
    write_checkpoint(headed, tmp_path)
    save_file(tensors, tmp_path / "head.safetensors")
    with pytest.raises(WeightsError, match=received):
        read_checkpoint(tmp_path)


def test_a_damaged_file_is_refused(headed: Checkpoint, tmp_path: Path) -> None:
    write_checkpoint(headed, tmp_path)
    (tmp_path / "head.safetensors").write_bytes(b"\xff" * 100)
    with pytest.raises(WeightsError, match=r"head.safetensors` must be a safetensors file"):
        read_checkpoint(tmp_path)
