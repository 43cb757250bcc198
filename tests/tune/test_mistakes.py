"""What a user gets wrong costs one line and exit status 2, and says what was received."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fnet_cli.main import main
from tests.tune.conftest import pair

ROWS = [dict(zip(("anchor", "positive"), pair(number), strict=True)) for number in range(40)]
TAUGHT = {"text": "a", "embedding": [1, 2, 3]}


@pytest.fixture
def run(
    registry: Path,
    preset_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., tuple[int, str]]:
    """Runs the command on rows, and returns its status and its last line."""

    def run(rows: list[dict[str, Any]], *options: str, name: str = "fnet") -> tuple[int, str]:
        data = tmp_path / "data.jsonl"
        data.write_text("".join(json.dumps(row) + "\n" for row in rows))
        fixed = ("--name", name, "--sequence-length", "16", "--epochs", "1")
        status = main(["tune", str(preset_folder), str(data), *fixed, *options])
        return status, capsys.readouterr().err.strip().splitlines()[-1]

    return run


def scored(**changed: Any) -> list[dict[str, Any]]:
    rows = [
        {"text_a": row["anchor"], "text_b": row["positive"], "score": number}
        for number, row in enumerate(ROWS)
    ]
    return [row | changed for row in rows]


def labels(label: Any) -> list[dict[str, Any]]:
    return [{"text": row["anchor"], "label": label(n)} for n, row in enumerate(ROWS)]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([{"anchor": "a", "negative": "b"}] * 40, "Data must have the columns text_a, text_b"),
        ([{"text": "a"}] * 40, "Data must have the columns"),
        ([{"text": "a"}] * 40, "--split-texts makes pairs of their own parts. Received: text in"),
        ([{"text": "a", "embedding": [1, 2]}] * 39 + [TAUGHT], "must have one width"),
        ([{"text": "a", "embedding": [0, 0]}] * 40, "Received: 0 and 40 unusable"),
        ([{"text": "a", "embedding": 1}] * 40, "must hold vectors, as lists of numbers. Received"),
        ([TAUGHT] * 40, "Examples must have different first texts"),
        ([], "Data must have rows. Received: none"),
        (ROWS[:1], "at least 20 examples, and hundreds to learn much. Received: 1"),
        ([{"anchor": None, "positive": "b"}] * 40, "Received: 0 and 40 unusable (data.jsonl, row"),
        ([{"anchor": "a", "positive": "b"}] * 40, "Examples must have different first texts"),
        ([{"anchor": 1, "positive": "b"}] * 40, "Received: 0 and 40 unusable (data.jsonl, row 1: "),
        ([{"anchor": "a", "positive": 1}] * 40, "must hold texts. Received: int64"),
        (scored(score=2.5), "scores must differ"),
        (scored(score=float("nan")), "Received: 0 and 40 unusable"),
        (scored(score="high"), "Received: 0 and 40 unusable (data.jsonl, row 1: no usable score"),
        (labels(lambda _: "one"), "At least two labels"),
        (labels(lambda n: n), "At least two labels"),
        (labels(lambda n: n)[:20], "give more examples, or others as --held-out. Received: At"),
        (labels(lambda _: ""), "Received: 0 and 40 unusable"),
    ],
)
def test_bad_data(run: Callable, rows: list[dict[str, Any]], words: str) -> None:
    status, line = run(rows)
    assert status == 2
    assert line.startswith("fnet: error: ")
    assert words in line
    assert "Received" in line


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--batch-size", "1"], "`batch_size` must be at least 2"),
        (["--learning-rate", "0"], "`learning_rate` must be above 0"),
        (["--learning-rate", "nan"], "`learning_rate` must be above 0"),
        (["--epochs", "-1"], "`epochs` must be above 0"),
        (["--epochs", "1e308"], "`epochs` must be above 0 and below 1,000,000. Received: 1e+308"),
        (["--seed", "-1"], "`seed` must lie in [0, 2**32)"),
        (["--sequence-length", "65"], "`sequence_length` must be at most 64"),
        (["--buckets", "8,12"], "`buckets` must be lengths in rising order"),
        (["--alias", "latest"], "An alias holds letters"),
        (["--tag", "team"], "A tag is written key=value"),
        (["--tag", "a,b=c"], "A tag's name holds at most 250 letters"),
        (["--tag", "../a=b"], "as a relative path may"),
        (["--tag", f"a={'v' * 100_001}"], "and its value 100,000 characters"),
        (["--tag", f"{'k' * 251}=v"], "at most 250 letters"),
        (["--map", "question=anchor"], "Columns are renamed as"),
        (["--map", "anchor=question"], "--map must name columns of the file"),
        (["--split-texts"], "Data must have the columns text; name others with --map"),
        (["--device", "bogus"], "`device` must be one that torch can use here"),
        (["--workers", "0"], "`workers` must be a number of at least 1"),
        (["--held-out", "nowhere.parquet"], "nowhere.parquet"),
        (["--also-evaluate", "nowhere.parquet"], "nowhere.parquet"),
    ],
)
def test_bad_options(run: Callable, options: list[str], words: str) -> None:
    status, line = run(ROWS, *options)
    assert status == 2
    assert words in line
    assert not Path("cache").exists()  # nothing was begun


def test_a_name_that_the_registry_does_not_take(run: Callable) -> None:
    status, line = run(ROWS, name="a/b")
    assert status == 2
    assert "a/b" in line


def test_held_out_data_must_have_a_figure_to_choose_by(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("one text\nanother text\n")
    status, line = run(ROWS, "--held-out", str(tmp_path / "texts.txt"))
    assert status == 2
    assert "Held-out examples must be pairs, scored pairs or labels" in line


def test_a_learning_rate_that_is_far_too_high(run: Callable) -> None:
    status, line = run(ROWS, "--learning-rate", "1e30", "--epochs", "40")
    assert status == 2
    assert "lower --learning-rate" in line
    assert not list(Path("cache/fnet-registry/tuning").iterdir())


def test_nothing_better_is_exit_status_1(run: Callable, capsys: pytest.CaptureFixture[str]) -> None:
    status, _ = run(ROWS, "--learning-rate", "1e-12")
    assert status == 1


def test_help_says_what_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["tune", "--help"])
    told = capsys.readouterr().out
    assert "anchor" in told
    assert "--held-out" in told


def test_labels_that_are_no_two_texts(run: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    held_out = tmp_path / "held-out.jsonl"
    held_out.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    status, line = run(labels(str), "--held-out", str(held_out))
    assert status == 2
    assert "At least two labels must have two texts or more, to learn from" in line
    assert "Received: 40 labels of 40 texts, 0 of them so" in line
