"""FNetTokenizer: plain SentencePiece, with specials found by piece and never made from text."""

import contextlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sentencepiece import sentencepiece_model_pb2

from fnet_registry import FNetTokenizer
from fnet_registry.errors import FNetError, PresetError, TextError, TokenizerError

ModelProto: Any = sentencepiece_model_pb2.ModelProto  # pyright: ignore[reportAttributeAccessIssue]


@pytest.fixture(scope="module")
def tokenizer(preset_folder: Path) -> FNetTokenizer:
    return FNetTokenizer.from_preset(preset_folder)


def test_gives_kerashubs_ids(tokenizer: FNetTokenizer, golden_texts: dict[str, Any]) -> None:
    cases = golden_texts["tokenize"]
    assert tokenizer.tokenize([text for text, _ in cases.values()]) == [
        ids for _, ids in cases.values()
    ]


@pytest.mark.parametrize("preset", ["transformers_base", "transformers_bin", "old_nlp082_keras215"])
def test_loads_from_presets_of_every_format(preset: str, data_folder: Path) -> None:
    assert FNetTokenizer.from_preset(data_folder / preset).vocabulary_size() == 1000


def test_says_where_tokens_end(tokenizer: FNetTokenizer) -> None:
    text = "  one two\n "
    [ids] = tokenizer.tokenize([text])
    ends = tokenizer.ends(text, ids)
    places = zip([0, *ends], ends, strict=False)
    pieces = [tokenizer.id_to_token(index).strip("▁") for index in ids]
    assert [text[start:end].strip() for start, end in places] == pieces


@pytest.mark.parametrize("text", ["", "one two  three \n x", "naïve — 東京 🚀 ﬁne e\u0301 x " * 3])
def test_says_it_for_a_long_text_as_for_a_short_one(
    text: str, tokenizer: FNetTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tokens() -> list[str]:
        ends = tokenizer.ends(text, tokenizer.tokenize([text])[0])
        return [text[start:end].strip() for start, end in zip([0, *ends], ends, strict=False)]

    whole = tokens()
    monkeypatch.setattr("fnet_registry.encoding.tokenizer._PART", 1)
    assert tokens() == whole


def test_finds_the_specials_by_piece(tokenizer: FNetTokenizer) -> None:
    assert tokenizer.pad_token_id == 3
    assert tokenizer.cls_token_id == 4
    assert tokenizer.sep_token_id == 5
    assert tokenizer.mask_token_id == 6
    assert tokenizer.id_to_token(6) == "[MASK]"


@pytest.mark.parametrize("special", ["[MASK]", "[CLS]", "[SEP]", "<pad>"])
def test_a_literal_special_is_text_even_where_the_vocabulary_would_match_it(
    special: str, tokenizer: FNetTokenizer
) -> None:
    model = ModelProto()
    model.ParseFromString(tokenizer.proto)
    for piece in model.pieces:
        if piece.piece == special:
            piece.type = ModelProto.SentencePiece.USER_DEFINED
    matching = FNetTokenizer(model.SerializeToString())
    text = f"a {special} b"
    assert matching.token_to_id(special) not in matching.tokenize([text])[0]
    assert matching.tokenize([text]) == tokenizer.tokenize([text])


def test_round_trips_through_a_preset_folder(tokenizer: FNetTokenizer, tmp_path: Path) -> None:
    FNetTokenizer(tokenizer.proto).save_to_preset(tmp_path)
    assert (tmp_path / "tokenizer.json").exists()
    assert FNetTokenizer(tmp_path / "assets/tokenizer/vocabulary.spm").proto == tokenizer.proto


def test_decodes_what_it_encoded(tokenizer: FNetTokenizer) -> None:
    assert tokenizer.detokenize(tokenizer.tokenize(["the fox"])[0]) == "the fox"


@pytest.mark.parametrize(
    ("kind", "text"), [("CONTROL", "the fox"), ("USER_DEFINED", "[CLS] the fox[SEP]<pad>")]
)
def test_decodes_the_specials_as_the_vocabulary_types_them(
    kind: str, text: str, tokenizer: FNetTokenizer
) -> None:
    model = ModelProto()
    model.ParseFromString(tokenizer.proto)
    for index in (tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id):
        model.pieces[index].type = getattr(ModelProto.SentencePiece, kind)
    packed = [tokenizer.cls_token_id, *tokenizer.tokenize(["the fox"])[0]]
    packed += [tokenizer.sep_token_id, tokenizer.pad_token_id]
    assert FNetTokenizer(model.SerializeToString()).detokenize(packed) == text


def test_nuls_count_but_at_a_texts_end(tokenizer: FNetTokenizer) -> None:
    """Numpy's strings, which stand for a text on its way to a served model, hold none there."""
    assert tokenizer.tokenize(["\0", "a\0\0"]) == tokenizer.tokenize(["", "a"])
    assert tokenizer.tokenize(["a\0b"]) != tokenizer.tokenize(["ab"])


def test_a_text_in_place_of_a_list_is_refused(tokenizer: FNetTokenizer) -> None:
    with pytest.raises(TextError, match="as a list, for example .* Received: 'abc'"):
        tokenizer.tokenize("abc")


@pytest.mark.parametrize(
    "texts", ["x" * 1_000_000, [["x" * 1_000_000]], [b"x" * 1_000_000], [10**5000]]
)
def test_what_is_refused_is_not_echoed_whole(tokenizer: FNetTokenizer, texts: Any) -> None:
    with pytest.raises(TextError, match="Received: ") as caught:
        tokenizer.tokenize(texts)
    assert len(str(caught.value)) < 3000


@pytest.mark.parametrize("index", [-1, 1000])
def test_an_id_outside_the_vocabulary_is_refused(tokenizer: FNetTokenizer, index: int) -> None:
    with pytest.raises(TokenizerError, match=rf"in \[0, 1000\). Received: {index}"):
        tokenizer.detokenize([index])


class TestHostileModels:
    def test_an_empty_proto_is_refused(self) -> None:
        with pytest.raises(TokenizerError, match="must hold pieces. Received: an empty one"):
            FNetTokenizer(b"")

    def test_a_missing_special_piece_is_named(self, tokenizer: FNetTokenizer) -> None:
        model = ModelProto()
        model.ParseFromString(tokenizer.proto)
        model.pieces[4].piece = "[CLASS]"
        with pytest.raises(TokenizerError, match=r"must hold the piece '\[CLS\]'"):
            FNetTokenizer(model.SerializeToString())

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(PresetError, match=r"none\.spm` must be a SentencePiece model"):
            FNetTokenizer(tmp_path / "none.spm")

    def test_a_preset_without_one_is_named(self, tmp_path: Path, preset_folder: Path) -> None:
        (tmp_path / "config.json").write_bytes((preset_folder / "config.json").read_bytes())
        with pytest.raises(TokenizerError, match=r"spiece\.model`. Received"):
            FNetTokenizer.from_preset(tmp_path)

    @given(st.binary(max_size=200))
    def test_random_bytes_are_refused(self, proto: bytes) -> None:
        with pytest.raises(TokenizerError):
            FNetTokenizer(proto)

    @pytest.mark.parametrize("part", ["normalizer_spec", "denormalizer_spec"])
    def test_a_letter_is_not_replaced_by_a_book(self, part: str, tokenizer: FNetTokenizer) -> None:
        model = ModelProto()
        model.ParseFromString(tokenizer.proto)
        charsmap = model.normalizer_spec.precompiled_charsmap
        getattr(model, part).precompiled_charsmap = charsmap + b"x" * 64 + b"\0"
        FNetTokenizer(model.SerializeToString())
        getattr(model, part).precompiled_charsmap = charsmap + b"x" * 65 + b"\0"
        with pytest.raises(TokenizerError, match="by at most 64 bytes. Received: a longer"):
            FNetTokenizer(model.SerializeToString())

    def test_a_piece_that_is_no_text_is_refused(self, tokenizer: FNetTokenizer) -> None:
        proto = tokenizer.proto.replace("▁".encode(), b"\x80\x80\x80")
        with pytest.raises(TokenizerError, match="must be sound. Received: 'utf-8'"):
            FNetTokenizer(proto)

    @given(st.data())
    @settings(max_examples=60, deadline=None)
    def test_damaged_models_load_or_are_refused(
        self, tokenizer: FNetTokenizer, data: st.DataObject
    ) -> None:
        proto = bytearray(tokenizer.proto)
        for _ in range(data.draw(st.integers(1, 4))):
            proto[data.draw(st.integers(0, len(proto) - 1))] = data.draw(st.integers(0, 255))
        with contextlib.suppress(FNetError):
            FNetTokenizer(bytes(proto)).tokenize(["a text"])
