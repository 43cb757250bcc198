"""Packing: KerasHub's FNet preprocessors are the reference."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fnet_registry import FNetTokenizer
from fnet_registry.encoding.packing import pack_segments, pack_texts
from fnet_registry.errors import ConfigError

SPECIALS = {"cls_token_id": 1, "sep_token_id": 2}


def test_packs_pairs_as_kerashub_does(golden_texts: dict[str, Any], preset_folder: Any) -> None:
    tokenizer = FNetTokenizer.from_preset(preset_folder)
    for case in golden_texts["pack"]:
        token_ids, segment_ids = pack_segments(
            tokenizer.tokenize(case["x"]),
            case["sequence_length"],
            cls_token_id=tokenizer.cls_token_id,
            sep_token_id=tokenizer.sep_token_id,
            pad_token_id=tokenizer.pad_token_id,
            truncate=case["truncate"],
        )
        assert token_ids.tolist() == case["token_ids"]
        assert segment_ids.tolist() == case["segment_ids"]


def test_texts_are_packed_cut_and_padded() -> None:
    tokens = pack_texts([[7, 8, 9, 10], [], [7]], 5, **SPECIALS)
    assert tokens.lengths.tolist() == [5, 2, 3]
    assert tokens.truncated.tolist() == [True, False, False]
    assert tokens.padded(5, pad_token_id=0).tolist() == [
        [1, 7, 8, 9, 2],
        [1, 2, 0, 0, 0],
        [1, 7, 2, 0, 0],
    ]


@given(st.lists(st.lists(st.integers(3, 99), max_size=9), max_size=9), st.integers(3, 12))
def test_one_text_is_packed_as_one_segment(texts: list[list[int]], length: int) -> None:
    padded = pack_texts(texts, length, **SPECIALS).padded(length, pad_token_id=0)
    expected = [pack_segments([ids], length, pad_token_id=0, **SPECIALS)[0] for ids in texts]
    np.testing.assert_array_equal(padded, np.array(expected).reshape(-1, length))


@given(st.lists(st.lists(st.integers(3, 99), max_size=9), max_size=9), st.data())
def test_a_slice_holds_the_same_texts(texts: list[list[int]], data: st.DataObject) -> None:
    tokens = pack_texts(texts, 6, **SPECIALS)
    rows = slice(data.draw(st.integers(0, 9)), data.draw(st.integers(0, 9)))
    np.testing.assert_array_equal(
        tokens[rows].padded(6, pad_token_id=0), tokens.padded(6, pad_token_id=0)[rows]
    )


@pytest.mark.parametrize("truncate", ["round_robin", "waterfall"])
def test_a_length_below_the_specials_is_refused(truncate: Any) -> None:
    with pytest.raises(ConfigError, match="must hold the 3 special tokens. Received: 2"):
        pack_segments([[7], [8]], 2, pad_token_id=0, truncate=truncate, **SPECIALS)


def test_another_truncation_is_refused() -> None:
    with pytest.raises(ConfigError, match="'round_robin' or 'waterfall'. Received: 'left'"):
        pack_segments([[7]], 5, pad_token_id=0, truncate="left", **SPECIALS)  # type: ignore[arg-type]
