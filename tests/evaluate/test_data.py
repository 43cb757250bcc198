"""Data of any format and under any names is the same data."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fnet_evaluate.data.rows import BATCH_ROWS, open_rows
from fnet_evaluate.data.shapes import PAIRS
from fnet_evaluate.kinds import KINDS as ALL_KINDS
from fnet_evaluate.opening import Subject, open_subject
from fnet_registry.errors import InputError
from tests.evaluate.conftest import (
    KINDS,
    WRITERS,
    Table,
    labels,
    pairs,
    scored_pairs,
    write_beir,
    write_csv,
    write_json_lines,
    write_parquet,
)
from tests.programs import run_program


def opened(data: object, corpus: object = None, **renamed: str) -> Subject:
    return open_subject(data, corpus=corpus, renamed=renamed)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", WRITERS)
def test_columns_tell_the_kind(name: str, kind: str, tmp_path: Path) -> None:
    subject = opened(WRITERS[name](tmp_path / name, KINDS[kind]()))
    assert (subject.kind.name, subject.name) == (kind, name)
    assert subject.data.count == len(next(iter(KINDS[kind]().values())))


def test_every_kind_is_told() -> None:
    assert KINDS.keys() == ALL_KINDS.keys()


def test_lines_of_plain_text_are_texts(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\ntwo\n")
    subject = opened(tmp_path / "a.txt")
    assert (subject.kind.name, subject.data.count) == ("texts", 2)


@pytest.mark.parametrize("kind", KINDS)
def test_the_digest_is_that_of_the_rows(kind: str, tmp_path: Path) -> None:
    files = [write(tmp_path / name, KINDS[kind]()) for name, write in WRITERS.items()]
    files.append(write_parquet(tmp_path / "of-another-name.parquet", KINDS[kind]()))
    columns = {f"my_{name}": values for name, values in KINDS[kind]().items()}
    digests = {opened(file).data.digest for file in files}
    renamed = {name: f"my_{name}" for name in KINDS[kind]()}
    digests.add(opened(write_csv(tmp_path / "renamed.csv", columns), **renamed).data.digest)
    assert len(digests) == 1


def test_other_columns_do_not_change_the_digest(tmp_path: Path) -> None:
    more = {"id": range(40), **pairs(), "negative": pairs()["positive"]}
    before = opened(write_parquet(tmp_path / "a.parquet", pairs())).data.digest
    assert opened(write_parquet(tmp_path / "b.parquet", more)).data.digest == before


def test_scores_in_single_precision_are_the_same_scores(tmp_path: Path) -> None:
    data = {**scored_pairs(), "score": [0.1 * place for place in range(40)]}
    single = {**data, "score": np.array(data["score"], np.float32)}
    digests = {
        opened(write_json_lines(tmp_path / "a.jsonl", data)).data.digest,
        opened(write_parquet(tmp_path / "a.parquet", single)).data.digest,
    }
    assert len(digests) == 1


def test_large_scores_are_told_apart(tmp_path: Path) -> None:
    digests = {
        opened(
            write_parquet(tmp_path / "a.parquet", {**scored_pairs(), "score": scores})
        ).data.digest
        for first in (1_700_000_000, 1.7e9 + 1, 1e300, 2e300)
        for scores in [[float(first), *map(float, range(39))]]
    }
    assert len(digests) == 4


def test_scores_may_be_integers_that_no_float_holds(tmp_path: Path) -> None:
    data = {**scored_pairs(), "score": [2**53 + place for place in range(40)]}
    for name, write in WRITERS.items():
        scores = opened(write(tmp_path / name, data)).data.content["score"]
        assert scores.to_pylist() == [float(score) for score in data["score"]]


@pytest.mark.parametrize("kind", KINDS)
def test_one_other_value_is_other_data(kind: str, tmp_path: Path) -> None:
    table = KINDS[kind]()
    digests = {opened(write_parquet(tmp_path / "a.parquet", table)).data.digest}
    for name, values in table.items():
        changed: Table = {**table, name: [*values[:-1], values[0]]}
        if list(changed[name]) != list(values):
            path = write_parquet(tmp_path / f"{name}.parquet", changed)
            digests.add(opened(path).data.digest)
    assert len(digests) > 1


def test_sentence1_and_sentence2_are_pairs_too(tmp_path: Path) -> None:
    first, second, score = scored_pairs().values()
    table = {"sentence1": first, "sentence2": second, "score": score}
    assert opened(write_csv(tmp_path / "a.csv", table)).kind.name == "scored_pairs"


def test_several_files_are_one_set_of_data(tmp_path: Path) -> None:
    whole = pa.table(dict(pairs()))
    pq.write_table(whole, tmp_path / "whole.parquet")
    (tmp_path / "parts").mkdir()
    pq.write_table(whole[:25], tmp_path / "parts" / "a.parquet")
    write_json_lines(tmp_path / "parts" / "b.jsonl", whole[25:].to_pydict())
    parts = opened(tmp_path / "parts")
    assert parts.name == "a.parquet and 1 more"
    assert parts.data.digest == opened(tmp_path / "whole.parquet").data.digest


def test_numbers_in_a_file_without_types_stay_texts(tmp_path: Path) -> None:
    table = {"anchor": ["007", "1.50"], "positive": ["42", "0x1F"]}
    rows = open_rows(write_csv(tmp_path / "a.csv", table)).table()
    assert rows.to_pydict() == table


@pytest.mark.parametrize("group", [1000, 5000, 20_000])
def test_rows_come_in_batches_of_one_size(group: int, tmp_path: Path) -> None:
    count = 2 * BATCH_ROWS + 10
    table = pa.table({"anchor": [str(n) for n in range(count)], "positive": ["a"] * count})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=group)
    rows = open_rows(tmp_path / "a.parquet")
    assert rows.shape == PAIRS
    assert [len(batch) for batch in rows.batches()] == [BATCH_ROWS, BATCH_ROWS, 10]
    assert rows.table()["anchor"].to_pylist() == table["anchor"].to_pylist()


def test_anchors_that_repeat_are_one_query(tmp_path: Path) -> None:
    table = {"anchor": ["a", "b", "a"], "positive": ["x", "y", "y"]}
    content = opened(write_csv(tmp_path / "a.csv", table)).data.content
    assert content.queries == ["a", "b"]
    assert content.relevant == [{0: 1.0, 1: 1.0}, {1: 1.0}]


def corpora(folder: Path) -> Iterator[Path]:
    """The same texts in files of three formats."""
    texts = {"id": [10, 20, 30], "text": ["x", "y", "z"]}
    for name, write in WRITERS.items():
        yield write(folder / f"corpus-{name}", texts)


@pytest.mark.parametrize(
    ("write", "table"),
    [
        (write_parquet, {"query": ["a", "b"], "relevant_ids": [[10, 30], [20]]}),
        (write_json_lines, {"query": ["a", "b"], "relevant_ids": [["10", "30"], ["20"]]}),
        (write_csv, {"query": ["a", "a", "b"], "relevant_ids": [10, 30, 20]}),
        (write_csv, {"anchor": ["a", "a", "b"], "relevant_ids": [10, 30, 20]}),
    ],
)
def test_relevant_ids_are_lists_or_one_in_each_row(
    write: Callable[[Path, Table], Path], table: Table, tmp_path: Path
) -> None:
    data = write(tmp_path / "queries.parquet", table)
    data = data.rename(tmp_path / f"queries{'.csv' if write is write_csv else data.suffix}")
    data = data.rename(data.with_suffix(".jsonl")) if write is write_json_lines else data
    found = [opened(data, corpus).data for corpus in corpora(tmp_path)]
    assert [each.content.relevant for each in found] == [[{0: 1.0, 2: 1.0}, {1: 1.0}]] * 3
    assert len({each.digest for each in found}) == 1


@pytest.mark.parametrize("kind", [pa.list_(pa.int64()), pa.list_(pa.int64(), 2)])
def test_a_missing_id_in_a_list_is_told_by_its_row(kind: pa.DataType, tmp_path: Path) -> None:
    good, bad = (
        write_parquet(
            tmp_path / f"{value}.parquet",
            {"query": ["a", "b"], "relevant_ids": pa.array([[1, 2], [3, value]], kind)},
        )
        for value in (4, None)
    )
    assert open_rows(good).table()["relevant_ids"].to_pylist() == [["1", "2"], ["3", "4"]]
    with pytest.raises(InputError, match="a value in every row. Received: a null in row 2 of"):
        open_rows(bad).table()


def test_a_beir_folder_is_read_with_its_judgements(beir: Path) -> None:
    subject = opened(beir)
    assert (subject.kind.name, subject.name, subject.data.count) == ("retrieval", "scifact", 20)
    content = subject.data.content
    assert content.queries[1] == pairs()["anchor"][2]
    assert content.relevant[1] == {2: 1.0}
    [block] = content.corpus.blocks()
    assert block.texts[2] == f"a title {pairs()['positive'][2]}"


def test_one_split_of_a_beir_folder_is_named_by_its_file(tmp_path: Path) -> None:
    folder = write_beir(tmp_path / "scifact", splits=("dev", "test"))
    assert opened(folder).name == "scifact"
    dev, test = opened(folder / "qrels/dev.tsv"), opened(folder / "qrels/test.tsv")
    assert (dev.name, test.name) == ("scifact/dev", "scifact")
    assert dev.data.digest != test.data.digest == opened(folder).data.digest


def test_a_beir_folder_is_a_corpus_too(beir: Path, tmp_path: Path) -> None:
    queries = {
        "query": pairs()["anchor"][:40:2],
        "relevant_ids": [f"d{n}" for n in range(0, 40, 2)],
    }
    data = write_csv(tmp_path / "queries.csv", queries)
    with_folder = opened(data, beir).data
    assert with_folder.content.relevant == opened(beir).data.content.relevant
    assert with_folder.digest == opened(data, beir / "corpus.jsonl").data.digest


def test_a_query_that_is_a_text_of_the_corpus_does_not_find_itself(beir: Path) -> None:
    query = pairs()["anchor"][0]
    with (beir / "corpus.jsonl").open("a") as file:
        for name, text in (("q0", query), ("q2", "another text"), ("copy", query)):
            file.write(json.dumps({"_id": name, "title": "a title", "text": text}) + "\n")
    content = opened(beir).data.content
    assert content.itself == [40] + 19 * [-1]
    with (beir / "qrels/test.tsv").open("a") as file:
        file.write("q4\tq0\t1\n")
    assert opened(beir).data.content.itself == [40] + 19 * [-1]
    with (beir / "qrels/test.tsv").open("a") as file:
        file.write("q0\tq0\t1\n")
    assert opened(beir).data.content.itself == 20 * [-1]


def test_judgements_of_no_relevance_leave_a_query_out(beir: Path) -> None:
    with (beir / "qrels/test.tsv").open("a") as file:
        file.write("q1\td1\t0\nq3\td3\t-1\n")
    assert opened(beir).data.count == 20


def test_a_column_beside_the_corpus_is_renamed_as_well(tmp_path: Path) -> None:
    data = write_csv(tmp_path / "queries.csv", {"question": ["a"], "hit": ["7"]})
    corpus = write_csv(tmp_path / "corpus.csv", {"docno": ["7"], "body": ["x"]})
    names = {"query": "question", "relevant_ids": "hit", "id": "docno", "text": "body"}
    assert opened(data, corpus, **names).data.content.relevant == [{0: 1.0}]


def test_a_title_may_be_missing_in_one_file(tmp_path: Path) -> None:
    data = write_csv(tmp_path / "queries.csv", {"query": ["a"], "relevant_ids": ["2"]})
    first = write_csv(tmp_path / "1.csv", {"id": ["1"], "text": ["x"]})
    second = write_csv(tmp_path / "2.csv", {"id": ["2"], "text": ["y"], "title": ["19.80"]})
    content = opened(data, [first, second]).data.content
    assert [block.texts for block in content.corpus.blocks()] == [["x", "19.80 y"]]


def test_texts_may_be_stored_as_a_dictionary(tmp_path: Path) -> None:
    texts = pa.array(["a", "b", "a", "b"]).dictionary_encode()
    pq.write_table(pa.table({"text": texts, "label": texts}), tmp_path / "a.parquet")
    assert open_rows(tmp_path / "a.parquet").table()["text"].to_pylist() == ["a", "b", "a", "b"]


def test_labels_of_numbers_are_labels(tmp_path: Path) -> None:
    table = {**labels(), "label": [place % 3 for place in range(60)]}
    digests = {opened(write(tmp_path / n, table)).data.digest for n, write in WRITERS.items()}
    assert len(digests) == 1


def test_evaluating_needs_no_ray(tmp_path: Path, beir: Path, preset_folder: Path) -> None:
    data = write_json_lines(tmp_path / "a.jsonl", scored_pairs())
    program = (
        "import sys; sys.modules['ray'] = None\n"
        "from fnet_evaluate import evaluate\n"
        f"for data in ({str(data)!r}, {str(beir)!r}):\n"
        f"    [found] = evaluate({str(preset_folder)!r}, data)\n"
        "    print(found.count)"
    )
    assert run_program(program).split() == ["40", "20"]


def test_fields_of_a_folder_of_json_are_found_in_any_line(tmp_path: Path) -> None:
    lines = [{"text": "a", "label": "x"}, {"text": "b", "label": "y", "more": {"deep": 1}}] * 2
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert opened(tmp_path / "a.jsonl").kind.name == "labels"
