"""Tuning: examples in, a better version out, or none."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import mlflow
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import fnet_mlflow
import fnet_tune
from fnet_evaluate import evaluate, promote
from fnet_ray.model import resolve_model
from fnet_registry.encoding.config import EncodingConfig
from fnet_tune.registering import Story
from tests.tune.conftest import QUICK, pair

Tune = Callable[..., fnet_tune.Tuning]


def versions(name: str = "fnet") -> list[str]:
    return [each.version for each in mlflow.MlflowClient().search_model_versions(f"name='{name}'")]


def test_pairs_make_a_version_that_finds_more(tune: Tune, pairs_file: Path, registry: Path) -> None:
    losses = []
    tuning = tune(pairs_file, alias="tuned", on_progress=lambda now: losses.append(now.loss))
    assert sum(losses[-9:]) < 0.8 * sum(losses[:9])
    before, after = (each[0].figures["ndcg@10"].value for each in (tuning.before, tuning.after))
    assert after > before + 0.02
    assert tuning.registration is not None
    assert tuning.registration.model_uri == "models:/fnet/1"
    encoder = fnet_mlflow.load_model("models:/fnet@tuned")
    assert encoder.config.sequence_length == 16
    assert fnet_mlflow.verify_model("models:/fnet/1").passed
    assert not list((registry / "cache" / "fnet-registry" / "tuning").iterdir())


def test_what_is_registered_is_the_best_state_and_not_the_last(
    tune: Tune, pairs_file: Path, tmp_path: Path
) -> None:
    held_out = tmp_path / "other.jsonl"
    lines = (dict(zip(("anchor", "positive"), pair(n), strict=True)) for n in range(900, 930))
    held_out.write_text("".join(json.dumps(line) + "\n" for line in lines))
    seen = {}

    def watch(now) -> None:
        seen[now.state.step] = now.state.metric

    tuning = tune(pairs_file, held_out=held_out, epochs=12, on_progress=watch)
    assert tuning.registration is not None
    best = max(value for value in seen.values() if value is not None)
    assert tuning.state.best_metric == best == tuning.after[0].figures["ndcg@10"].value
    [again] = evaluate(tuning.registration.model_uri, held_out)
    assert again.figures["ndcg@10"].value == best


def test_labels_draw_their_texts_together(tune: Tune, labels_file: Path) -> None:
    tuning = tune(labels_file, seed=2)
    assert tuning.metric == "knn_accuracy"
    assert tuning.registration is not None
    assert tuning.after[0].figures["knn_accuracy"].low > 0.4


def test_scored_pairs_bring_cosines_into_order(tune: Tune, scored_file: Path) -> None:
    tuning = tune(scored_file, buckets=(8, 16), normalize=True)
    assert tuning.metric == "spearman"
    assert tuning.after[0].figures["spearman"].value > 0.5
    assert tuning.registration is not None
    told = tuning.registration.metadata
    assert (told["buckets"], told["pooling"], told["normalize"]) == ((8, 16), "mean", True)


def test_a_version_says_where_it_came_from(tune: Tune, pairs_file: Path) -> None:
    tuning = tune(pairs_file, tags={"team": "search"}, name="tuned", seed=7)
    version = mlflow.MlflowClient().get_model_version("tuned", "1")
    tags = version.tags
    assert tags["team"] == "search"
    assert tags["fnet.seed"] == "7"
    assert tags["fnet.tuned_on"] == "pairs.parquet"
    assert len(tags["fnet.tuned_on_sha256"]) == len(tags["fnet.parent_sha256"]) == 64
    after = tuning.after[0].figures["ndcg@10"].value
    assert float(tags["fnet.held_out_ndcg_at_10"]) == pytest.approx(after, abs=1e-5)
    assert "Tuned from " in version.description
    assert "the parent's was" in version.description


def test_one_run_holds_parameters_data_and_curves(tune: Tune, pairs_file: Path) -> None:
    tune(pairs_file)
    [run] = mlflow.search_runs(output_format="list")
    client = mlflow.MlflowClient()
    assert re.fullmatch(r"tune \w+ on pairs.parquet", run.info.run_name)
    told = run.data.tags["mlflow.note.content"]
    assert told.startswith("Tuned from ")
    assert re.search(r"\nRegistered as models:/\w+/1.$", told)
    assert run.data.params["recipe.batch_size"] == "24"
    assert run.inputs.dataset_inputs[0].dataset.name == "pairs.parquet"
    for curve in ("loss", "held_out_ndcg_at_10"):
        steps = [point.step for point in client.get_metric_history(run.info.run_id, curve)]
        assert steps == sorted(set(steps))
        assert len(steps) > 5
    assert (
        run.data.metrics["after_held_out_ndcg_at_10"]
        > run.data.metrics["before_held_out_ndcg_at_10"]
    )
    assert run.info.status == "FINISHED"


def test_where_nothing_improves_on_the_parent_nothing_is_registered(
    tune: Tune, pairs_file: Path, registry: Path
) -> None:
    tuning = tune(pairs_file, learning_rate=1e-12, epochs=1)
    assert tuning.registration is None
    assert versions() == []
    assert not list((registry / "cache" / "fnet-registry" / "tuning").iterdir())


def test_it_stops_early_where_it_no_longer_improves(tune: Tune, pairs_file: Path) -> None:
    tuning = tune(pairs_file, learning_rate=1e-12, epochs=20)
    # Not in the first half, in which a high learning rate can lower the figure for a while.
    assert tuning.recipe.steps / 2 < tuning.state.step < tuning.recipe.steps
    assert tuning.state.stale >= 3


def test_the_parents_encoding_is_the_default(pairs_file: Path, register: Callable) -> None:
    register(sequence_length=24, buckets=(12, 24), pooling="cls")
    tuning = fnet_tune.tune(
        "models:/fnet/1", pairs_file, name="fnet", batch_size=24, epochs=4, learning_rate=3e-3
    )
    assert tuning.registration is not None
    assert fnet_mlflow.load_model("models:/fnet/2").config.buckets == (12, 24)
    assert fnet_mlflow.load_model("models:/fnet/2").config.pooling == "cls"


def test_other_data_shows_what_it_cost(tune: Tune, pairs_file: Path, labels_file: Path) -> None:
    tuning = tune(pairs_file, also_evaluate=labels_file, epochs=2)
    assert [each.kind for each in tuning.before] == ["retrieval", "labels"]
    assert tuning.before[1].figures.keys() == tuning.after[1].figures.keys()


def test_what_files_of_a_users_own_measured_is_there_to_promote_by(
    pairs_file: Path, labels_file: Path, register: Callable
) -> None:
    register(sequence_length=16, alias="champion")
    files = {"held_out": pairs_file, "also_evaluate": labels_file}
    tuning = fnet_tune.tune("models:/fnet/1", pairs_file, name="fnet", **QUICK, **files)
    decision = promote("models:/fnet/2", require=["ndcg@10>champion", "knn_accuracy>=0.1"])
    assert decision.outcome == "promoted"
    [again] = evaluate("models:/fnet/2", pairs_file)
    assert tuning.after[0].data_digest == again.data_digest
    assert tuning.after[0].items == again.items
    runs = mlflow.search_runs(output_format="list")
    [whole] = [run for run in runs if "recipe.seed" in run.data.params]
    parents = {run.data.tags.get("mlflow.parentRunId") for run in runs if run is not whole}
    assert parents == {whole.info.run_id}


def test_hard_negatives_and_other_names_of_columns(tune: Tune, tmp_path: Path) -> None:
    anchors, positives = zip(*(pair(number) for number in range(240)), strict=True)
    negatives = [None if n % 3 else pair(n + 1)[0] for n in range(240)]
    table = pa.table({"question": anchors, "positive": positives, "negative": negatives})
    pq.write_table(table, tmp_path / "triplets.parquet")
    tuning = tune(tmp_path / "triplets.parquet", map={"anchor": "question"})
    assert tuning.registration is not None


def test_the_order_of_rows_and_the_format_of_files_leave_the_held_out_share(
    tune: Tune, tmp_path: Path
) -> None:
    rows = [dict(zip(("anchor", "positive"), pair(n), strict=True)) for n in range(100)]
    seen = []
    for name, these in (("a", rows), ("b", rows[::-1])):
        text = "".join(json.dumps(row) + "\n" for row in these)
        (tmp_path / f"{name}.jsonl").write_text(text)
        found = tune(tmp_path / f"{name}.jsonl", epochs=0.5).before[0]
        seen.append((found.count, found.figures["recall@1"].value))
    assert seen[0] == seen[1]
    assert seen[0][0] == 10


def test_lines_that_are_no_rows_are_counted_and_named(tune: Tune, tmp_path: Path) -> None:
    rows = [json.dumps(dict(zip(("anchor", "positive"), pair(n), strict=True))) for n in range(100)]
    rows[2:2] = ["", "{", '{"anchor": 3, "positive": "x"}', '{"positive": "x"}']
    (tmp_path / "p.jsonl").write_text("\n".join(rows))
    bad = tune(tmp_path / "p.jsonl", epochs=1).bad
    assert bad.named == [f"p.jsonl, row {row}: no usable anchor" for row in (4, 5, 6)]
    lines = ["anchor,positive", *(",".join(pair(n)) for n in range(100))]
    lines[3] = "too,many,values"
    (tmp_path / "p.csv").write_text("\n".join(lines))
    bad = tune(tmp_path / "p.csv", epochs=1).bad
    assert bad.named == ["p.csv, row 3: no usable anchor"]


def test_bad_rows_are_counted_and_named(tune: Tune, tmp_path: Path) -> None:
    anchors, positives = map(list, zip(*(pair(number) for number in range(100)), strict=True))
    anchors[3], positives[5], positives[98] = None, "  ", None
    pq.write_table(pa.table({"anchor": anchors, "positive": positives}), tmp_path / "p.parquet")
    bad = tune(tmp_path / "p.parquet", epochs=1).bad
    assert bad.count == 3
    assert bad.named == [
        "p.parquet, row 4: no usable anchor",
        "p.parquet, row 6: no usable positive",
        "p.parquet, row 99: no usable positive",
    ]


def test_a_card_counts_one_of_a_thing_and_lists_lengths_as_a_person_would(
    preset_folder: Path,
) -> None:
    story = Story(
        parent=resolve_model(preset_folder),
        metric="ndcg@10",
        before=0.25,
        after=0.5,
        data="pairs.parquet",
        data_digest="0" * 64,
        held_out=1,
        seed=0,
        step=1,
    )
    card = story.card(EncodingConfig(sequence_length=64, padding="bucket", buckets=(16, 32, 64)))
    assert "seed 0, 1 step. On 1 held-out example, ndcg@10 is 0.5000; the parent's" in card
    assert "padded to 16, 32 or 64 tokens" in card
    assert "padded to 64 tokens" in story.card(EncodingConfig(sequence_length=64))
