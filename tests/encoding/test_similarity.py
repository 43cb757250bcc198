"""Vectors compared, and an encoder that says what it is."""

import numpy as np
import pytest

from fnet_registry import TextEncoder
from fnet_registry.errors import ConfigError


def test_similarity_is_the_cosine_of_each_with_each(encoder: TextEncoder) -> None:
    vectors = encoder.encode(["a", "b", "c"])
    found = encoder.similarity(vectors[:2], vectors)
    assert found.shape == (2, 3)
    assert found.dtype == np.float32
    unit = encoder.encode(["a", "b", "c"], normalize=True)
    np.testing.assert_allclose(found, unit[:2] @ unit.T, atol=1e-6)


def test_one_vector_is_a_row_of_its_own_and_zeros_are_like_nothing(encoder: TextEncoder) -> None:
    vector = encoder.encode(["a"])[0]
    assert encoder.similarity(vector, vector).shape == (1, 1)
    assert encoder.similarity(vector, np.zeros_like(vector)) == 0


@pytest.mark.parametrize(
    ("others", "words"),
    [
        (["a text"], r"Similarity is of vectors, .* Received: \['a text'\]"),
        (np.zeros((2, 2, 2)), "Similarity is of vectors"),
        (np.zeros((2, 3)), "of one length, .* Received: 32 and 3"),
    ],
)
def test_what_is_no_vector_of_this_length_is_refused(
    encoder: TextEncoder, others: object, words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        encoder.similarity(encoder.encode(["a"]), others)  # pyright: ignore[reportArgumentType]


def test_a_bar_is_drawn_only_where_it_is_asked_for(
    encoder: TextEncoder, capsys: pytest.CaptureFixture[str]
) -> None:
    vectors = encoder.encode(["a"] * 40)
    assert capsys.readouterr().err == ""
    np.testing.assert_array_equal(encoder.encode(["a"] * 40, show_progress=True), vectors)
    assert "40/40" in capsys.readouterr().err


def test_an_encoder_says_what_it_is(preset_folder) -> None:
    encoder = TextEncoder.from_preset(preset_folder, pooling="cls", device="cpu")
    assert repr(encoder) == (
        "TextEncoder(44,992 parameters, dim=32, sequence_length=64, pooling='cls', float32 on cpu)"
    )


def test_buckets_imply_the_sequence_length(preset_folder) -> None:
    config = TextEncoder.from_preset(preset_folder, buckets=(8, 16)).config
    assert (config.sequence_length, config.buckets) == (16, (8, 16))
    with pytest.raises(ConfigError, match="`buckets` must be lengths in rising order"):
        TextEncoder.from_preset(preset_folder, buckets=(16, 8))
    with pytest.raises(ConfigError, match="rising order that end in the sequence length"):
        TextEncoder.from_preset(preset_folder, sequence_length=32, buckets=(8, 16))
    with pytest.raises(ConfigError, match="must be at most 64, .* Received: 128"):
        TextEncoder.from_preset(preset_folder, buckets=(8, 64, 128))
