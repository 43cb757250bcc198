"""FNet's SentencePiece tokenizer, with special pieces found by name and never made from text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import sentencepiece
from google.protobuf.message import DecodeError
from sentencepiece import sentencepiece_model_pb2

from fnet_registry.encoding.config import LARGEST_TEXT
from fnet_registry.errors import TextError, TokenizerError
from fnet_registry.presets.checkpoint import VOCABULARY_NAMES, read_checkpoint, read_vocabulary
from fnet_registry.presets.handle import Handle
from fnet_registry.presets.writing import write_tokenizer
from fnet_registry.shown import shown

# Protobuf makes its classes at run time, where a type checker does not see them.
_ModelProto: Any = sentencepiece_model_pb2.ModelProto  # pyright: ignore[reportAttributeAccessIssue]

CLS, SEP, PAD, MASK = SPECIAL_PIECES = ("[CLS]", "[SEP]", "<pad>", "[MASK]")
_PART = 1 << 18
_LONG_REPLACEMENT = re.compile(rb"[^\0]{65}")  # Unicode's own longest, of NFKC, has 33 bytes


class FNetTokenizer:
    """Texts to token ids, as plain SentencePiece gives them.

    A special piece written out in a text, such as a literal `[MASK]`, is text like any other. NULs
    at a text's end do not count: numpy's strings, and with them a model server, hold none there.

    Args:
        proto: A serialised SentencePiece model, or the path of one.

    Raises:
        TokenizerError: If it is no SentencePiece model or lacks a special piece.
    """

    def __init__(self, proto: bytes | str | Path) -> None:
        self.proto = proto if isinstance(proto, bytes) else read_vocabulary(Path(proto))
        self._processor = sentencepiece.SentencePieceProcessor()
        try:
            self._processor.LoadFromSerializedProto(_with_inert_specials(self.proto))
            self._processor.id_to_piece(list(range(self.vocabulary_size())))
        except (RuntimeError, UnicodeDecodeError) as error:
            raise TokenizerError(
                f"A SentencePiece model must be sound. Received: {error}"
            ) from None
        self.cls_token_id = self.token_to_id(CLS)
        self.sep_token_id = self.token_to_id(SEP)
        self.pad_token_id = self.token_to_id(PAD)
        self.mask_token_id = self.token_to_id(MASK)

    @classmethod
    def from_preset(cls, preset: str | Path | Handle) -> Self:
        """Load the tokenizer of a preset, from any handle; no weights are fetched.

        Raises:
            FNetError: If the preset cannot be had or holds no SentencePiece model.
        """
        # Here, so that a served model needs none of what talks to hubs.
        from fnet_registry.presets.fetch import fetch

        proto = read_checkpoint(fetch(preset, weights=False).path, weights=False).tokenizer_proto
        if proto is None:
            raise TokenizerError(
                "A preset must hold its SentencePiece model,"
                f" {VOCABULARY_NAMES}. Received: {preset}"
            )
        return cls(proto)

    def save_to_preset(self, preset_dir: str | Path) -> None:
        """Write the tokenizer's part of a preset folder, which is made where it does not exist."""
        write_tokenizer(self.proto, preset_dir)

    def vocabulary_size(self) -> int:
        """Return number of pieces."""
        return self._processor.get_piece_size()

    def token_to_id(self, token: str) -> int:
        """Return the id of a piece.

        Raises:
            TokenizerError: If the vocabulary has no such piece.
        """
        index = self._processor.piece_to_id(token)
        if self._processor.id_to_piece(index) != token:
            raise TokenizerError(f"The vocabulary must hold the piece {token!r}. Received: none")
        return index

    def id_to_token(self, index: int) -> str:
        """Return the piece of an id.

        Raises:
            TokenizerError: If the id lies outside the vocabulary.
        """
        if not 0 <= index < self.vocabulary_size():
            raise TokenizerError(
                f"A token id must lie in [0, {self.vocabulary_size()}). Received: {index}"
            )
        return self._processor.id_to_piece(index)

    def tokenize(
        self, texts: Sequence[str], *, num_threads: int = 1, first_row: int = 0
    ) -> list[list[int]]:
        """Turn texts into ids, without special tokens; messages count from `first_row`.

        Raises:
            TextError: If one of them is not a text, holds lone surrogates, or is larger than
                64 MiB; the message names its row.
        """
        check_is_list(texts)
        for row, text in enumerate(texts, start=first_row):
            _check_text(row, text)
        ends = [text.rstrip("\0") for text in texts]
        return self._processor.encode(ends, out_type=int, num_threads=num_threads)

    def ends(self, text: str, ids: Sequence[int]) -> np.ndarray:
        """Return where a text's tokens end in it; each begins where the one before it ends.

        Returns:
            Int64 of shape `(tokens,)`: the character after each token's last.
        """
        # Part by part, because SentencePiece's record of a token takes some 300 bytes.
        found, ends = self._ends(text, list(_parts(text)))
        if not np.array_equal(found, ids):  # tokens of this vocabulary may cross a space
            _, ends = self._ends(text, [(0, len(text))])
        return ends

    def _ends(self, text: str, parts: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
        found, ends = [np.empty(0, np.int32)], [np.empty(0, np.int64)]
        for start, stop in parts:
            record = self._processor.encode(text[start:stop], return_type="offset_mapping")
            found.append(np.array(record["ids"], np.int32))
            ends.append(np.array([start + end for _, end in record["offsets"]], np.int64))
        return np.concatenate(found), np.concatenate(ends)

    def detokenize(self, ids: Sequence[int]) -> str:
        """Decode ids to text, as the model itself decodes them: control pieces leave no trace.

        Raises:
            TokenizerError: If an id lies outside the vocabulary.
        """
        for index in ids:
            self.id_to_token(index)
        return self._decoder.decode(list(ids))

    @cached_property
    def _decoder(self) -> sentencepiece.SentencePieceProcessor:
        """The model with its specials typed as they came, which shows those that are text."""
        return sentencepiece.SentencePieceProcessor(model_proto=self.proto)


def _parts(text: str) -> Iterator[tuple[int, int]]:
    """Yield where to cut a text, before a space each."""
    start = 0
    while start < len(text):
        space = text.find(" ", start + _PART)
        stop = len(text) if space < 0 else space
        yield start, stop
        start = stop


def check_is_list(texts: Sequence[str]) -> None:
    """Refuse a text in place of a list of texts, each of whose characters would be one.

    Raises:
        TextError: If it is a text.
    """
    if isinstance(texts, str):
        raise TextError(
            f"Texts must come as a list, for example ['a text']. Received: {shown(texts)}"
        )


def _check_text(row: int, text: Any) -> None:
    if not isinstance(text, str):
        raise TextError(f"Row {row} must be a text, for example 'a text'. Received: {shown(text)}")
    try:
        size = len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError as error:
        raise TextError(
            f"Row {row} must be valid Unicode. Received: a lone surrogate at character"
            f" {error.start}"
        ) from None
    if size > LARGEST_TEXT:
        raise TextError(
            f"Row {row} must be at most {LARGEST_TEXT >> 20} MiB long. Received: {size:,} B"
        )


def _with_inert_specials(proto: bytes) -> bytes:
    """Return the model with its special pieces typed CONTROL, which text never produces."""
    model = _ModelProto()
    try:
        model.ParseFromString(proto)
    except DecodeError:
        raise TokenizerError(
            "A tokenizer needs a SentencePiece model. Received: other bytes"
        ) from None
    if not model.pieces:
        raise TokenizerError("A SentencePiece model must hold pieces. Received: an empty one")
    _check_replacements(model.normalizer_spec.precompiled_charsmap)
    _check_replacements(model.denormalizer_spec.precompiled_charsmap)
    for piece in model.pieces:
        if piece.piece in SPECIAL_PIECES:
            piece.type = _ModelProto.SentencePiece.CONTROL
    return model.SerializeToString()


def _check_replacements(charsmap: bytes) -> None:
    """Refuse long replacements of a character: a few of it in a text could fill any memory."""
    size_of_trie = int.from_bytes(charsmap[:4], "little")
    if _LONG_REPLACEMENT.search(charsmap, 4 + size_of_trie):
        raise TokenizerError(
            "A SentencePiece model must replace a character by at most 64 bytes."
            " Received: a longer replacement"
        )
