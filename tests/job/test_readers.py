"""Files without types of their own: what is written in them is what the job carries along."""

import io
import json
from typing import Any

import pyarrow as pa
import pytest

from fnet_ray.readers import json_lines
from fnet_ray.readers.rows import BATCH_ROWS


def read_json_lines(*rows: dict[str, Any]) -> pa.Table:
    data = "".join(json.dumps({"text": "a", **row}) + "\n" for row in rows).encode()
    schema, batches = json_lines.read(lambda: io.BufferedReader(io.BytesIO(data)), "text")
    return pa.Table.from_batches(batches, schema)


class TestJsonLines:
    """A field that no one type can hold exactly is kept as text."""

    @pytest.mark.parametrize("apart", [1, BATCH_ROWS], ids=["one batch", "two batches"])
    @pytest.mark.parametrize(
        ("first", "second"),
        [
            ([1, "x"], [2]),
            ({"a": 1}, {"a": "x"}),
            ({"a": [1]}, {"a": 1}),
            (99999999999999999999, 1),
            (1152921504606846977, 1.5),
            ({"a": 1152921504606846977}, {"a": 1.5}),
            (True, 1),
        ],
        ids=str,
    )
    def test_values_of_different_kinds(self, first: Any, second: Any, apart: int) -> None:
        found = read_json_lines(*[{"field": first}] * apart, {"field": second})["field"]
        assert found.type == pa.string()
        assert json.loads(found[0].as_py()) == first
        assert json.loads(found[-1].as_py()) == second

    def test_integers_and_fractions(self) -> None:
        found = read_json_lines(*[{"field": 1}] * BATCH_ROWS, {"field": 2.5})["field"]
        assert found.type == pa.float64()
        assert found[-1].as_py() == 2.5

    def test_objects_with_different_fields(self) -> None:
        found = read_json_lines(*[{"field": {"a": 1}}] * BATCH_ROWS, {"field": {"b": "x"}})["field"]
        assert found[0].as_py() == {"a": 1, "b": None}
        assert found[-1].as_py() == {"a": None, "b": "x"}

    def test_nothing_but_nulls(self) -> None:
        assert read_json_lines({"field": None})["field"].type == pa.null()
