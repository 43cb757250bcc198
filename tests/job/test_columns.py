"""The columns that the output carries, and the one type that each has for all files."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fnet_ray.formats import Format
from fnet_ray.ids import id_texts
from fnet_ray.inputs import InputFile
from fnet_ray.plan import Footer, Piece, carried_schema
from fnet_ray.stages.message import unpack
from fnet_ray.stages.read import ReadShard
from fnet_ray.tokens import Windowing
from fnet_registry import TextEncoder
from fnet_registry.errors import InputError


def input_file(number: int) -> InputFile:
    return InputFile(path=f"{number}.parquet", format=Format.PARQUET, size=1, version="1")


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
    return carried_schema(footers, column="text", id_column=id_column, keep=keep)


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
    with pytest.raises(InputError, match=f"Received '{doubled}' twice in: 0\\.parquet"):
        carried_schema([(input_file(0), footer)], column="text", id_column=None, keep=keep)


class TestReading:
    """A shard's rows, brought to the types that all files share."""

    @pytest.fixture
    def read(self, tmp_path: Path, encoder: TextEncoder) -> Callable[..., pa.Table]:
        def read(table: pa.Table, schema: pa.Schema, id_column: str | None = None) -> pa.Table:
            path = str(tmp_path / "a.parquet")
            pq.write_table(table, path)
            stage = ReadShard(
                column="text",
                id_column=id_column,
                carried=schema,
                reject_empty=False,
                windowing=Windowing(sequence_length=64),
                tokenizer_proto=encoder.checkpoint.tokenizer_proto or b"",
            )
            piece = Piece(source=path, data=path, start=0, rows=table.num_rows)
            return stage(pa.table({"shard": [0], "pieces": [json.dumps([asdict(piece)])]}))

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

    @pytest.mark.parametrize("index", [pa.int8(), pa.int32(), pa.int64()], ids=str)
    def test_a_dictionary_may_hold_texts_that_are_not_utf_8(
        self, read: Callable, index: pa.DataType
    ) -> None:
        texts = pa.array([b"good", b"\xff", b"also good"]).view(pa.string())
        column = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2], index), texts)
        schema = carried({}, text=column.type)

        _, tables = unpack(read(pa.table({"text": column}), schema))

        assert tables["rejects"]["reason"].to_pylist() == ["not UTF-8"]
        assert tables["rows"]["text"].to_pylist() == ["good", "also good"]
        tables["rows"].validate(full=True)

    def test_the_id_of_a_reject_may_be_a_uuid(self, read: Callable) -> None:
        ids = pa.array([b"\xff" * 16], pa.binary(16))
        table = pa.table({"text": pa.array([None], pa.string()), "id": ids})

        _, tables = unpack(read(table, pa.schema([("id", ids.type)]), "id"))

        assert tables["rejects"]["id"].to_pylist() == ["ff" * 16]
