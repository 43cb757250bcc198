"""The nearest rows of an output, against numpy."""

import io
import json
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import fnet_mlflow
import fnet_ray
from fnet_cli.main import main
from fnet_ray.nearest import many
from fnet_registry import TextEncoder
from fnet_registry.errors import InputError, OutputError

pytestmark = pytest.mark.usefixtures("ray_session")

WORDS = ["river", "mountain", "cloud", "engine", "table", "paper", "window", "garden", "stone"]
ROWS = 700
QUERIES = ["a river in the mountains", "paper on the table", "cloud"]


def text(number: int) -> str:
    draw = random.Random(number % 500)  # the last ones are there twice
    return " ".join(draw.choices(WORDS, k=draw.randint(1, 9)))


@pytest.fixture(scope="module")
def output(
    ray_session: None, preset_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Rows of two files, in several shards, of which one text has no vector."""
    folder = tmp_path_factory.mktemp("searched")
    rows = [{"text": text(n), "number": n, "lang": "en" if n % 3 else "de"} for n in range(ROWS)]
    rows[5]["text"] = None
    pq.write_table(pa.Table.from_pylist(rows[:400]), folder / "a.parquet")
    pq.write_table(pa.Table.from_pylist(rows[400:]), folder / "b.parquet")
    files = [folder / "a.parquet", folder / "b.parquet"]
    fnet_ray.embed(preset_folder, files, folder / "out", tracking=False)
    return folder / "out"


@pytest.fixture(scope="module")
def stored(output: Path) -> pa.Table:
    files = sorted((output / "embeddings").glob("*.parquet"))
    assert len(files) > 1
    return pa.concat_tables(pq.read_table(file) for file in files)


def nearest(stored: pa.Table, vectors: np.ndarray, k: int) -> list[list[int]]:
    """Rows by falling cosine, ties by row, all in float64."""
    held = np.stack(stored["embedding"].to_pylist()).astype("f8")
    held /= np.linalg.norm(held, axis=1, keepdims=True)
    found = []
    for vector in vectors.astype("f8"):
        scores = (held * (vector / np.linalg.norm(vector))).sum(1)
        found.append(np.argsort(-scores, kind="stable")[:k].tolist())
    return found


@pytest.mark.parametrize("k", [1, 10, 699, 2000])
def test_the_rows_are_numpys_in_the_same_order(
    output: Path, stored: pa.Table, encoder: TextEncoder, k: int
) -> None:
    found = fnet_ray.search(output, QUERIES, k=k, show=["number"])
    numbers = stored["number"].to_pylist()
    expected = [
        [numbers[row] for row in rows] for rows in nearest(stored, encoder.encode(QUERIES), k)
    ]
    assert [[hit["number"] for hit in hits] for hits in found.results()] == expected
    assert (found.rows, found.queries) == (ROWS - 1, 3)


def test_a_hit_says_which_row_it_is_and_how_near(output: Path, encoder: TextEncoder) -> None:
    [[first, *_]] = fnet_ray.search(output, text(42)).results()
    assert (first["rank"], first["text"], first["source_row"]) == (1, text(42), 42)
    assert first["source_file"].endswith("a.parquet")
    assert first["score"] == pytest.approx(1)
    assert list(first) == ["rank", "score", "source_file", "source_row", "text"]


def test_a_condition_leaves_rows_out(output: Path, stored: pa.Table, encoder: TextEncoder) -> None:
    where = "lang = 'de' AND number BETWEEN 100 AND 500"
    found = fnet_ray.search(output, QUERIES, k=20, show=["number"], where=where)
    mask = [r["lang"] == "de" and 100 <= r["number"] <= 500 for r in stored.to_pylist()]
    kept = stored.filter(pa.array(mask))
    numbers = kept["number"].to_pylist()
    rows = nearest(kept, encoder.encode(QUERIES), 20)
    expected = [[numbers[row] for row in each] for each in rows]
    assert [[hit["number"] for hit in hits] for hits in found.results()] == expected
    nothing = fnet_ray.search(output, "x", show=["number"], where="number < 0")
    assert nothing.results() == [[]]
    assert nothing.hits.schema == found.hits.schema


@pytest.mark.parametrize(
    ("where", "received"),
    [
        ("nothing = 1", r"Referenced column"),
        ("number", r"values of int64"),
        ("columns(*) IS NOT NULL", r"5 values for each row"),
        ("\udcff", r"bad_cast"),
        ("true; DROP TABLE rows", r"syntax error"),
        ("true) FROM rows, (VALUES (1), (2)", r"syntax error"),
        ("number = 1) FROM read_csv('/etc/passwd'", r"syntax error"),
    ],
)
def test_what_is_no_condition(output: Path, where: str, received: str) -> None:
    with pytest.raises(InputError, match=rf"one SQL expression .*Received: .*{received}"):
        fnet_ray.search(output, "x", where=where)


@pytest.mark.parametrize(
    "where",
    [
        "",
        " ",
        "number > (SELECT max(number) FROM rows) - 1",
        "row_number() OVER () < 9",
        "number IN (FROM range(9))",
    ],
)
def test_a_condition_is_on_one_row(output: Path, where: str) -> None:
    with pytest.raises(InputError, match=r"must say something of one row alone"):
        fnet_ray.search(output, "x", where=where)


def test_a_word_in_quotes_is_none_of_sqls(output: Path) -> None:
    where = "text <> 'select over' -- said"
    assert fnet_ray.search(output, "x", k=1, where=where).hits.num_rows == 1


@pytest.fixture
def copied(output: Path, tmp_path: Path) -> Path:
    """A copy, to be damaged."""
    return Path(shutil.copytree(output, tmp_path / "copied"))


def rewrite(file: Path, vectors: pa.Array) -> None:
    table = pq.read_table(file)
    place = table.column_names.index("embedding")
    pq.write_table(table.set_column(place, "embedding", vectors), file)


def test_vectors_that_are_no_numbers_are_not_found(copied: Path) -> None:
    file = sorted((copied / "embeddings").iterdir())[0]
    values = np.stack(pq.read_table(file)["embedding"].to_pylist())
    values[:20], values[20:40], values[40] = np.nan, np.inf, values[40] * 1e30
    rewrite(file, pa.FixedSizeListArray.from_arrays(values.ravel(), 32))
    [hits] = fnet_ray.search(copied, "cloud", k=ROWS, show=["number"]).results()
    assert len(hits) == ROWS - 1 - 40
    [before] = fnet_ray.search(copied, "cloud", k=ROWS, show=["number"]).results()
    assert {hit["number"] for hit in hits} == {hit["number"] for hit in before}
    assert all(abs(hit["score"]) <= 1 + 1e-9 for hit in hits)


@pytest.mark.parametrize("kind", ["text", "short", "cut"])
def test_files_that_are_not_as_the_job_wrote_them(copied: Path, kind: str) -> None:
    file = sorted((copied / "embeddings").iterdir())[0]
    rows = pq.read_table(file).num_rows
    if kind == "cut":
        file.write_bytes(file.read_bytes()[:500])
    elif kind == "text":
        rewrite(file, pa.array(["x"] * rows))
    else:
        rewrite(file, pa.FixedSizeListArray.from_arrays(np.zeros(rows * 16, "f4"), 16))
    with pytest.raises(InputError, match=r"vectors of 32 numbers|cannot be read.*shard-00000000"):
        fnet_ray.search(copied, "x")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"k": 0}, r"`k` must be a number of rows from 1 to 100,000.* Received: 0"),
        ({"k": 10**12}, r"`k` must be a number of rows from 1 to 100,000"),
        ({"show": ["title"]}, r"among text, number, lang, .* Received: 'title'"),
        ({"queries": []}, r"must have a query"),
        ({"queries": [None]}, r"Row 0 must be a text"),
    ],
)
def test_mistakes(output: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        fnet_ray.search(output, **{"queries": "x", **options})


def test_a_folder_of_something_else(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"Expected the output of fnet embed"):
        fnet_ray.search(tmp_path, "x")


def test_another_name_of_the_same_model_alone(
    output: Path, preset_folder: Path, tmp_path: Path
) -> None:
    fnet_mlflow.save_model(preset_folder, tmp_path / "same")
    fnet_mlflow.save_model(preset_folder, tmp_path / "other", pooling="cls")
    same = fnet_ray.search(output, "cloud", model=tmp_path / "same")
    assert same.hits == fnet_ray.search(output, "cloud").hits
    with pytest.raises(InputError, match=r"must be the output's own, .* Received: .*other"):
        fnet_ray.search(output, "cloud", model=tmp_path / "other")


@pytest.fixture(scope="module")
def odd(ray_session: None, preset_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One row: a text that steers a terminal, and columns that others are called like."""
    folder = tmp_path_factory.mktemp("odd")
    half, far = pa.array(np.array([0.5], "f2")), pa.array([2**62], pa.timestamp("us"))
    columns = {"query": ["\x1b[31mréd\x07"], "rank": [7], "score": ["high"], "query_text": ["?"]}
    corpus = pa.table(
        columns | {"price": [float("nan")], "half": half, "RANK": ["seventh"], "far": far}
    )
    pq.write_table(corpus, folder / "corpus.parquet")
    fnet_ray.embed(
        preset_folder, folder / "corpus.parquet", folder / "out", column="query", tracking=False
    )
    return folder / "out"


def test_columns_that_are_called_as_those_of_hits(odd: Path, tmp_path: Path) -> None:
    [[hit]] = fnet_ray.search(odd, "red", show=["query", "rank", "score", "query_text"]).results()
    assert (hit["rank"], hit["score"]) == (1, pytest.approx(hit["score"], abs=1))
    named = hit["query_"], hit["rank_"], hit["score_"], hit["query_text"]
    assert named == ("\x1b[31mréd\x07", 7, "high", "?")
    (tmp_path / "queries.txt").write_text("red\n")
    many.search_files(
        odd, tmp_path / "queries.txt", tmp_path / "to.parquet", show=["query_text", "rank"]
    )
    found = pq.read_table(tmp_path / "to.parquet").to_pylist()[0]
    assert (found["query_text"], found["query_text_"], found["rank_"]) == ("red", "?", 7)


@pytest.mark.parametrize("column", ["half", "rank"])
def test_a_condition_on_a_column_that_duckdb_cannot_tell(odd: Path, column: str) -> None:
    assert fnet_ray.search(odd, "red", where="score = 'high'").hits.num_rows == 1
    with pytest.raises(InputError, match=r"on query, score, query_text, price, far, source_file, "):
        fnet_ray.search(odd, "red", where=f"{column} < 9")


def test_duckdb_says_nothing_at_the_end_of_a_process() -> None:
    program = """
from fnet_registry.collector import spare_collector
from fnet_ray.nearest.where import parse_condition
import pyarrow
spare_collector()
print(parse_condition("a < 2")(pyarrow.table({"a": [1, 2]})).tolist())
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("[True, False]\n", "")


def test_a_model_that_is_out_of_reach_may_be_called_otherwise(
    copied: Path, preset_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    record = copied / "run" / "manifest.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"model": "models:/elsewhere/1"}))
    with pytest.raises(mlflow.MlflowException, match=r"elsewhere"):
        fnet_ray.search(copied, "cloud")
    assert "--model names it as it is called here" in caplog.text
    found = fnet_ray.search(copied, "cloud", k=1, model=preset_folder)
    assert found.hits.num_rows == 1


class TestCommand:
    """`fnet search`."""

    def test_one_query_as_json(self, output: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["search", str(output), "cloud", "-k", "2", "--json"]) == 0
        captured = capsys.readouterr()
        hits = json.loads(captured.out)
        assert [hit["rank"] for hit in hits] == [1, 2]
        assert "699 rows read in " in captured.err

    def test_several_queries_as_json(
        self, output: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["search", str(output), *QUERIES, "--json", "--show", "lang"]) == 0
        results = json.loads(capsys.readouterr().out)["results"]
        assert [len(hits) for hits in results] == [10, 10, 10]
        assert {hit["lang"] for hits in results for hit in hits} == {"en", "de"}

    def test_a_line_for_each_hit(self, output: Path, capsys: pytest.CaptureFixture[str]) -> None:
        longest = max(map(text, range(200)), key=len)
        assert main(["search", str(output), longest, "-k", "1", "--show", "number,text"]) == 0
        line = capsys.readouterr().out.splitlines()[0]
        assert line.split()[:2] == ["1", "1.000"]
        assert line.endswith(f"  {longest}")  # no terminal limits its width

    @pytest.mark.parametrize("kind", ["parquet", "jsonl"])
    def test_a_file_of_queries(self, output: Path, tmp_path: Path, kind: str) -> None:
        file = tmp_path / f"queries.{kind}"
        if kind == "parquet":
            pq.write_table(pa.table({"q": QUERIES}), file)
        else:
            file.write_text("".join(json.dumps({"q": each}) + "\n" for each in QUERIES))
        target = tmp_path / "found.parquet"
        command = ["search", str(output), "--queries", str(file), "--column", "q"]
        assert main([*command, "--to", str(target), "-k", "3"]) == 0
        found = pq.read_table(target)
        assert found["query_text"].to_pylist() == [query for query in QUERIES for _ in range(3)]
        assert found["rank"].to_pylist() == [1, 2, 3] * 3

    def test_a_file_of_more_queries_than_one_pass_takes_goes_through_ray(
        self, output: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(many, "QUERIES_AT_ONCE", 400)
        folder = tmp_path / "queries"
        folder.mkdir()
        queries = [f"{text(n)} {n}" for n in range(1100)]
        parts = queries[:300], queries[300:]
        pq.write_table(pa.table({"doc": [{"q": each} for each in parts[0]]}), folder / "a.parquet")
        (folder / "b.jsonl").write_text(
            "".join(json.dumps({"doc": {"q": each}}) + "\n" for each in parts[1])
        )
        command = ["search", str(output), "--queries", str(folder), "--column", "doc.q", "-k", "2"]
        command += ["--where", "number <> 7", "--to", str(tmp_path / "found.parquet")]
        assert main(command) == 0
        printed = capsys.readouterr()
        assert f"{2 * len(queries):,} neighbours of {len(queries):,} queries" in printed.out
        assert "queries encoded and 699 rows searched in " in printed.err
        found = pq.read_table(tmp_path / "found.parquet")
        expected = fnet_ray.search(output, queries, k=2, where="number <> 7").hits
        assert found["query_text"].to_pylist() == [each for each in queries for _ in range(2)]
        assert found.drop_columns("query_text").equals(expected)  # scores to the last bit
        assert sorted(each.name for each in tmp_path.iterdir()) == ["found.parquet", "queries"]

    def test_queries_that_find_nothing_through_ray(
        self, odd: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(many, "QUERIES_AT_ONCE", 1)
        (tmp_path / "queries.txt").write_text("red\ngreen\n")
        files = tmp_path / "queries.txt", tmp_path / "found.parquet"
        done = many.search_files(odd, *files, show=["price"], where="price = 1")
        assert (done.queries, done.neighbours, done.rows) == (2, 0, 1)
        found = pq.read_table(files[1])
        places = ["source_file", "source_row"]
        assert found.column_names == ["query", "query_text", "rank", "score", *places, "price"]
        assert found.num_rows == 0

    @pytest.mark.parametrize(
        ("column", "values", "to", "words"),
        [
            (
                "q",
                ["a", None],
                "found.parquet",
                r"Every query must be a text. Received: None in "
                r"row 2 of .*queries.parquet",
            ),
            ("x", ["a"], "found.parquet", r"must have the column 'q'; .* Received: x in"),
            ("q", [], "found.parquet", r"must have a query"),
            ("q", ["a"], "", r"Expected a file to write, such as found.parquet"),
            ("q", ["a"], "none/found.parquet", r"in a folder that is there. .*none/found.parquet"),
        ],
        ids=str,
    )
    def test_mistakes_in_a_file_of_queries(
        self,
        column: str,
        values: list[Any],
        to: str,
        words: str,
        output: Path,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        pq.write_table(
            pa.table({column: pa.array(values, pa.string())}), tmp_path / "queries.parquet"
        )
        command = ["search", str(output), "--queries", str(tmp_path / "queries.parquet")]
        assert main([*command, "--column", "q", "--to", str(tmp_path / to)]) == 2
        printed = capsys.readouterr().err
        assert re.search(words, printed)
        assert printed.count("\n") == 1
        assert [each.name for each in tmp_path.iterdir()] == ["queries.parquet"]

    def test_a_text_cannot_steer_the_terminal(
        self, odd: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["search", str(odd), "red"]) == 0
        assert "\x1b" not in capsys.readouterr().out
        assert main(["search", str(odd), "red", "--json", "--show", "price,far"]) == 0
        [hit] = json.loads(capsys.readouterr().out)
        assert (hit["price"], hit["far"]) == (None, f"[<value out of range: {2**62}>]")

    def test_a_terminal_that_lacks_a_letter_shows_it_escaped(
        self, odd: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
        assert main(["search", str(odd), "red"]) == 0
        sys.stdout.seek(0)
        assert r"r\xe9d" in sys.stdout.read()

    def test_queries_in_two_ways(self, output: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["search", str(output)]) == 2
        assert "A search needs either queries" in capsys.readouterr().err
