"""Files without types of their own: what is written in them is what the job carries along."""

import argparse
import csv
import gzip
import io
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fnet_ray.commands import embed
from fnet_ray.corpus.conversion import convert
from fnet_ray.corpus.files import find_inputs
from fnet_ray.corpus.readers import delimited, json_lines, text_lines
from fnet_ray.corpus.readers.rows import BATCH_ROWS, REJECT, ROW, Opener, UnreadableFileError
from fnet_ray.options import Columns, Layout
from fnet_ray.output.stores import open_store
from fnet_ray.stages.message import pack
from fnet_registry.encoding.config import LARGEST_TEXT
from fnet_registry.errors import InputError


def opener(data: bytes) -> Opener:
    return lambda: io.BufferedReader(io.BytesIO(data))


def read_csv(text: str, *, id_column: str | None = None) -> pa.Table:
    schema, batches = delimited.read(opener(text.encode()), Columns(id=id_column), delimiter=",")
    return pa.Table.from_batches(batches, schema)


def read_laid_out(data: str, **layout: Any) -> pa.Table:
    columns = Columns(layout=Layout(**layout))
    schema, batches = delimited.read(opener(data.encode()), columns, delimiter=",")
    return pa.Table.from_batches(batches, schema)


def json_rows(*rows: dict[str, Any], columns: Columns) -> pa.Table:
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    schema, batches = json_lines.read(opener(data), columns)
    return pa.Table.from_batches(batches, schema)


def read_json_lines(*rows: dict[str, Any]) -> pa.Table:
    return json_rows(*({"text": "a", **row} for row in rows), columns=Columns())


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

    def test_a_field_inside_an_object_is_a_column_of_its_own(self) -> None:
        found = json_rows(
            {"doc": {"text": "a", "meta": {"id": 1}}, "n": 1},
            {"doc": None, "n": 2},
            {"doc": {"text": 3, "meta": "none"}, "n": 3},
            {"doc.text": "its very name wins", "doc": {"text": "b"}},
            columns=Columns(text="doc.text", id="doc.meta.id", keep=["doc.meta.none"]),
        )
        assert found["doc.text"].to_pylist() == ["a", None, None, "its very name wins"]
        assert found["doc.meta.id"].to_pylist() == [1, None, None, None]
        assert found[REJECT].to_pylist() == [
            None,
            "no field 'doc.text'",
            "not a text: 3",
            None,
        ]

    def test_a_field_that_is_in_no_object_is_named(self) -> None:
        with pytest.raises(UnreadableFileError, match=r"no line has the field 'doc\.body'"):
            json_rows({"doc": {"text": "a"}}, columns=Columns(text="doc.body"))

    @pytest.mark.parametrize("depth", [35, 240, 400])
    def test_what_is_nested_too_deeply_to_be_sent_is_text(self, depth: int) -> None:
        written = '{"a":[' * depth + "1" + "]}" * depth
        data = b'{"text": "a", "n": 1}\n{"text": "b", "field": %s}\n' % written.encode()
        schema, batches = json_lines.read(opener(data), Columns())
        found = pa.Table.from_batches(batches, schema)
        assert found["text"].to_pylist() == ["a", "b"]
        assert found["field"][1].as_py().replace(" ", "") == written
        pack(0, {"rows": found})

    @pytest.mark.parametrize("apart", [1, BATCH_ROWS], ids=["one batch", "two batches"])
    def test_an_object_of_ever_new_names_is_text(
        self, apart: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("fnet_ray.corpus.readers.json_lines._MOST_PARTS", 10)
        first, second = ({f"{row}-{n}": n for n in range(6)} for row in "ab")
        found = read_json_lines(*[{"field": first}] * apart, {"field": second})["field"]
        assert found.type == pa.string()
        assert json.loads(found[0].as_py()) == first
        assert json.loads(found[-1].as_py()) == second

    def test_lines_of_ever_new_names_are_refused(self) -> None:
        with pytest.raises(UnreadableFileError, match=r"at most 5,000 different fields"):
            read_json_lines(*({f"{row}-{n}": n for n in range(600)} for row in range(9)))

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
            (["1.10", "1e3", "NA"], [1.1, 1000.0, None]),
        ],
        ids=str,
    )
    def test_other_numbers_are_numbers(self, written: list[str], numbers: list[float]) -> None:
        found = read_csv("text,n\n" + "".join(f"a,{number}\n" for number in written))
        assert found["n"].to_pylist() == numbers

    def test_ids_are_text(self) -> None:
        found = read_csv("text,id\na,1\nb,NA\n", id_column="id")
        assert found["id"].to_pylist() == ["1", "NA"]

    @pytest.mark.parametrize("value", ["", "NA", "null", "NaN"])
    def test_a_column_without_values(self, value: str) -> None:
        assert read_csv(f"text,n\na,{value}\n")["n"].type == pa.null()

    def test_a_column_named_twice_is_refused(self) -> None:
        with pytest.raises(UnreadableFileError, match="each column once in its header, not 'k'"):
            read_csv("k,k,text\n1,2,a\n")

    def test_a_text_that_is_no_utf_8_is_left_to_its_row(self) -> None:
        data = b"text,n,id\ncaf\xe9,1,a\ngood,2,b\n"
        schema, batches = delimited.read(opener(data), Columns(id="id"), delimiter=",")
        found = pa.Table.from_batches(batches, schema)
        assert found["text"].cast(pa.binary()).to_pylist() == [b"caf\xe9", b"good"]
        assert found["n"].to_pylist() == [1, 2]

    @pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
    @pytest.mark.parametrize("header", [None, ["id", "text", "né"]], ids=["header", "none"])
    def test_a_line_to_skip_may_be_no_utf_8(self, header: list[str] | None) -> None:
        data = "" if header else "id,text,né\n"
        data += (
            "1,a,1.5\n2,b,2.5,caf\udce9\n3,café,\n4,caf\udce9,007\n5," + "x" * (9 << 20) + ",8\n"
        )
        schema, batches = delimited.read(
            opener(data.encode(errors="surrogateescape")),
            Columns(id="id", layout=Layout(header=header)),
            delimiter=",",
        )
        found = pa.Table.from_batches(batches, schema).sort_by(ROW)
        texts = [b"a", None, "café".encode(), b"caf\xe9", b"x" * (9 << 20)]
        assert found["text"].cast(pa.binary()).to_pylist() == texts
        assert found["né"].to_pylist() == ["1.5", None, "", "007", "8"]
        assert found[ROW].to_pylist() == [0, 1, 2, 3, 4]
        assert found[REJECT][1].as_py() == r"expected 3 values, not 4: 2,b,2.5,caf\xe9"

    def test_of_lines_to_skip_little_is_kept(self) -> None:
        data = b"id,text\n" + b"".join(b"1,a\n2,b,%s\n" % (b"x" * (1 << 20)) for _ in range(64))
        tracemalloc.start()
        schema, batches = delimited.read(opener(data), Columns(), delimiter=",")
        kept = [(batch, tracemalloc.get_traced_memory()[0]) for batch in batches]
        tracemalloc.stop()
        found = pa.Table.from_batches([batch for batch, _ in kept], schema)
        assert found[ROW].to_pylist() == [*range(0, 128, 2), *range(1, 128, 2)]
        assert found[REJECT][-1].as_py() == f"expected 2 values, not 3: 2,b,{'x' * 56}"
        assert kept[-1][1] < len(data) / 4

    def test_bytes_that_are_no_text_beside_numbers_stay_bytes(self) -> None:
        data = b"text,n,name\na,1,\xff\n"
        schema, batches = delimited.read(opener(data), Columns(), delimiter=",")
        assert pa.Table.from_batches(batches, schema)["name"].to_pylist() == [b"\xff"]


@pytest.mark.parametrize("values", [[1, 2, 3], ["1", "x", "3"]], ids=["one type", "mixed"])
def test_a_row_may_be_longer_than_what_is_read_at_once(values: list) -> None:
    texts = ["short", "word " * (2 << 20), "short again"]
    lines = [f"{text},{value}" for text, value in zip(texts, values, strict=True)]
    found = read_csv("\n".join(["text,n", *lines, ""]))
    assert found["text"].to_pylist() == texts
    assert found["n"].to_pylist() == values
    assert found[ROW].to_pylist() == [0, 1, 2]


@pytest.mark.parametrize("read", [json_lines.read, text_lines.read])
def test_long_lines_are_read_by_fewer_at_once(
    read: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fnet_ray.corpus.readers.rows._BATCH_BYTES", 100)
    lines = [json.dumps({"text": "word " * n}) for n in (1, 30, 1, 1, 60)]
    _, batches = read(opener("\n".join(lines).encode()), Columns())
    assert [batch.num_rows for batch in batches] == [2, 3]


class TestLayout:
    """What a table of values does not say of itself, a user says."""

    @pytest.mark.parametrize("delimiter", [";", "|", "\t", " "])
    def test_another_delimiter(self, delimiter: str) -> None:
        found = read_laid_out("text,n\na,1\n".replace(",", delimiter), delimiter=delimiter)
        assert (found["text"].to_pylist(), found["n"].to_pylist()) == (["a"], [1])

    def test_a_table_that_another_delimiter_would_part_says_so(self) -> None:
        with pytest.raises(UnreadableFileError, match=r"it has \['n;text'\], .* --delimiter"):
            read_laid_out("n;text\n1;a\n")

    def test_a_table_without_a_header_line(self) -> None:
        found = read_laid_out('007,a\n8,"b\nb"\n9,too,many\n10,c\n', header=["n", "text"])
        assert found["text"].to_pylist() == ["a", "b\nb", "c", None]
        assert found["n"].to_pylist() == ["007", "8", "10", None]
        assert found[ROW].to_pylist() == [0, 1, 3, 2]
        assert found[REJECT][3].as_py().startswith("expected 2 values, not 3: 9,too,many")

    @pytest.mark.parametrize("data", ["", "\n\n"])
    def test_a_table_without_a_header_line_or_rows(self, data: str) -> None:
        found = read_laid_out(data, header=["n", "text"])
        assert (found.num_rows, found.column_names[:2]) == (0, ["n", "text"])

    @pytest.mark.parametrize("header", [["text"], ["n", "text", "more"]], ids=len)
    def test_a_header_of_another_length_is_refused(self, header: list[str]) -> None:
        with pytest.raises(UnreadableFileError, match=f"expected {len(header)} values .*, not 2"):
            read_laid_out("1,a\n2,b\n", header=header)

    def test_a_header_without_the_column_of_texts_is_refused(self) -> None:
        with pytest.raises(UnreadableFileError, match=r"no column 'text'; it has \['n', 'body'\]"):
            read_laid_out("1,a\n", header=["n", "body"])

    def test_a_tab_may_be_typed(self) -> None:
        parser = argparse.ArgumentParser()
        embed.add_arguments(parser)
        asked = parser.parse_args(["m", "in", "out", "--delimiter", r"\t", "--header", "a,,b"])
        assert (asked.delimiter, asked.header) == ("\t", ["a", "", "b"])


class TestWholeFiles:
    """A plain text file is one text, as it is written."""

    def read(self, data: bytes) -> list[dict[str, Any]]:
        schema, batches = text_lines.read(
            opener(data), Columns(text="body", layout=Layout(whole_files=True))
        )
        return pa.Table.from_batches(batches, schema).to_pylist()

    @pytest.mark.parametrize("text", ["", "one line", "two\n\nlines\n", " \r\ncafé\r\n"])
    def test_a_file_is_a_row(self, text: str) -> None:
        assert self.read(text.encode()) == [{"body": text, ROW: 0, REJECT: None}]

    def test_bytes_that_are_no_text_are_a_reject(self) -> None:
        [row] = self.read(b"a\nb\xff")
        assert (row["body"], row[REJECT]) == (None, "not UTF-8: byte 3 of the file is 0xff")

    def test_a_file_that_is_too_large_is_a_reject_and_is_not_read_on(self) -> None:
        [row] = self.read(b"a" * (LARGEST_TEXT + 1))
        assert (row["body"], row[REJECT]) == (None, "larger than 64 MiB")


class TestQuotesBetweenTabs:
    """Where tabs part the values, a quote may be a quote, or a character as others are."""

    @pytest.mark.parametrize("quote", ['"so it begins', '"', '"a"b"'])
    @pytest.mark.parametrize("end", ["\n", "\r\n"], ids=ascii)
    @pytest.mark.parametrize("header", [None, ["n", "text"]], ids=["header", "none"])
    def test_one_that_would_join_whole_lines_is_a_character(
        self, header: list[str] | None, end: str, quote: str
    ) -> None:
        lines = ["" if header else "n\ttext", f"1\t{quote}", "2\tx", '3\tends"', "", '4\t"y"', ""]
        found = read_laid_out(end.join(lines), delimiter="\t", header=header)
        assert found["text"].to_pylist() == [quote, "x", 'ends"', '"y"']
        assert found["n"].to_pylist() == [1, 2, 3, 4]

    @pytest.mark.parametrize("text", ['a\n"b"', "a\tb", 'a "b" c', '"', "\n\n"], ids=ascii)
    def test_what_a_writer_quoted_is_read_as_it_was(self, text: str) -> None:
        file = io.StringIO()
        rows = [["n", "text"], [1, text], [2, "x"]]
        csv.writer(file, delimiter="\t").writerows(rows)
        found = read_laid_out(file.getvalue(), delimiter="\t")
        assert found["text"].to_pylist() == [text, "x"]

    def test_in_a_table_of_one_column_nothing_tells(self) -> None:
        found = read_laid_out('text\n"a\nb"\n', delimiter="\t")
        assert found["text"].to_pylist() == ["a\nb"]


Converted = Callable[..., pa.Table]


@pytest.fixture
def converted(tmp_path: Path) -> Converted:
    def converted(name: str, data: bytes, **layout: Any) -> pa.Table:
        (tmp_path / name).write_bytes(data)
        [file] = find_inputs(tmp_path / name)
        store = open_store(tmp_path / "out")
        columns = Columns(layout=Layout(**layout))
        return pq.read_table(store.path(convert(file, store, columns)))

    return converted


class TestEncodings:
    """Files are UTF-8, with its mark or without, or what a user says; others are refused."""

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

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32", "cp1252", "utf_8_sig"])
    @pytest.mark.parametrize("name", TEXTS)
    def test_another_encoding_may_be_asked_for(
        self, name: str, encoding: str, converted: Converted
    ) -> None:
        found = converted(name, self.TEXTS[name].encode(encoding), encoding=encoding)
        assert found["text"].to_pylist() == ["café"]

    @pytest.mark.parametrize("bytes_", [b"\x00\xd8", b"\x00\xdc\x00\xd8"], ids=bytes.hex)
    def test_bytes_that_are_no_text_in_it_are_rejects(
        self, bytes_: bytes, converted: Converted
    ) -> None:
        data = "good\n".encode("utf-16-le") + bytes_ + "\ngood\n".encode("utf-16-le")
        found = converted("a.txt", data, encoding="utf-16-le")
        assert found["text"].to_pylist() == ["good", None, "good"]

    def test_texts_of_more_than_a_block_are_whole(self, converted: Converted) -> None:
        texts = [f"{'çé漢🚀' * 977} {number}" for number in range(9)]
        data = gzip.compress("\r\n".join(texts).encode("utf-16"))
        assert converted("a.txt.gz", data, encoding="utf-16")["text"].to_pylist() == texts

    @pytest.mark.parametrize("marked", ["utf-8-sig", "utf-16"])
    def test_a_mark_of_another_encoding_than_asked_for_is_refused(
        self, marked: str, converted: Converted
    ) -> None:
        with pytest.raises(InputError, match=r"expected cp1252, as --encoding says, not UTF"):
            converted("a.txt", "café".encode(marked), encoding="cp1252")

    def test_a_file_is_converted_anew_for_another_layout(self, converted: Converted) -> None:
        data = "café\n".encode("cp1252")
        for encoding, text in {"cp1252": "café", "cp850": "cafÚ", "utf-8": None}.items():
            assert converted("a.txt", data, encoding=encoding)["text"].to_pylist() == [text]
        assert converted("a.txt", b"a\nb", whole_files=True).num_rows == 1

    def test_a_header_in_latin_1(self, converted: Callable) -> None:
        with pytest.raises(InputError, match=r"expected UTF-8, .* not LATIN1 .*a\.csv"):
            converted("a.csv", "text,né\na,1\n".encode("latin-1"))
