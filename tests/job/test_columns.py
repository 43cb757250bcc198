"""The columns that the output carries, and the one type that each has for all files."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fnet_ray.corpus.arrow_types import id_texts
from fnet_ray.corpus.columns import carried_schema
from fnet_ray.corpus.files import InputFile
from fnet_ray.corpus.formats import PARQUET
from fnet_ray.corpus.parquet import Footer
from fnet_ray.corpus.shards import RowRange
from fnet_ray.options import Columns
from fnet_ray.stages.message import unpack
from fnet_ray.stages.read import ReadShard, _cast
from fnet_ray.stages.tokens import Windowing
from fnet_registry import TextEncoder
from fnet_registry.errors import InputError


def input_file(number: int) -> InputFile:
    return InputFile(path=f"{number}.parquet", format=PARQUET, size=1, version="1")


def carried(
    *schemas: dict[str, pa.DataType],
    text: pa.DataType | None = None,
    id_column: str | None = None,
    keep: Sequence[str] | None = None,
) -> pa.Schema:
    footers = [
        (
            input_file(number),
            Footer(rows=1, schema=pa.schema([("text", text or pa.string()), *schema.items()])),
        )
        for number, schema in enumerate(schemas)
    ]
    return carried_schema(footers, Columns(id=id_column, keep=keep))


def nested(depth: int) -> pa.DataType:
    kind: pa.DataType = pa.int64()
    for _ in range(depth):
        kind = pa.struct([("a", kind)])
    return kind


@pytest.mark.parametrize("other", [pa.string(), pa.float64()], ids=str)
def test_ids_of_two_types_are_text(other: pa.DataType) -> None:
    schema = carried({"id": pa.int64()}, {"id": other}, id_column="id")
    assert schema.field("id").type == pa.string()


def test_a_column_of_nothing_but_nulls_has_the_type_it_has_in_other_files() -> None:
    schema = carried({"n": pa.null(), "m": pa.null()}, {"n": pa.int64(), "m": pa.null()})
    assert (schema.field("n").type, schema.field("m").type) == (pa.int64(), pa.string())


@pytest.mark.parametrize("kind", [pa.list_(pa.int64()), pa.struct([("a", pa.int64())])], ids=str)
def test_ids_of_a_nested_type_are_refused(kind: pa.DataType) -> None:
    with pytest.raises(InputError, match=r"'id' must hold ids, .* Received: .* in 0\.parquet"):
        carried({"id": kind}, id_column="id")


def test_a_column_whose_rows_cannot_be_selected_is_named() -> None:
    kind = pa.list_view(pa.string_view())
    with pytest.raises(InputError, match=r"'n' must be of a type .* --keep\. Received: list_view"):
        carried({"n": kind})
    assert carried({"n": kind}, keep=["text"]).names == ["text"]


@pytest.mark.parametrize("depth", [64, 300, 900])
def test_a_column_that_is_nested_too_deeply_to_be_sent_is_named(depth: int) -> None:
    kind = nested(depth)
    with pytest.raises(InputError, match=r"'n' must .* not be nested deeply, .* --keep") as raised:
        carried({"n": kind})
    assert len(str(raised.value)) < 2000
    assert carried({"n": kind}, keep=["text"]).names == ["text"]


@pytest.mark.parametrize("kind", [pa.binary(16), pa.binary(), pa.uuid()], ids=str)
def test_ids_of_bytes_are_written_as_hex(kind: pa.DataType) -> None:
    carried({"id": kind}, id_column="id")
    ids = pa.chunked_array([pa.array([b"\xff" * 16, None], kind)])
    assert id_texts(ids).to_pylist() == ["ff" * 16, None]


@pytest.mark.parametrize(
    ("doubled", "keep"), [("n", None), ("n", ["n"]), ("text", [])], ids=["all", "kept", "texts"]
)
def test_a_column_that_is_there_twice_is_refused(doubled: str, keep: list[str] | None) -> None:
    schema = pa.schema([("text", pa.string()), ("n", pa.int64()), (doubled, pa.string())])
    footer = Footer(rows=1, schema=schema)
    with pytest.raises(InputError, match=f"Received: '{doubled}' twice in 0\\.parquet"):
        carried_schema([(input_file(0), footer)], Columns(keep=keep))


class TestNested:
    """`doc.text` is the field `text` inside the column `doc`."""

    DOC = pa.struct(
        [("text", pa.string()), ("id", pa.int64()), ("meta", pa.struct([("a.b", pa.int8())]))]
    )

    def schema(self, columns: Columns, **more: pa.DataType) -> pa.Schema:
        schema = pa.schema([("doc", self.DOC), *more.items()])
        return carried_schema([(input_file(0), Footer(rows=1, schema=schema))], columns)

    def test_what_was_asked_for_is_carried_by_that_name(self) -> None:
        kept = ["doc.meta.a.b", "doc.text"]
        found = self.schema(Columns(text="doc.text", id="doc.id", keep=kept))
        types = [pa.int64(), pa.int8(), pa.string()]
        assert (found.names, found.types) == (["doc.id", *kept], types)
        assert self.schema(Columns(text="doc.text")).names == ["doc", "doc.text"]

    def test_a_column_of_that_very_name_wins(self) -> None:
        found = self.schema(Columns(text="doc.text", keep=["doc.id"]), **{"doc.id": pa.bool_()})
        assert found.field("doc.id").type == pa.bool_()

    @pytest.mark.parametrize("name", ["doc.body", "doc.text.more", "doc.", ".text", "doc..text"])
    def test_a_field_that_is_not_there(self, name: str) -> None:
        with pytest.raises(InputError, match=f"the column '{name}'.* Received: doc in 0.parquet"):
            self.schema(Columns(text=name))
        with pytest.raises(InputError, match=f"the column '{name}', which was asked for"):
            self.schema(Columns(text="doc.text", keep=[name]))

    def test_a_field_that_holds_no_texts(self) -> None:
        with pytest.raises(InputError, match=r"'doc\.id' must hold texts\. Received: int64"):
            self.schema(Columns(text="doc.id"))

    def test_a_column_that_is_there_twice_is_refused(self) -> None:
        schema = pa.schema([("doc", self.DOC), ("doc", self.DOC)])
        footers = [(input_file(0), Footer(rows=1, schema=schema))]
        with pytest.raises(InputError, match="Received: 'doc' twice"):
            carried_schema(footers, Columns(text="doc.text", keep=[]))


VALUES = {
    "string_view": pa.array(["a", None, "longer than twelve"], pa.string_view()),
    "binary_view": pa.array([b"a", None, b"longer than twelve"], pa.binary_view()),
    "list_view": pa.array([[1], None, [2, 3]], pa.list_view(pa.int64())),
    "list of views": pa.array([["a"], None, ["b", "c"]], pa.list_(pa.string_view())),
    "large list of views": pa.array([["a"], None, []], pa.large_list(pa.binary_view())),
    "struct of views": pa.array([{"x": "a"}, None, {}], pa.struct([("x", pa.string_view())])),
    "map of views": pa.array([[("k", "v")], None, []], pa.map_(pa.string(), pa.string_view())),
    "dictionary": pa.array(["a", None, "a"]).dictionary_encode(),
    "large_string": pa.array(["a", None, "b"], pa.large_string()),
    "decimal": pa.array([1, None, 2]).cast(pa.decimal128(30, 2)),
    "decimal256": pa.array([1, None, 2]).cast(pa.decimal256(60, 2)),
    "uuid": pa.array([b"1" * 16, None, b"2" * 16], pa.uuid()),
    "json": pa.array(["{}", None, "[]"], pa.json_()),
    "duration": pa.array([1, None, 2], pa.duration("ns")),
    "time": pa.array([1, None, 2], pa.time32("ms")),
    "deep": pa.nulls(3, nested(63)),
    "half": pa.array([1, None, 2]).cast(pa.float16()),
}
"""A column of three values of each type that is not of every day."""


class TestReading:
    """A shard's rows, brought to the types that all files share."""

    @pytest.fixture
    def read(self, tmp_path: Path, encoder: TextEncoder) -> Callable[..., pa.Table]:
        def read(
            table: pa.Table,
            schema: pa.Schema,
            id_column: str | None = None,
            column: str = "text",
        ) -> pa.Table:
            path = str(tmp_path / "a.parquet")
            pq.write_table(table, path)
            stage = ReadShard(
                columns=Columns(text=column, id=id_column),
                carried=schema,
                reject_empty=False,
                windowing=Windowing(sequence_length=64),
                tokenizer_proto=encoder.checkpoint.tokenizer_proto or b"",
            )
            wanted = RowRange(source=path, parquet=path, start=0, rows=table.num_rows)
            return stage(pa.table({"shard": [0], "ranges": [json.dumps([asdict(wanted)])]}))

        return read

    @pytest.mark.parametrize(
        ("values", "shared"),
        [
            (pa.array([1152921504606846977]), pa.float64()),
            (pa.array([10**11], pa.timestamp("s")), pa.timestamp("ns")),
        ],
        ids=["integer", "timestamp"],
    )
    def test_a_value_that_does_not_fit_is_named(
        self, read: Callable, values: pa.Array, shared: pa.DataType
    ) -> None:
        with pytest.raises(InputError, match=r"'n' must fit .* --keep\. Received: .*a\.parquet"):
            read(pa.table({"text": ["a"], "n": values}), pa.schema([("n", shared)]))

    @pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
    def test_a_column_of_any_type_is_carried(self, read: Callable, values: pa.Array) -> None:
        schema = carried({"n": values.type})
        table = pa.table({"text": ["a", None, "b"], "n": values})
        _, tables = unpack(read(table, schema))
        kept = pa.array(values.to_pylist(), schema.field("n").type).take(pa.array([0, 2]))
        assert tables["rows"]["n"].to_pylist() == kept.to_pylist()
        assert "view" not in str(schema.field("n").type).replace("list_view", "")

    @pytest.mark.parametrize(
        "kind", [pa.string_view(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())]
    )
    def test_texts_and_ids_of_any_type_of_text(self, read: Callable, kind: pa.DataType) -> None:
        values = pa.array(["a", None, "longer than twelve"], kind)
        schema = carried({"id": kind}, text=kind, id_column="id")
        _, tables = unpack(read(pa.table({"text": values, "id": values}), schema, "id"))
        assert tables["rows"]["text"].to_pylist() == ["a", "longer than twelve"]
        assert tables["places"]["id"].to_pylist() == ["a", "longer than twelve"]

    @pytest.mark.parametrize("also", [{}, {"doc.id": [7, 8, 9]}], ids=["nested", "very name"])
    @pytest.mark.parametrize("kind", [pa.string(), pa.dictionary(pa.int32(), pa.string())], ids=str)
    def test_fields_inside_columns(self, read: Callable, kind: pa.DataType, also: dict) -> None:
        doc = pa.struct([("text", kind), ("id", pa.int64()), ("rest", pa.string())])
        docs = [{"text": "a", "id": 1}, None, {"text": None, "id": 3}]
        table = pa.table({"n": [1, 2, 3], "doc": pa.array(docs, doc), **also})
        names = {"n": pa.int64(), "doc.id": pa.int64(), "doc.text": pa.string()}

        _, tables = unpack(read(table, pa.schema(list(names.items())), "doc.id", "doc.text"))

        ids = also.get("doc.id", [1, None, 3])
        assert tables["rows"].to_pylist() == [{"n": 1, "doc.id": ids[0], "doc.text": "a"}]
        rejected = tables["rejected"].to_pylist()
        assert [row["id"] for row in rejected] == [i if i is None else str(i) for i in ids[1:]]
        assert [row["reason"] for row in rejected] == ["null", "null"]

    def test_views_that_are_not_utf_8_are_rejects(self, read: Callable) -> None:
        texts = pa.array([b"good", b"\xff" * 20], pa.binary_view()).view(pa.string_view())
        _, tables = unpack(read(pa.table({"text": texts}), carried({}, text=texts.type)))
        assert tables["rejected"]["reason"].to_pylist() == ["not UTF-8"]

    @pytest.mark.parametrize("index", [pa.int8(), pa.int32(), pa.int64()], ids=str)
    def test_a_dictionary_may_hold_texts_that_are_not_utf_8(
        self, read: Callable, index: pa.DataType
    ) -> None:
        texts = pa.array([b"good", b"\xff", b"also good"]).view(pa.string())
        column = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2], index), texts)
        schema = carried({}, text=column.type)

        _, tables = unpack(read(pa.table({"text": column}), schema))

        assert tables["rejected"]["reason"].to_pylist() == ["not UTF-8"]
        assert tables["rows"]["text"].to_pylist() == ["good", "also good"]
        tables["rows"].validate(full=True)

    def test_the_id_of_a_reject_may_be_a_uuid(self, read: Callable) -> None:
        ids = pa.array([b"\xff" * 16], pa.binary(16))
        table = pa.table({"text": pa.array([None], pa.string()), "id": ids})

        _, tables = unpack(read(table, pa.schema([("id", ids.type)]), "id"))

        assert tables["rejected"]["id"].to_pylist() == ["ff" * 16]


def test_values_of_a_type_that_arrow_cannot_turn_into_the_shared_one_are_told_with_their_file() -> (
    None
):
    lists = pa.chunked_array([[["a", "b"]]])
    with pytest.raises(InputError, match=r"'tags' must fit .* int64, .* list<.*> in a\.parquet \("):
        _cast(lists, pa.field("tags", pa.int64()), "a.parquet")
