"""Bad data: one line that says what was expected, and exit status 2."""

import re
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fnet_cli.main import main
from tests.evaluate.conftest import (
    Table,
    labels,
    pairs,
    plain,
    scored_pairs,
    write_beir,
    write_csv,
    write_json_lines,
    write_parquet,
)

NAN = float("nan")
PAIR = {"text_a": ["a", "b"], "text_b": ["c", "d"]}


@pytest.fixture
def refusal(preset_folder: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs `fnet evaluate`; returns its one line."""

    def refused(data: Path, *arguments: object) -> str:
        command = ["evaluate", str(preset_folder), "--data", data, *arguments]
        assert main([str(each) for each in command]) == 2
        printed = capsys.readouterr()
        assert printed.out == ""
        assert printed.err.startswith("fnet: error: ")
        assert printed.err.count("\n") == 1
        return printed.err

    return refused


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"title": ["a"]}, "columns text_a, text_b, score; or .* Received: title in .*data"),
        ({**PAIR, "score": [1.0, NAN]}, "'score' must hold finite numbers.* nan in row 2 of"),
        ({**PAIR, "score": [1.0, float("inf")]}, "finite numbers.* Received: inf in row 2 of"),
        ({**PAIR, "score": [1.0, None]}, "a number in every row.* Received: a null in row 2"),
        ({**PAIR, "score": ["good", "bad"]}, "'score' must hold numbers. Received: string"),
        ({**PAIR, "score": [3, 3]}, "scores must differ.* Received: 3.0 in every row of data"),
        ({**PAIR, "text_b": ["c", None], "score": [1, 2]}, "a text in every row.* null in row 2"),
        ({"anchor": ["a", None], "positive": ["c", "d"]}, "'anchor' must hold a text.* null"),
        ({"text": ["a", "b"], "label": ["x", "x"]}, "two labels must.* 1 labels, 1 of them so"),
        ({"text": ["a", "b"], "label": ["x", "y"]}, "two labels must.* 2 labels, 0 of them so"),
        ({"text": ["a", "b"], "label": ["x", None]}, "'label' must hold a value.* null in row 2"),
        (
            {"text": ["a", "b"], "label": ["x", ""]},
            "'label' must hold a value.* empty text in row 2",
        ),
        ({"text": ["a", "b"], "label": [1.0, NAN]}, "'label' must hold a value.* nan in row 2 of"),
        ({"text": ["a"]}, "texts must be two or more. Received: one in data.parquet"),
        ({"text": [1, 2]}, "'text' must hold texts. Received: int64 in"),
        ({"anchor": [], "positive": []}, "Data must have rows. Received: none in .*data.parquet"),
        ({"query": ["a"], "relevant_ids": [["x"]]}, "as --corpus. Received: data.parquet without"),
    ],
)
def test_data_that_cannot_be_used(
    table: Table, message: str, tmp_path: Path, refusal: Callable[..., str]
) -> None:
    assert re.search(message, refusal(write_parquet(tmp_path / "data.parquet", table)))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.parquet", b"", "file cannot be read.* Received: .*a.parquet"),
        ("a.parquet", b"PAR1", "file cannot be read.* Received: .*a.parquet"),
        ("a.jsonl", b"", "Data must have rows. Received: none in .*a.jsonl"),
        ("a.jsonl", b"\n\n", "Data must have rows. Received: none in .*a.jsonl"),
        ("a.csv", b"", "Data must have rows. Received: none in .*a.csv"),
        ("a.csv", b"anchor,positive\n", "Data must have rows. Received: none in .*a.csv"),
        ("a.csv", b"text\na\nb,c\n", "must be readable.* expected 1 values.* row 2 of .*a.csv"),
        ("a.csv", b"text\na\n\xff\n", "'text' must hold UTF-8.* Received: other bytes"),
        ("a.jsonl", b'{"text": "a"}\n{"text"\n', "readable. Received: not JSON.* row 2 of"),
        ("a.jsonl", b'{"text": "a"}\n{"text": 1}\n', "Received: not a text: 1, in row 2 of"),
        ("a.jsonl", b'[{"text": "a"}]', "expected one JSON object per line"),
        ("a.xlsx", b"text", "An input file must end in .parquet"),
    ],
)
def test_files_that_cannot_be_read(
    name: str, content: bytes, message: str, tmp_path: Path, refusal: Callable[..., str]
) -> None:
    (tmp_path / name).write_bytes(content)
    assert re.search(message, refusal(tmp_path / name))


@pytest.mark.parametrize("column", ["text", "label"])
def test_bytes_that_are_no_text(column: str, tmp_path: Path, refusal: Callable[..., str]) -> None:
    rows = [b"a,x", b"b,x", b"caf\xe9,y" if column == "text" else b"c,caf\xe9", b"d,y"]
    (tmp_path / "l.csv").write_bytes(b"\n".join([b"text,label", *rows]))
    assert f"column '{column}' must hold UTF-8. Received: other bytes in row 3 of" in refusal(
        tmp_path / "l.csv"
    )


def test_a_file_that_is_not_there(tmp_path: Path, refusal: Callable[..., str]) -> None:
    assert "must be a file, a folder or a glob" in refusal(tmp_path / "none.parquet")


def test_one_file_of_several_without_a_column(tmp_path: Path, refusal: Callable[..., str]) -> None:
    write_parquet(tmp_path / "a.parquet", pairs())
    write_parquet(tmp_path / "b.parquet", plain())
    found = refusal(tmp_path)
    assert re.search("must have the columns anchor, positive. Received: text in .*b.parquet", found)


def test_a_column_that_is_there_twice(tmp_path: Path, refusal: Callable[..., str]) -> None:
    (tmp_path / "a.csv").write_text("text,text\na,b\n")
    assert "each column once in its header" in refusal(tmp_path / "a.csv")
    table = pa.Table.from_arrays([pa.array(["a"])] * 2, names=["text", "text"])
    pq.write_table(table, tmp_path / "a.parquet")
    assert "must be there once. Received: 'text' twice in" in refusal(tmp_path / "a.parquet")


@pytest.mark.parametrize(
    ("renaming", "message"),
    [
        ("anchor=qestion", "--map must name columns of the file.* Received: 'qestion'"),
        ("ancor=question", "Columns are renamed as text_a.* Received: 'ancor'"),
    ],
)
def test_a_renaming_of_nothing(
    renaming: str, message: str, tmp_path: Path, refusal: Callable[..., str]
) -> None:
    data = write_csv(tmp_path / "a.csv", {"question": ["a"], "positive": ["b"]})
    assert re.search(message, refusal(data, "--map", renaming))


def test_a_renaming_without_a_sign(tmp_path: Path, preset_folder: Path) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["evaluate", str(preset_folder), "--data", "a.csv", "--map", "anchor"])


def test_baselines_of_plain_texts(tmp_path: Path, refusal: Callable[..., str]) -> None:
    data = write_parquet(tmp_path / "a.parquet", plain())
    assert "Baselines are for pairs, queries and labels" in refusal(data, "--baselines")


def test_baselines_of_texts_without_a_word(tmp_path: Path, refusal: Callable[..., str]) -> None:
    data = write_csv(tmp_path / "a.csv", {"anchor": ["a", "!"], "positive": ["?", "!"]})
    assert "Baselines need texts with words" in refusal(data, "--baselines")


@pytest.mark.parametrize("table", [labels, scored_pairs, pairs, plain])
def test_a_corpus_beside_other_data_than_queries(
    table: Callable[[], Table], tmp_path: Path, refusal: Callable[..., str]
) -> None:
    data = write_parquet(tmp_path / "a.parquet", table())
    assert "A corpus goes with queries and their relevant ids" in refusal(data, "--corpus", data)


@pytest.mark.parametrize(
    ("corpus", "message"),
    [
        ({"id": ["x"], "text": ["a"]}, "ids of the corpus. Received: 'y', of the query 'q'"),
        ({"id": ["y", "x", "y"], "text": ["a"] * 3}, "must be there once. Received: 'y' twice"),
        ({"id": ["y", None], "text": ["a", "b"]}, "'id' must hold a value.* null in row 2"),
        ({"id": ["y", "z"], "text": ["a", None]}, "'text' must hold a text.* null in row 2"),
        ({"text": ["a"]}, "Data must have the columns text, id;.* Received: text in"),
        ({"id": [], "text": []}, "A corpus must have texts. Received: none"),
    ],
)
def test_a_corpus_that_cannot_be_used(
    corpus: Table, message: str, tmp_path: Path, refusal: Callable[..., str]
) -> None:
    data = write_json_lines(tmp_path / "a.jsonl", {"query": ["q"], "relevant_ids": [["y"]]})
    texts = write_parquet(tmp_path / "corpus.parquet", corpus)
    assert re.search(message, refusal(data, "--corpus", texts))


@pytest.mark.parametrize("ids", [[[]], [["y", None]], [None]])
def test_a_query_without_a_relevant_id(
    ids: list, tmp_path: Path, refusal: Callable[..., str]
) -> None:
    rows = {"query": ["p", "q"], "relevant_ids": [["y"], *ids]}
    data = write_parquet(tmp_path / "a.parquet", rows)
    corpus = write_csv(tmp_path / "corpus.csv", {"id": ["y"], "text": ["a"]})
    found = refusal(data, "--corpus", corpus)
    assert re.search("'relevant_ids' must hold .* in every row", found)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("q1\td99\t1", "ids of the corpus. Received: 'd99', of the query"),
        ("q99\td1\t1", "queries of queries.jsonl. Received: the query-id 'q99'"),
        ("q0\td0\t1", "must be there once. Received: 'q0' and 'd0' twice"),
        ("q1\td1\tmuch", "'score' must hold numbers"),
        ("q1\td1", "must be readable.* expected 3 values, not 2"),
    ],
)
def test_judgements_that_cannot_be_used(
    line: str, message: str, beir: Path, refusal: Callable[..., str]
) -> None:
    with (beir / "qrels/test.tsv").open("a") as file:
        file.write(f"{line}\n")
    assert re.search(message, refusal(beir))


def test_judgements_of_no_relevance(beir: Path, refusal: Callable[..., str]) -> None:
    (beir / "qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td1\t0\n")
    assert "must name a relevant text. Received: none in" in refusal(beir)


def test_judgements_without_a_header(beir: Path, refusal: Callable[..., str]) -> None:
    (beir / "qrels/test.tsv").write_text("q1\td1\t1\n")
    assert "must have the columns query-id, corpus-id, score" in refusal(beir)


def test_splits_of_which_none_is_the_test(tmp_path: Path, refusal: Callable[..., str]) -> None:
    folder = write_beir(tmp_path / "own", splits=("dev", "train"))
    found = refusal(folder)
    assert re.search("name another by its file, such as .*dev.tsv. Received: dev.tsv", found)


def test_a_model_that_is_not_there(
    tmp_path: Path, preset_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = str(write_parquet(tmp_path / "a.parquet", pairs()))
    arguments = [str(preset_folder), str(tmp_path / "none"), "--data", data]
    assert main(["evaluate", *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.err.count("\n") == 1
    assert printed.out == ""
