"""Texts alone: pairs of their own parts."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

import fnet_tune
from fnet_tune.data.reading import BadRows, open_source
from fnet_tune.data.splitting import split_text, split_texts
from tests.tune.conftest import pair


@pytest.mark.parametrize(
    ("text", "first", "rest"),
    [
        ("Return the sum.\n\nThe items are added.", "Return the sum.", "The items are added."),
        ("Return the sum.\r\n \r\nThe items. All.", "Return the sum.", "The items. All."),
        ("Return the sum. The items. All.", "Return the sum.", "The items. All."),
        ("Is this a test? It is one, surely.", "Is this a test?", "It is one, surely."),
        ('He said "stop it." Then he left us.', 'He said "stop it."', "Then he left us."),
        ("Dr. Smith went out. Nobody saw it.", "Dr. Smith went out.", "Nobody saw it."),
        ("  \n\nReturn the sum.\n\nOf all items.\n\n", "Return the sum.", "Of all items."),
        ("Short.\n\nThe sum of it.\n\nOf all items.", "Short.\n\nThe sum of it.", "Of all items."),
        ("あ" * 9 + "。" + "い" * 9 + "。", "あ" * 9 + "。", "い" * 9 + "。"),
    ],
)  # fmt: skip
def test_a_text_is_parted_behind_its_first_paragraph_or_sentence(
    text: str, first: str, rest: str
) -> None:
    assert split_text(text) == (first, rest)


@pytest.mark.parametrize(
    "text", ["", "  ", "A text.", "One sentence that has no second.", "First of all. No.", "a\n\nb"]
)
def test_what_has_no_two_parts_is_none(text: str) -> None:
    assert split_text(text) == (None, None)


def test_hostile_texts_are_parted_in_no_time() -> None:
    for text in ("\n" * 10**6, ". " * 10**6, ".)" * 10**6, "a" + " " * 10**6 + "b", "a.\n" * 10**6):
        split_text(text)


def test_parts_are_those_of_the_text_and_the_same_each_time() -> None:
    texts = pa.array([f"{' '.join(pair(n))}. {' '.join(pair(n + 1))}" for n in range(50)])
    parts = split_texts(texts)
    assert parts == split_texts(texts)
    joined = [" ".join(row.values()) for row in parts.to_pylist()]
    assert joined == texts.to_pylist()


@pytest.fixture
def texts_file(tmp_path: Path) -> Path:
    """Texts of two sentences with the same words, and three that are of no use."""
    path = tmp_path / "texts.jsonl"
    rows = [{"text": ". ".join(pair(n))} for n in range(240)]
    rows[3:3] = [{"text": "Too short. So."}, {"text": None}, {"text": "only one sentence of words"}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_pairs_of_parts_are_tuned_on(tune: Callable, texts_file: Path) -> None:
    tuning = tune(texts_file, split_texts=True)
    assert tuning.metric == "ndcg@10"
    assert tuning.registration is not None
    assert tuning.after[0].figures["ndcg@10"].value > tuning.before[0].figures["ndcg@10"].value
    assert tuning.bad.count == 3
    assert tuning.bad.named == [
        f"texts.jsonl, row {row}: no text of two parts" for row in (4, 5, 6)
    ]


def test_no_other_column_is_read(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    row = {"text": "The first sentence. And then the second.", "label": None}
    path.write_text(json.dumps(row) + "\n")
    [batch] = open_source(path, {}, split_texts=True).batches(bad := BadRows())
    assert batch.to_pylist() == [
        {"anchor": "The first sentence.", "positive": "And then the second.", "negative": None}
    ]
    assert bad.count == 0


def test_lines_of_plain_text_and_other_names_of_columns(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("The first sentence. And then the second.\n")
    (tmp_path / "a.csv").write_text("body,id\nThe first sentence. And then the second.,1\n")
    found = []
    for name, renamed in (("a.txt", {}), ("a.csv", {"text": "body"})):
        found += open_source(tmp_path / name, renamed, split_texts=True).batches()
    assert found[0] == found[1]


def test_each_text_is_tokenized_once(
    tune: Callable[..., fnet_tune.Tuning], texts_file: Path, registry: Path
) -> None:
    def stop(now: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(texts_file, split_texts=True, on_progress=stop)
    [path] = (registry / "cache" / "fnet-registry" / "tuning").glob("*/ids.bin")
    before = path.stat().st_mtime_ns
    with pytest.raises(KeyboardInterrupt):
        tune(texts_file, split_texts=True, on_progress=stop)
    assert path.stat().st_mtime_ns == before
