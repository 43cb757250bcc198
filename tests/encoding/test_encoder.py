"""TextEncoder: one text, one vector."""

import shutil
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fnet_registry import EncodingConfig, FNetBackbone, FNetTokenizer, TextEncoder
from fnet_registry.encoding.config import (
    ENCODING_ARGUMENTS,
    EncodingOptions,
    complete_encoding,
)
from fnet_registry.encoding.packing import Tokens
from fnet_registry.engine import mixing, rows
from fnet_registry.errors import ConfigError, TextError, TokenizerError
from fnet_registry.presets.checkpoint import Checkpoint
from tests.programs import run_program

TEXTS = ["The quick brown fox.", "", "a", "jumps over " * 40, "In 2000, it cost 1,000", "caf\u00e9"]


@pytest.mark.parametrize("pooling", ["mean", "cls", "pooled"])
@pytest.mark.parametrize("sequence_length", [3, 16, 64])
def test_a_text_has_the_same_vector_alone_and_in_any_batch(
    pooling: Any, sequence_length: int, preset_folder: Path
) -> None:
    encoder = TextEncoder.from_preset(
        preset_folder, pooling=pooling, sequence_length=sequence_length
    )
    together = encoder.encode(TEXTS * 3)
    alone = np.concatenate([encoder.encode([text]) for text in TEXTS] * 3)
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(encoder.encode(TEXTS * 3, batch_size=7), alone)


@given(st.lists(st.text(max_size=40), max_size=12), st.integers(1, 5))
@settings(deadline=None, max_examples=30)
def test_any_texts_have_the_same_vectors_in_any_batches(
    encoder: TextEncoder, texts: list[str], batch_size: int
) -> None:
    vectors = encoder.encode(texts, batch_size=batch_size)
    assert vectors.shape == (len(texts), encoder.dim)
    assert vectors.dtype == np.float32
    for text, vector in zip(texts, vectors, strict=True):
        np.testing.assert_array_equal(encoder.encode([text])[0], vector)


def test_texts_are_computed_by_the_batch_size_that_they_are_tokenized_by(
    preset_folder: Path,
) -> None:
    class Recording(TextEncoder):
        computed: ClassVar[list[int]] = []

        def _encode_batch(self, tokens: Tokens, normalize: bool | None) -> np.ndarray:
            self.computed.append(len(tokens))
            return super()._encode_batch(tokens, normalize)

    Recording.from_preset(preset_folder, batch_size=2).encode(["a"] * 7, batch_size=5)
    assert Recording.computed == [5, 2]


class TestPooling:
    @pytest.fixture(scope="class")
    @staticmethod
    def model_outputs(preset_folder: Path) -> tuple[dict[str, np.ndarray], int]:
        """The Keras model's outputs for one text at length 16, and the text's tokens."""
        backbone = FNetBackbone.from_preset(preset_folder)
        tokenizer = FNetTokenizer.from_preset(preset_folder)
        ids = [tokenizer.cls_token_id, *tokenizer.tokenize(["a fox"])[0], tokenizer.sep_token_id]
        padded = np.array([ids + [tokenizer.pad_token_id] * (16 - len(ids))], dtype="int32")
        result = backbone({"token_ids": padded, "segment_ids": np.zeros_like(padded)})
        return {name: value.detach().numpy() for name, value in result.items()}, len(ids)

    @pytest.mark.parametrize("pooling", ["mean", "cls", "pooled"])
    def test_is_what_it_says(
        self,
        pooling: Any,
        model_outputs: tuple[dict[str, np.ndarray], int],
        preset_folder: Path,
    ) -> None:
        outputs, length = model_outputs
        expected = {
            "mean": outputs["sequence_output"][0, :length].mean(axis=0),
            "cls": outputs["sequence_output"][0, 0],
            "pooled": outputs["pooled_output"][0],
        }[pooling]
        encoder = TextEncoder.from_preset(preset_folder, pooling=pooling, sequence_length=16)
        np.testing.assert_allclose(encoder.encode(["a fox"])[0], expected, atol=1e-5)


class TestNormalisation:
    def test_is_off_unless_asked_for(self, encoder: TextEncoder) -> None:
        plain = encoder.encode(["a"])
        unit = encoder.encode(["a"], normalize=True)
        np.testing.assert_allclose(unit, plain / np.linalg.norm(plain), rtol=1e-6)

    def test_of_the_configuration_gives_way_to_the_call(self, preset_folder: Path) -> None:
        encoder = TextEncoder.from_preset(preset_folder, normalize=True)
        assert np.linalg.norm(encoder.encode(["a"])) == pytest.approx(1)
        assert np.linalg.norm(encoder.encode(["a"], normalize=False)) != pytest.approx(1)


@pytest.fixture
def default_dtype() -> Iterator[Callable[[torch.dtype], None]]:
    """Sets torch's default, as a program may that has not asked for a product yet."""

    def set_default(dtype: torch.dtype) -> None:
        for trial in (rows._keeps_rows, rows._standard, mixing._transforms_alike):
            trial.cache_clear()
        torch.set_default_dtype(dtype)

    before = torch.get_default_dtype()
    yield set_default
    set_default(before)


@pytest.mark.parametrize("default", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize("options", [{}, {"dtype": "bfloat16"}, {"quantization": "int8"}], ids=str)
def test_torchs_default_dtype_changes_no_vector(
    options: dict[str, Any],
    default: torch.dtype,
    preset_folder: Path,
    default_dtype: Callable[[torch.dtype], None],
) -> None:
    expected = TextEncoder.from_preset(preset_folder, **options).encode(["a text", "b"])
    default_dtype(default)
    found = TextEncoder.from_preset(preset_folder, **options).encode(["a text", "b"])
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("options", [{}, {"dtype": "bfloat16"}, {"quantization": "int8"}], ids=str)
def test_torchs_default_device_changes_no_vector(
    options: dict[str, Any], preset_folder: Path, default_dtype: Callable[[torch.dtype], None]
) -> None:
    expected = TextEncoder.from_preset(preset_folder, **options).encode(["a text", "b"])
    default_dtype(torch.float32)  # so that no product has been tried
    with torch.device("meta"):
        found = TextEncoder.from_preset(preset_folder, **options).encode(["a text", "b"])
    np.testing.assert_array_equal(found, expected)


class TestInput:
    @pytest.mark.parametrize("row", [None, 3, b"bytes", float("nan"), ["nested"]])
    def test_what_is_no_text_is_named_by_its_row(self, row: Any, encoder: TextEncoder) -> None:
        with pytest.raises(TextError, match="Row 3 must be a text"):
            encoder.encode(["a", "b", "c", row], batch_size=2)

    def test_a_lone_surrogate_is_named_by_its_row(self, encoder: TextEncoder) -> None:
        with pytest.raises(TextError, match=r"Row 1 .*lone surrogate at character 2"):
            encoder.encode(["a", "b \ud800"])

    @pytest.mark.parametrize("text", ["a text", ""])
    def test_a_text_in_place_of_a_list_is_refused(self, text: str, encoder: TextEncoder) -> None:
        for method in (encoder.encode, encoder.tokenize):
            with pytest.raises(TextError, match=f"as a list, for example .* Received: {text!r}"):
                method(text)

    def test_a_long_text_is_truncated_or_refused_as_asked(self, encoder: TextEncoder) -> None:
        long = "word " * 500
        np.testing.assert_array_equal(
            encoder.encode([long]), encoder.encode([long + "and much more"])
        )
        with pytest.raises(TextError, match=r"Row 1 must be at most 64 tokens.*Received: \d+"):
            encoder.encode(["short", long], long_text="error")

    def test_no_texts_give_no_vectors(self, encoder: TextEncoder) -> None:
        assert encoder.encode([]).shape == (0, 32)

    def test_ten_megabytes_of_text_are_one_text(self, encoder: TextEncoder) -> None:
        assert encoder.encode(["many words " * 1_000_000]).shape == (1, 32)


class TestBuckets:
    def test_a_text_is_padded_to_the_smallest_bucket_that_holds_it(
        self, preset_folder: Path
    ) -> None:
        bucketed = TextEncoder.from_preset(preset_folder, buckets=[8, 16, 64])
        lengths = bucketed.tokenize(TEXTS).lengths
        assert {8, 16, 64} == set(bucketed.config.padded_lengths(lengths).tolist())
        for text, length in zip(TEXTS, bucketed.config.padded_lengths(lengths), strict=True):
            fixed = TextEncoder.from_preset(preset_folder, sequence_length=int(length))
            np.testing.assert_array_equal(bucketed.encode([text]), fixed.encode([text]))

    def test_a_text_has_the_same_vector_alone_and_in_any_batch(self, preset_folder: Path) -> None:
        encoder = TextEncoder.from_preset(preset_folder, buckets=[8, 16, 64], pooling="pooled")
        alone = np.concatenate([encoder.encode([text]) for text in TEXTS] * 2)
        np.testing.assert_array_equal(encoder.encode(TEXTS * 2, batch_size=5), alone)

    @pytest.mark.parametrize("buckets", [(16, 8, 64), (2, 64), (8, 8, 64), (16, 8)])
    def test_impossible_buckets_are_refused(
        self, buckets: tuple[int, ...], preset_folder: Path
    ) -> None:
        with pytest.raises(ConfigError, match="rising order that end in the sequence length"):
            TextEncoder.from_preset(preset_folder, buckets=buckets)


class TestInt8:
    def test_follows_float32_and_has_one_vector_for_a_text(self, preset_folder: Path) -> None:
        exact = TextEncoder.from_preset(preset_folder).encode(TEXTS, normalize=True)
        encoder = TextEncoder.from_preset(preset_folder, quantization="int8")
        vectors = encoder.encode(TEXTS, normalize=True)
        assert (exact * vectors).sum(axis=1).min() > 0.98
        alone = [encoder.encode([text], normalize=True)[0] for text in TEXTS]
        np.testing.assert_array_equal(vectors, alone)

    def test_runs_on_the_cpu_though_there_be_a_gpu(
        self, preset_folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("torch.cuda.is_available", lambda: True)
        assert TextEncoder.from_preset(preset_folder, quantization="int8").device == "cpu"


class TestConfiguration:
    def test_defaults_to_the_models_longest_input(self, encoder: TextEncoder) -> None:
        assert encoder.config == EncodingConfig(sequence_length=64)

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ({"sequence_length": 65}, "at most 64.*Received: 65"),
            ({"sequence_length": 2}, "at least 3. Received: 2"),
            ({"pooling": "max"}, "one of mean, cls, pooled. Received: 'max'"),
            ({"pooling": ["mean"]}, "one of mean, cls, pooled. Received: .'mean'"),
            ({"normalize": 1}, "one of True, False. Received: 1"),
            ({"quantization": "int4"}, "one of None, int8. Received: 'int4'"),
            ({"buckets": "8,64"}, "must be lengths.*Received: '8,64'"),
            ({"buckets": 5}, "must be lengths.*Received: 5"),
            ({"batch_size": -1}, "`batch_size` must be a positive integer.*Received: -1"),
            ({"num_threads": 0}, "`num_threads` must be a positive integer.*Received: 0"),
            ({"num_threads": 99_999}, "of at most 1,024, for example 32. Received: 99999"),
            ({"dtype": "int8"}, "one of float32, bfloat16. Received: 'int8'"),
        ],
    )
    def test_impossible_values_are_refused(
        self, arguments: dict[str, Any], words: str, preset_folder: Path
    ) -> None:
        with pytest.raises(ConfigError, match=words):
            TextEncoder.from_preset(preset_folder, **arguments)

    def test_an_unknown_option_is_named(self, preset_folder: Path, encoder: TextEncoder) -> None:
        with pytest.raises(TypeError, match="options sequence_length, .*Received: poolin, xs"):
            TextEncoder.from_preset(preset_folder, poolin="cls", xs=1, dtype="float32")
        with pytest.raises(TypeError, match="options device, .*, num_threads. Received: pooling"):
            TextEncoder.from_checkpoint(encoder.checkpoint, pooling="cls")
        with pytest.raises(TypeError, match="quantization. Received: padding"):
            complete_encoding(64, padding="bucket")

    def test_an_option_that_is_none_has_its_default(self) -> None:
        nothing = dict.fromkeys(EncodingOptions.__annotations__)
        assert complete_encoding(64, **nothing) == EncodingConfig(sequence_length=64)

    def test_every_field_is_an_option_but_the_padding_that_follows_from_the_buckets(self) -> None:
        names = [field.name for field in fields(EncodingConfig) if field.name != "padding"]
        assert names == list(EncodingOptions.__annotations__) == list(ENCODING_ARGUMENTS)

    def test_options_are_read_from_a_command_line(self, capsys: pytest.CaptureFixture[str]) -> None:
        parser = ArgumentParser()
        for name, argument in ENCODING_ARGUMENTS.items():
            parser.add_argument(f"--{name.replace('_', '-')}", **argument)
        given = vars(parser.parse_args(["--buckets", "8,64", "--normalize", "--pooling", "cls"]))
        assert parser.parse_args(["--no-normalize"]).normalize is False
        assert complete_encoding(64, **given) == EncodingConfig(
            sequence_length=64, padding="bucket", buckets=(8, 64), normalize=True, pooling="cls"
        )
        with pytest.raises(SystemExit):
            parser.parse_args(["--buckets", "8;64"])
        assert "written like 32,64,128. Received: '8;64'" in capsys.readouterr().err

    def test_round_trips_through_plain_values(self) -> None:
        config = EncodingConfig(sequence_length=128, pooling="cls", normalize=True)
        assert EncodingConfig.from_dict(config.to_dict()) == config
        with pytest.raises(ConfigError, match="Received: length"):
            EncodingConfig.from_dict({"length": 3})

    def test_a_checkpoint_without_a_tokenizer_is_refused(self, checkpoint: Checkpoint) -> None:
        bare = Checkpoint(
            config=checkpoint.config,
            arrays=checkpoint.arrays,
            tokenizer_proto=None,
            dtype="float32",
        )
        with pytest.raises(TokenizerError, match="SentencePiece"):
            TextEncoder.from_checkpoint(bare)


@pytest.mark.parametrize("preset", ["kerashub", "transformers_base", "transformers_bin"])
def test_keeps_its_vectors_when_the_files_of_its_folder_are_rewritten(
    preset: str, data_folder: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(data_folder / preset, tmp_path / "preset"))
    encoder = TextEncoder.from_preset(folder)
    before = encoder.encode(TEXTS)
    for path in folder.glob("*model*"):
        path.write_bytes(b"\x01" * path.stat().st_size)
    np.testing.assert_array_equal(encoder.encode(TEXTS), before)


class TestOnAKerasBackbone:
    def test_gives_the_vectors_of_the_preset(
        self, preset_folder: Path, encoder: TextEncoder
    ) -> None:
        backbone = FNetBackbone.from_preset(preset_folder)
        viewed = TextEncoder(backbone, FNetTokenizer.from_preset(preset_folder))
        np.testing.assert_array_equal(viewed.encode(TEXTS), encoder.encode(TEXTS))

    def test_keeps_the_weights_that_it_was_made_with(self, preset_folder: Path) -> None:
        backbone = FNetBackbone.from_preset(preset_folder)
        tokenizer = FNetTokenizer.from_preset(preset_folder)
        kept = TextEncoder(backbone, tokenizer)
        before = kept.encode(TEXTS)
        for variable in backbone.weights:
            variable.assign(np.asarray(variable) + 0.1)
        np.testing.assert_array_equal(kept.encode(TEXTS), before)
        assert np.abs(TextEncoder(backbone, tokenizer).encode(TEXTS) - before).max() > 0.01


def test_encoding_imports_no_keras(preset_folder: Path) -> None:
    program = (
        "import sys; from fnet_registry import TextEncoder;"
        f"print(TextEncoder.from_preset({str(preset_folder)!r}).encode(['a']).shape,"
        " 'keras' in sys.modules)"
    )
    assert run_program(program) == "(1, 32) False"
