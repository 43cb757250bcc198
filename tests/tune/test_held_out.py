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
from fnet_tune.data.held_out import as_score
from tests.evaluate.conftest import write_beir
from tests.tune.conftest import pair

Tune = Callable[..., fnet_tune.Tuning]

TEXTS = [" is such. ".join(pair(number)) for number in range(60)]
ANCHORS, POSITIVES = map(list, zip(*(pair(number) for number in range(60)), strict=True))


def write(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


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
    for held_out, also, counts in ((own, labels, [30, 60]), (data, beir, [60, 20])):
        tuning = tune(data, map=renamed, held_out=held_out, also_evaluate=also, epochs=0.5)
        assert [each.count for each in tuning.before] == counts


def test_an_empty_path_is_not_the_working_folder(
    tune: Tune, pairs_file: Path, tmp_path: Path
) -> None:
    os.link(pairs_file, tmp_path / "pairs.parquet")
    for name in ("held_out", "also_evaluate"):
        with pytest.raises(InputError, match="Received: an empty path"):
            tune(pairs_file, **{name: ""})


def test_a_model_without_a_figure_is_worse_than_any() -> None:
    assert as_score(float("nan")) < as_score(-1.0) < as_score(0.5)
