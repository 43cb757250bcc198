"""What stages hand on: a shard as one row, and the vectors that rows share."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fnet_ray.stages.message import pack, unpack
from fnet_ray.stages.pieces import Pieces
from fnet_registry.errors import JobError


class TestAMessage:
    def test_is_read_from_any_place_of_a_block(self) -> None:
        block = pa.concat_tables([message(0), message(1), message(2)]).combine_chunks()
        for shard in range(3):
            number, tables = unpack(block.slice(shard, 1))
            assert number == shard
            assert tables["numbers"].to_pydict() == {"n": [shard] * 1000}

    def test_is_viewed_rather_than_copied(self) -> None:
        batch = message(7)
        _, tables = unpack(batch)
        whole = batch["numbers"].chunk(0).buffers()[2]
        values = tables["numbers"]["n"].chunk(0).buffers()[1]
        assert whole.address <= values.address < whole.address + whole.size

    def test_holds_one_shard(self) -> None:
        with pytest.raises(JobError, match="A message must be one shard. Received: 2"):
            unpack(pa.concat_tables([message(0), message(1)]))


class TestPiecesOfRows:
    @given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3))), st.data())
    def test_are_those_of_their_texts(
        self, texts: list[tuple[int, int]], data: st.DataObject
    ) -> None:
        """Each text is in one of three parts, with so many pieces; rows name texts at will."""
        owned = [
            [t for t, (part, count) in enumerate(texts) if part == wanted for _ in range(count)]
            for wanted in range(3)
        ]
        numbers = st.integers(0, max(0, len(texts) - 1))
        rows = data.draw(st.lists(numbers)) if texts else []
        found = Pieces.of_rows([pieces_of(each) for each in owned], np.array(rows, np.int64))
        expected = [(row, text) for row, text in enumerate(rows) for _ in range(texts[text][1])]
        assert found.document.tolist() == [row for row, _ in expected]
        assert found.vectors.tolist() == [[text, text + 0.5] for _, text in expected]


def message(shard: int) -> pa.Table:
    return pack(shard, {"numbers": pa.table({"n": [shard] * 1000})})


def pieces_of(texts: list[int]) -> Pieces:
    document = np.array(texts, np.int64)
    return Pieces(
        document=document,
        number=np.zeros(len(texts), np.int32),
        span=np.zeros((len(texts), 2), np.int64),
        truncated=np.zeros(len(texts), bool),
        vectors=np.stack([document, document + 0.5], axis=1).astype(np.float32),
    )
