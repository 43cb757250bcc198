"""What of a user's files is learnt from, and what is left out."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fnet_evaluate.data import columns
from fnet_evaluate.data.rows import BATCH_ROWS
from fnet_registry import FNetTokenizer
from fnet_registry.encoding.config import complete_encoding
from fnet_tune.data.prepared import prepare
from fnet_tune.data.reading import BadRows, open_source, renamed_in
from fnet_tune.data.survey import survey
from fnet_tune.training.batches import Batches
from fnet_tune.training.sampling import EachOnce
from tests.evaluate.conftest import WRITERS, write_parquet

PAIR = {"text_a": "a", "text_b": "b"}


@pytest.mark.parametrize("bad", ["none", True, [1], {"score": 1}, "", "nan"])
def test_a_score_that_is_no_number_is_left_out_alone(bad: Any, tmp_path: Path) -> None:
    scores = [0.5, bad, 1, "1.5", None]
    path = tmp_path / "scored.jsonl"
    path.write_text("\n".join(json.dumps(PAIR | {"score": score}) for score in scores))
    found = BadRows()
    [batch] = open_source(path, {}).batches(found)
    assert batch["score"].to_pylist() == [0.5, 1.0, 1.5]
    assert found.named == [f"scored.jsonl, row {row}: no usable score" for row in (2, 5)]


def test_a_bad_score_is_left_out_alone_wherever_it_stands(tmp_path: Path) -> None:
    rows = [PAIR | {"score": number} for number in range(BATCH_ROWS)] + [PAIR | {"score": "n/a"}]
    path = tmp_path / "scored.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    found = BadRows()
    assert sum(map(len, open_source(path, {}).batches(found))) == BATCH_ROWS
    assert found.named == ["scored.jsonl, row 8193: no usable score"]


def test_scores_that_differ_by_little_have_an_order(tmp_path: Path, preset_folder: Path) -> None:
    scores = [1.7e9 + number for number in range(40)]
    texts = [str(number) for number in range(40)]
    table = {"text_a": texts, "text_b": texts, "score": scores}
    source = open_source(write_parquet(tmp_path / "scored.parquet", table), {})
    found = survey(source, hold_out=False)
    tokenizer = FNetTokenizer.from_preset(preset_folder)
    examples = prepare(source, found, tmp_path, tokenizer=tokenizer, sequence_length=8)
    batches = Batches(
        examples=examples,
        sampler=EachOnce(count=40, seed=0),
        batch_size=40,
        encoding=complete_encoding(64, sequence_length=8),
        pad_token_id=tokenizer.pad_token_id,
    )
    order = batches.sampler.draw(0, 40)[:, 0]
    assert batches.read(0).examples.wanted.tolist() == order.tolist()


@pytest.mark.parametrize("kind", [pa.string_view(), pa.large_string()])
def test_texts_may_be_of_any_of_arrows_types(kind: pa.DataType, tmp_path: Path) -> None:
    column = pa.array(["a", None, " ", "b"], kind)
    for names in (("anchor", "positive"), ("text", "label")):
        pq.write_table(pa.table([column, column], names), tmp_path / "data.parquet")
        [batch] = open_source(tmp_path / "data.parquet", {}).batches()
        assert [each.to_pylist() for each in batch.columns[:2]] == [["a", "b"]] * 2


@pytest.mark.parametrize("name", ["labels.parquet", "labels.jsonl"])
def test_a_label_that_is_nan_is_none(name: str, tmp_path: Path) -> None:
    labels = [1.0, float("nan"), 2.0, float("nan")]
    WRITERS[f"data.{name.partition('.')[2]}"](
        tmp_path / name, {"text": list("abcd"), "label": labels}
    )
    found = BadRows()
    [batch] = open_source(tmp_path / name, {}).batches(found)
    assert batch["text"].to_pylist() == ["a", "c"]
    assert found.named == [f"{name}, row {row}: no usable label" for row in (2, 4)]


def test_negatives_in_a_file_without_types_are_texts(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text("anchor,positive,negative\n1,2,3.50\n4,5,\n")
    [batch] = open_source(path, {}).batches()
    assert batch["negative"].to_pylist() == ["3.50", None]


def test_another_name_of_a_column_that_only_other_data_has_is_for_that(tmp_path: Path) -> None:
    data = write_parquet(tmp_path / "data.parquet", {"text": ["a"], "label": ["x"]})
    faq = write_parquet(tmp_path / "faq.parquet", {"question": ["a"], "answer": ["b"]})
    own, other = {"text": "label"}, {"anchor": "question", "positive": "answer"}
    assert renamed_in(data, own | other, [faq]) == own
    assert renamed_in(data, other, []) == other  # which is refused
    assert renamed_in([data, faq], other, [faq]) == other


def test_a_text_that_is_not_utf_8_is_left_out_alone(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes(b"text,label\na text,x\ncaf\xe9,x\nb,caf\xe9\nc,y\n")
    found = BadRows()
    [batch] = open_source(path, {}).batches(found)
    assert batch["text"].to_pylist() == ["a text", "c"]
    assert found.named == [
        "labels.csv, row 2: no usable text",
        "labels.csv, row 3: no usable label",
    ]


def test_as_many_bad_rows_as_there_are_take_one_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, looks = columns.ids_or_nulls, []

    def watched(column: pa.ChunkedArray) -> pa.ChunkedArray:
        looks.append(len(column))
        return read(column)

    monkeypatch.setattr(columns, "ids_or_nulls", watched)
    path = tmp_path / "labels.csv"
    rows = "".join(f"text number {i},{i % 5 if i % 2 else ''}\n" for i in range(60_000))
    path.write_text(f"text,label\n{rows}")
    found = BadRows()
    assert sum(map(len, open_source(path, {}).batches(found))) == found.count == 30_000
    assert len(looks) <= 2


@pytest.mark.parametrize("names", [("question", "anchor"), ("anchor", "question")])
def test_a_column_goes_by_another_name_in_the_files_that_have_it(
    names: tuple[str, str], tmp_path: Path
) -> None:
    for number, name in enumerate(names):
        pq.write_table(
            pa.table({name: [f"a {name}"], "positive": ["b"]}), tmp_path / f"{number}.parquet"
        )
    batches = open_source(tmp_path, {"anchor": "question"}).batches()
    found = [text for each in batches for text in each["anchor"].to_pylist()]
    assert found == [f"a {name}" for name in names]
