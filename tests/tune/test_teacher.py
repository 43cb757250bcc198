"""Teacher vectors: any encoder's, of any width, without that encoder."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

import fnet_mlflow
import fnet_tune
from fnet_evaluate.data.digest import digest_of
from fnet_registry.errors import InputError
from fnet_tune.data.reading import BadRows, open_source
from fnet_tune.data.survey import survey
from fnet_tune.data.vectors import scored_by_teacher, unit_vectors
from fnet_tune.training.losses import Examples, as_taught
from tests.tune.conftest import pair, taught

Tune = Callable[..., fnet_tune.Tuning]


def write(path: Path, texts: list[str], vectors: Any, kind: pa.DataType | None = None) -> Path:
    column = pa.array([None if v is None else list(v) for v in vectors], kind)
    pq.write_table(pa.table({"text": texts, "embedding": column}), path)
    return path


TEXTS = [pair(number)[0] for number in range(300)]


@pytest.mark.parametrize("width", [20, 32])  # the model's own is 32
def test_a_model_learns_a_teachers_vectors_through_a_head(
    width: int, tune: Tune, tmp_path: Path
) -> None:
    vectors = taught(TEXTS, width)
    data = write(tmp_path / "taught.parquet", TEXTS, vectors, pa.list_(pa.float32(), width))
    tuning = tune(data, epochs=12)
    assert tuning.metric == "spearman"
    before, after = (each[0].figures["spearman"].value for each in (tuning.before, tuning.after))
    assert after > before + 0.1
    encoder = fnet_mlflow.load_model("models:/fnet/1")
    assert encoder.dim == width
    assert fnet_mlflow.verify_model("models:/fnet/1").passed
    others = [pair(number)[0] for number in range(1000, 1040)]
    found, wanted = encoder.encode(others, normalize=True), taught(others, width)
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    own, foreign = (found * wanted).sum(1).mean(), (found[1:] * wanted[:-1]).sum(1).mean()
    assert own > foreign + 0.1  # they lie where the teacher's lie, and not only as far apart


def test_killed_it_goes_on_with_the_head_that_it_began_with(tune: Tune, taught_file: Path) -> None:
    def stop(now: Any) -> None:
        if now.state.step == 7:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        tune(taught_file, on_progress=stop)
    killed = tune(taught_file).registration
    whole = tune(taught_file).registration
    assert killed is not None
    assert whole is not None
    assert killed.created
    assert not whole.created  # its content is there already


@pytest.mark.parametrize("kind", [pa.float16(), pa.float32(), pa.float64()])
@pytest.mark.parametrize("make", [pa.list_, pa.large_list, lambda kind: pa.list_(kind, 2)])
def test_lists_of_any_kind_of_float_are_read(kind: Any, make: Any, tmp_path: Path) -> None:
    data = write(tmp_path / "a.parquet", ["a", "b"], [[1, 2], [0.5, -2]], make(kind))
    [batch] = open_source(data, {}).batches()
    assert batch["embedding"].to_pylist() == [[1, 2], [0.5, -2]]


def test_json_lines_and_csv_hold_vectors_too(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a", "embedding": [1, 2.5]}\n')
    (tmp_path / "a.csv").write_text('text,embedding\na,"[1, 2.5]"\n')
    for name in ("a.jsonl", "a.csv"):
        [batch] = open_source(tmp_path / name, {}).batches()
        assert batch["embedding"].to_pylist() == [[1, 2.5]]


def test_vectors_of_no_direction_are_bad_rows(tmp_path: Path) -> None:
    bad_ones = [None, [], [0.0, 0.0], [float("nan"), 1.0], [float("inf"), 1.0], [1e300, 1.0]]
    vectors = [*bad_ones, [None, 1.0], *[[1.0, 2.0]] * 3]
    data = write(tmp_path / "a.parquet", TEXTS[: len(vectors)], vectors, pa.list_(pa.float64()))
    bad = BadRows()
    kept = [len(batch) for batch in open_source(data, {}).batches(bad)]
    assert (kept, bad.count) == ([3], 7)
    assert bad.named[1] == "a.parquet, row 2: no usable embedding"


def test_lines_whose_vectors_are_no_lists_are_bad_rows(tmp_path: Path) -> None:
    good = {"text": "a", "embedding": [1, 2]}
    rows = [good, good | {"embedding": "no"}, good | {"embedding": 5}, good | {"embedding": [[1]]}]
    rows.append(good | {"embedding": [10**400]})
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    bad = BadRows()
    kept = [len(batch) for batch in open_source(tmp_path / "a.jsonl", {}).batches(bad)]
    assert (kept, bad.count) == ([1], 4)


def test_several_widths_are_refused_within_a_file_and_across_files(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", TEXTS, [[1, 2]] * 299 + [[1, 2, 3]], pa.list_(pa.float32()))
    with pytest.raises(InputError, match="must have one width.* Received: 2 and 3 values"):
        survey(open_source(tmp_path / "a.parquet", {}), hold_out=True)
    for width in (2, 3):
        vectors = taught(TEXTS, width)
        write(tmp_path / f"w{width}.parquet", TEXTS, vectors, pa.list_(pa.float32(), width))
    with pytest.raises(InputError, match="Received: 2 and 3 values"):
        survey(open_source(tmp_path / "w*.parquet", {}), hold_out=True)


def test_vectors_that_are_all_the_same_teach_nothing(tune: Tune, tmp_path: Path) -> None:
    data = write(tmp_path / "a.parquet", TEXTS, [[1.0, 2.0]] * 300)
    with pytest.raises(InputError, match="Teacher vectors must differ"):
        tune(data)
    other = write(tmp_path / "b.parquet", TEXTS, taught(TEXTS, 2))
    with pytest.raises(InputError, match="must have different embeddings. Received: one and"):
        tune(data, held_out=other)


def test_held_out_texts_stand_beside_their_nearest_and_beside_others() -> None:
    vectors = [[1, 0], [0, 1], [2, 0.1], [0, 3], [5, 5]]
    table = pa.table(
        {"text": [*"abcd", "a"], "embedding": pa.array(vectors, pa.list_(pa.float32()))}
    )
    rows = scored_by_teacher(table).to_pylist()
    assert [row["text_a"] + row["text_b"] for row in rows] == [
        *("ac", "bd", "ca", "db"),
        *("ab", "bc", "cd", "da"),
    ]  # fmt: skip
    assert rows[1]["score"] == pytest.approx(1)
    assert rows[4]["score"] == pytest.approx(0)
    with pytest.raises(InputError, match="At least 3 different texts must be held out"):
        scored_by_teacher(table.slice(0, 2))


def test_the_digest_of_vectors_is_that_of_their_single_precision() -> None:
    lists = [[0.5, 1.5], [2.0], []]
    digests = {
        digest_of([pa.record_batch([pa.array(values, pa.list_(kind))], names=["embedding"])])
        for kind in (pa.float32(), pa.float64())
        for values in (lists, lists)
    }
    assert len(digests) == 1
    other = pa.record_batch(
        [pa.array([[0.5], [1.5, 2.0], []], pa.list_(pa.float32()))], ["embedding"]
    )
    assert digest_of([other]) not in digests


def test_the_loss_is_the_distance_of_directions() -> None:
    vectors = torch.tensor([[2.0, 0], [0, 3.0]])
    examples = Examples(
        place=torch.tensor([[1], [0]]),
        text=torch.arange(2),
        target=torch.tensor([[0, 1], [0, 1]], dtype=torch.float16),
    )
    assert as_taught(vectors, examples).item() == pytest.approx(0.5)


def test_vectors_are_stored_in_half_precision_and_length_one() -> None:
    column = pa.array([[3.0, 4.0], [0.0, 1e-20]], pa.list_(pa.float32()))
    assert unit_vectors(column).tolist() == [[pytest.approx(0.6), pytest.approx(0.8)], [0, 1]]
    assert unit_vectors(column.slice(0, 0)).shape == (0, 0)
