"""A user's own data to choose the best state by, and to see what tuning cost on."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import fnet_tune
from fnet_registry.errors import InputError
from fnet_tune.data.held_out import (
    Judge,
    as_score,
    kept,
    open_judge,
    warn_of_overlap,
    write_held_out,
)
from fnet_tune.data.reading import open_source
from fnet_tune.data.survey import survey
from tests.evaluate.conftest import write_beir
from tests.tune.conftest import pair

Tune = Callable[..., fnet_tune.Tuning]

TEXTS = [" is such. ".join(pair(number)) for number in range(60)]
ANCHORS, POSITIVES = map(list, zip(*(pair(number) for number in range(60)), strict=True))


def write(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def held_out_of(folder: Path, anchors: list[str], positives: list[str]) -> Judge:
    source = open_source(write(folder / "data.parquet", anchor=anchors, positive=positives), {})
    found = survey(source, hold_out=True)
    judge = write_held_out(source, found, folder)
    held_out = pq.read_table(folder / "held-out.parquet").num_rows
    assert held_out + sum(map(len, kept(source, found))) == len(anchors)
    return judge


@pytest.mark.parametrize(("anchors", "count"), [(2, 400), (8, 400), (8, 12_000)])
def test_of_few_anchors_pairs_are_held_out_by_both_texts(
    anchors: int, count: int, tmp_path: Path
) -> None:
    names = [f"topic {number % anchors}" for number in range(count)]
    judge = held_out_of(tmp_path, names, [f"text {number}" for number in range(count)])
    content = judge.open_to_choose().data.content
    assert content.size == min(1000, count // 10)
    assert len(content.queries) == anchors


def test_of_many_anchors_all_pairs_of_one_go_the_same_way(tmp_path: Path) -> None:
    names = [f"topic {number % 60}" for number in range(240)]
    held_out_of(tmp_path, names, [f"text {number}" for number in range(240)])
    held_out = pq.read_table(tmp_path / "held-out.parquet")["anchor"].to_pylist()
    assert sorted(held_out) == sorted(sorted(set(held_out)) * 4)
    assert len(held_out) == 24


def test_pairs_that_all_belong_together_choose_no_state(tmp_path: Path) -> None:
    every = [str(number) for number in range(40)]
    with pytest.raises(InputError, match="anchors and positives.* each of 1 text belongs to"):
        held_out_of(tmp_path, every, ["b"] * 40).open_to_choose()
    path = write(tmp_path / "dev.parquet", anchor=list("aabb"), positive=list("xyxy"))
    with pytest.raises(InputError, match=r"each of 2 texts .* each of 2 anchors in dev.parquet"):
        open_judge(path, {}).open_to_choose()


@pytest.mark.parametrize("others", [("anchor", "positive"), ("text", "label")])
def test_one_text_alone_teaches_nothing(others: tuple[str, str], tmp_path: Path) -> None:
    every = [str(number) for number in range(40)]
    data = write(tmp_path / "one.parquet", **dict(zip(others, (["a"] * 40, every), strict=True)))
    with pytest.raises(InputError, match="one and the same in 40 rows of one.parquet"):
        survey(open_source(data, {}), hold_out=False)


def test_teacher_vectors_may_be_held_out(tune: Tune, tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(60, 8)).tolist()
    data = write(tmp_path / "train.parquet", text=TEXTS[:40], embedding=vectors[:40])
    rest = [*vectors[40:59], None]
    held_out = write(tmp_path / "dev.parquet", text=TEXTS[40:], embedding=rest)
    tuning = tune(data, held_out=held_out, epochs=1)
    assert tuning.metric == "spearman"
    assert tuning.before[0].count == 38  # each beside two others
    assert tuning.bad.named == ["dev.parquet, row 20: no usable embedding"]
    none = write(tmp_path / "none.parquet", text=TEXTS, embedding=[[0.0]] * 60)
    with pytest.raises(InputError, match="different texts must be held out.* Received: 0"):
        tune(data, held_out=none)


def test_texts_that_are_held_out_are_split_as_the_others_are(tune: Tune, tmp_path: Path) -> None:
    data = write(tmp_path / "train.parquet", body=TEXTS[:40])
    held_out = write(tmp_path / "dev.parquet", body=TEXTS[40:])
    tuning = tune(data, held_out=held_out, split_texts=True, map={"text": "body"}, epochs=1)
    assert tuning.metric == "ndcg@10"
    assert tuning.before[0].count == 20
    empty = write(tmp_path / "empty.parquet", body=pa.array([], pa.string()))
    with pytest.raises(InputError, match=r"Data must have rows. Received: none in .*empty"):
        tune(data, held_out=empty, split_texts=True, map={"text": "body"})


def test_the_files_may_name_their_columns_differently(tune: Tune, tmp_path: Path) -> None:
    data = write(tmp_path / "train.parquet", title=ANCHORS, body=POSITIVES, hard=POSITIVES[::-1])
    renamed = {"anchor": "title", "positive": "body", "negative": "hard"}
    own = write(tmp_path / "own.parquet", anchor=ANCHORS[:30], positive=POSITIVES[:30])
    labels = write(tmp_path / "labels.parquet", text=TEXTS, label=[n % 2 for n in range(60)])
    beir = write_beir(tmp_path / "beir")  # whose texts have titles, too
    for given, held_out, also, counts in (
        (data, own, labels, [30, 60]),
        (data, data, beir, [60, 20]),
        (own, own, data, [30, 60]),
    ):
        tuning = tune(given, map=renamed, held_out=held_out, also_evaluate=also, epochs=0.5)
        assert [each.count for each in tuning.before] == counts
    with pytest.raises(InputError, match="--map must name columns of the file.* 'title'"):
        tune(labels, map=renamed, also_evaluate=own)


@pytest.mark.parametrize("name", ["pairs", "labels"])
def test_examples_that_are_held_out_in_a_file_of_their_own_are_told(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names, others = {
        "pairs": (("anchor", "positive"), POSITIVES),
        "labels": (("text", "label"), ["x", "y"] * 30),
    }[name]
    columns = pa.table([ANCHORS, others], list(names))
    for part, rows in (("data", columns[:40]), ("half", columns[20:]), ("rest", columns[40:])):
        pq.write_table(rows, tmp_path / f"{part}.parquet")
    source = open_source(tmp_path / "data.parquet", {})
    for part in ("rest", "half"):
        assert not caplog.records
        judge = open_judge(tmp_path / f"{part}.parquet", {})
        warn_of_overlap(source, judge.open_to_choose().data.content)
    assert "The first text of 20 examples in data.parquet is held out, too" in caplog.text


def test_an_empty_path_is_not_the_working_folder(
    tune: Tune, pairs_file: Path, tmp_path: Path
) -> None:
    os.link(pairs_file, tmp_path / "pairs.parquet")
    for name in ("held_out", "also_evaluate"):
        with pytest.raises(InputError, match="Received: an empty path"):
            tune(pairs_file, **{name: ""})


def test_a_model_without_a_figure_is_worse_than_any() -> None:
    assert as_score(float("nan")) < as_score(-1.0) < as_score(0.5)
