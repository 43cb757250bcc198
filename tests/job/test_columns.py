"""The columns that the output carries, and the one type that each has for all files."""

from collections.abc import Sequence

import pyarrow as pa
import pytest

from fnet_ray.formats import Format
from fnet_ray.inputs import InputFile
from fnet_ray.plan import Footer, carried_schema


def carried(
    *schemas: dict[str, pa.DataType],
    id_column: str | None = None,
    keep: Sequence[str] | None = None,
) -> pa.Schema:
    footers = [
        (
            InputFile(path=f"{number}.parquet", format=Format.PARQUET, size=1, version="1"),
            Footer(rows=1, schema=pa.schema([("text", pa.string()), *schema.items()])),
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
