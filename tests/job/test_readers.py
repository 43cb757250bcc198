"""Files without types of their own: what is written in them is what the job carries along."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fnet_ray.corpus.conversion import convert
from fnet_ray.corpus.files import find_inputs
from fnet_ray.corpus.readers import delimited, json_lines
from fnet_ray.corpus.readers.rows import BATCH_ROWS, REJECT, Opener, UnreadableFileError
from fnet_ray.options import Columns
from fnet_ray.output.stores import open_store
from fnet_registry.errors import InputError


def opener(data: bytes) -> Opener:
    return lambda: io.BufferedReader(io.BytesIO(data))


def read_csv(text: str, *, id_column: str | None = None) -> pa.Table:
    schema, batches = delimited.read(opener(text.encode()), Columns(id=id_column), delimiter=",")
    return pa.Table.from_batches(batches, schema)


def read_json_lines(*rows: dict[str, Any]) -> pa.Table:
    data = "".join(json.dumps({"text": "a", **row}) + "\n" for row in rows).encode()
    schema, batches = json_lines.read(opener(data), Columns())
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

    @pytest.mark.parametrize("text", [b'"\\ud800"', b'"\xff"'], ids=["surrogate", "bytes"])
    def test_a_row_that_is_no_unicode_keeps_what_can_be_read(self, text: bytes) -> None:
        data = b'{"id": 7, "text": %s}\n{"id": 8, "text": "a"}\n' % text
        schema, batches = json_lines.read(opener(data), Columns(id="id"))
        found = pa.Table.from_batches(batches, schema)
        assert found["id"].to_pylist() == [7, 8]
        assert found["text"].to_pylist() == [None, "a"]
        assert found[REJECT][0].as_py().startswith("not U")

    def test_nothing_but_nulls(self) -> None:
        assert read_json_lines({"field": None})["field"].type == pa.null()


class TestDelimited:
    """A column is of numbers where these are written as numbers are."""

    @pytest.mark.parametrize(
        "written",
        [
            ["007", "8"],
            ["-01", "8"],
            ["00.5", "1.5"],
            ["0x1F", "8"],
            ["+491701234567", "8"],
            ["12345678901234567890", "12345678901234567891"],
            ["9007199254740993", "1.5"],
        ],
        ids=str,
    )
    def test_numbers_that_would_change_are_text(self, written: list[str]) -> None:
        found = read_csv("text,code\n" + "".join(f"a,{code}\n" for code in written))
        assert found["code"].to_pylist() == written

    @pytest.mark.parametrize(
        ("written", "numbers"),
        [
            (["0", "-10"], [0, -10]),
            (["9007199254740993", "1"], [9007199254740993, 1]),
            (["0.5", "-0.25"], [0.5, -0.25]),
            (["0.30000000000000004", "1"], [0.1 + 0.2, 1.0]),
            (["1", ""], [1, None]),
        ],
        ids=str,
    )
    def test_other_numbers_are_numbers(self, written: list[str], numbers: list[float]) -> None:
        found = read_csv("text,n\n" + "".join(f"a,{number}\n" for number in written))
        assert found["n"].to_pylist() == numbers

    def test_ids_are_text(self) -> None:
        found = read_csv("text,id\na,1\nb,NA\n", id_column="id")
        assert found["id"].to_pylist() == ["1", "NA"]

    def test_a_column_without_values(self) -> None:
        assert read_csv("text,n\na,\n")["n"].type == pa.null()

    def test_a_column_named_twice_is_refused(self) -> None:
        with pytest.raises(UnreadableFileError, match="each column once in its header, not 'k'"):
            read_csv("k,k,text\n1,2,a\n")

    def test_a_text_that_is_no_utf_8_is_left_to_its_row(self) -> None:
        data = b"text,n,id\ncaf\xe9,1,a\ngood,2,b\n"
        schema, batches = delimited.read(opener(data), Columns(id="id"), delimiter=",")
        found = pa.Table.from_batches(batches, schema)
        assert found["text"].cast(pa.binary()).to_pylist() == [b"caf\xe9", b"good"]
        assert found["n"].to_pylist() == [1, 2]

    def test_bytes_that_are_no_text_beside_numbers_stay_bytes(self) -> None:
        data = b"text,n,name\na,1,\xff\n"
        schema, batches = delimited.read(opener(data), Columns(), delimiter=",")
        assert pa.Table.from_batches(batches, schema)["name"].to_pylist() == [b"\xff"]


class TestEncodings:
    """Files are UTF-8, with its mark or without; what else they are is said."""

    @pytest.fixture
    def converted(self, tmp_path: Path) -> Callable[[str, bytes], pa.Table]:
        def converted(name: str, data: bytes) -> pa.Table:
            (tmp_path / name).write_bytes(data)
            [file] = find_inputs(tmp_path / name)
            store = open_store(tmp_path / "out")
            return pq.read_table(store.path(convert(file, store, Columns())))

        return converted

    TEXTS: ClassVar = {
        "a.csv": "text,n\ncafé,1\n",
        "a.tsv": "text\tn\ncafé\t1\n",
        "a.jsonl": '{"text": "café"}\n',
        "a.txt": "café\n",
    }

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
    @pytest.mark.parametrize("name", TEXTS)
    def test_a_byte_order_mark_is_no_text(
        self, name: str, encoding: str, converted: Callable
    ) -> None:
        assert converted(name, self.TEXTS[name].encode(encoding))["text"].to_pylist() == ["café"]

    @pytest.mark.parametrize(
        ("encoding", "said"),
        [
            ("utf-16", "UTF-16"),
            ("utf-16-be", "UTF-16"),
            ("utf-16-le", "UTF-16"),
            ("utf-32", "UTF-32"),
        ],
    )
    @pytest.mark.parametrize("name", TEXTS)
    def test_another_encoding_is_named(
        self, name: str, encoding: str, said: str, converted: Callable
    ) -> None:
        with pytest.raises(InputError, match=rf"expected UTF-8, .* not {said} .*{name}"):
            converted(name, self.TEXTS[name].encode(encoding))

    def test_a_header_in_latin_1(self, converted: Callable) -> None:
        with pytest.raises(InputError, match=r"expected UTF-8, .* not LATIN1 .*a\.csv"):
            converted("a.csv", "text,né\na,1\n".encode("latin-1"))
