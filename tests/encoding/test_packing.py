"""Packing: KerasHub's FNet preprocessors are the reference."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fnet_registry import FNetTokenizer
from fnet_registry.encoding.packing import pack_texts

SPECIALS = {"cls_token_id": 1, "sep_token_id": 2}


def test_packs_texts_as_kerashub_does(golden_texts: dict[str, Any], preset_folder: Any) -> None:
    tokenizer = FNetTokenizer.from_preset(preset_folder)
    specials = {"cls_token_id": tokenizer.cls_token_id, "sep_token_id": tokenizer.sep_token_id}
    for case in golden_texts["pack"]:
        length = case["sequence_length"]
        tokens = pack_texts(tokenizer.tokenize([case["text"]]), length, **specials)
        assert tokens.padded(length, tokenizer.pad_token_id).tolist() == [case["token_ids"]]


def test_texts_are_packed_cut_and_padded() -> None:
    tokens = pack_texts([[7, 8, 9, 10], [], [7]], 5, **SPECIALS)
    assert tokens.lengths.tolist() == [5, 2, 3]
    assert tokens.truncated.tolist() == [True, False, False]
    assert tokens.padded(5, pad_token_id=0).tolist() == [
        [1, 7, 8, 9, 2],
        [1, 2, 0, 0, 0],
        [1, 7, 2, 0, 0],
    ]


@given(st.lists(st.lists(st.integers(3, 99), max_size=9), max_size=9), st.data())
def test_a_slice_holds_the_same_texts(texts: list[list[int]], data: st.DataObject) -> None:
    tokens = pack_texts(texts, 6, **SPECIALS)
    rows = slice(data.draw(st.integers(0, 9)), data.draw(st.integers(0, 9)))
    np.testing.assert_array_equal(
        tokens[rows].padded(6, pad_token_id=0), tokens.padded(6, pad_token_id=0)[rows]
    )
