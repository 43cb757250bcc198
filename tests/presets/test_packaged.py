"""The preset that comes with the package, and how it was made."""

import importlib
import json
import zipfile
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from fnet_registry import FNetBackbone, FNetTokenizer, TextEncoder
from fnet_registry.presets.builtin import BUILT_IN_PRESETS, packaged_folder
from fnet_registry.presets.card import read_card
from fnet_registry.presets.checkpoint import Checkpoint, read_checkpoint
from fnet_registry.presets.config import FNetConfig
from fnet_registry.presets.fetch import fetch
from fnet_registry.presets.tensors import parameter_count
from fnet_tune.training.network import Network

NAME = "f_net_mini_docs_en"
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    return TextEncoder.from_preset(NAME)


@pytest.fixture
def making(monkeypatch: pytest.MonkeyPatch):
    """What imports a module of the preset's making."""
    for folder in (ROOT / "examples", ROOT / "presets" / NAME):
        monkeypatch.syspath_prepend(folder)

    def load(name: str) -> ModuleType:
        return importlib.import_module(name)

    return load


def test_it_loads_without_a_network(encoder: TextEncoder, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    vectors = TextEncoder.from_preset(NAME).encode(["Split a string.", "Join two paths."])
    assert vectors.shape == (2, 480)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)


def test_it_is_small_and_its_sizes_are_those_that_are_listed():
    folder = packaged_folder(NAME)
    checkpoint = read_checkpoint(folder)
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 10_000_000
    assert {values.dtype.name for values in checkpoint.arrays.values()} == {"float16"}
    assert parameter_count(checkpoint.config) == BUILT_IN_PRESETS[NAME].parameter_count


def test_a_text_has_one_vector_in_any_company(encoder: TextEncoder):
    texts = ["Split a string.", "Return the greatest common divisor. " * 20, ""]
    alone = np.concatenate([encoder.encode([text]) for text in texts])
    np.testing.assert_array_equal(encoder.encode(texts), alone)


def test_backbone_and_tokenizer_take_its_name_too():
    backbone = FNetBackbone.from_preset(NAME)
    assert (backbone.num_layers, backbone.hidden_dim) == (1, 480)
    assert FNetTokenizer.from_preset(NAME).vocabulary_size() == 8000


def test_names_in_code_are_made_of_the_pieces_of_their_words():
    tokenizer = FNetTokenizer.from_preset(NAME)
    code, words = tokenizer.tokenize(["read_csv(filePath, sep=',')", "Read CSV: file path, sep."])
    assert code == words


def test_accents_are_kept_however_they_are_written(making):
    rules = making("vocabulary").normalization()
    assert rules["É"] == rules["E\N{COMBINING ACUTE ACCENT}"] == "é"
    assert rules["e\N{COMBINING ACUTE ACCENT}"] == "é"
    assert rules["_"] == rules["\N{NO-BREAK SPACE}"] == rules["\n"] == " "
    assert rules["\N{SOFT HYPHEN}"] == ""
    assert rules["fB"] == "f b"


def test_its_handle_is_its_name():
    folder = fetch(NAME)
    assert (str(folder.handle), folder.handle.pinned) == (NAME, False)


def test_its_card_names_the_licence_and_what_it_learnt_from():
    card = read_card(fetch(NAME))
    packages = (ROOT / "presets" / NAME / "packages.txt").read_text().splitlines()[2:]
    assert card.license == "apache-2.0"
    assert card.text is not None
    assert all(f"- {package.split()[0]}, " in card.text for package in packages)


def test_it_finds_what_a_summary_belongs_to_better_than_bm25(making, encoder: TextEncoder):
    figures = making("retrieval").measure(encoder)
    assert figures["R@10"] > 0.52  # BM25 has 0.498


def test_no_training_text_is_one_of_the_standard_library(making, tmp_path: Path):
    known = json.JSONDecoder.raw_decode.__doc__ or ""
    first, _, _ = (json.dumps.__doc__ or "").partition("\n\n")
    source = "\n".join(
        f"def f{number}():\n    {text!r}\n"
        for number, text in enumerate(
            [
                known,
                known.upper().replace(" ", "\n"),
                f"{first}\n\nBut what follows is told in words of its own.",
                "Fold a napkin into a swan.\n\nThe swan has two wings, and a neck that bends.",
            ]
        )
    )
    with zipfile.ZipFile(tmp_path / "toy-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr("toy/birds.py", source)
        archive.writestr("toy/tests/test_birds.py", "def f():\n    'Fold a test into a swan.'\n")
    made = making("pairs")
    read = list(made.read_archive(tmp_path / "toy-1.0-py3-none-any.whl"))
    assert [docstring.name for docstring in read] == [f"birds.f{number}" for number in range(4)]
    made.write_pairs([tmp_path / "toy-1.0-py3-none-any.whl"], tmp_path / "pairs.parquet")
    rows = made.pq.read_table(tmp_path / "pairs.parquet").to_pylist()
    assert rows == [
        {
            "anchor": "Fold a napkin into a swan.",
            "positive": "The swan has two wings, and a neck that bends.",
            "kind": "summary",
            "archive": "toy-1.0-py3-none-any.whl",
        }
    ]


def test_of_a_package_four_times_as_large_twice_as_many_pairs_are_drawn(making, monkeypatch):
    training, start = making("training"), making("start")
    monkeypatch.setattr(training, "BATCH", 30_000)
    archives = np.array(["large.whl"] * 400 + ["small.whl"] * 100)
    chances = start._chances(archives)
    drawn = training._draw(np.cumsum(chances), 0)
    assert (drawn < 400).mean() == pytest.approx(2 / 3, abs=0.02)
    summaries = np.arange(500) % 5 == 0
    drawn = training._draw(np.cumsum(chances * summaries), 1)
    assert set(drawn) == set(range(0, 500, 5))


def test_a_bag_of_pieces_is_put_into_a_model_that_gives_the_same_vectors(making):
    bags, start = making("bag"), making("start")
    sizes = {"vocabulary_size": 50, "num_layers": 1, "hidden_dim": 64, "intermediate_dim": 16}
    config = FNetConfig(**sizes, max_sequence_length=9, num_segments=1)
    torch.manual_seed(0)
    bag = bags.Bag(config, np.ones(50))
    with torch.no_grad():
        bag.vectors[0] = 0  # [CLS]
        bag.places += torch.randn(9)
        bag.outer.weight += torch.randn(64, 16)
    network = Network(
        Checkpoint(
            config=config,
            arrays=start.arrays_of(bag, config),
            tokenizer_proto=None,
            dtype="float32",
        ),
        "cls",
        dropout=0.0,
        dtype=torch.float32,
    )
    ids = np.random.default_rng(1).integers(1, 50, (6, 8))
    pieces = bags.Pieces(ids=ids.ravel(), begins=np.arange(0, 49, 8))
    outputs = network.vectors(torch.from_numpy(np.pad(ids, ((0, 0), (1, 0)))), [9] * 6)
    expected = bag(*pieces.read(np.arange(6)))
    torch.testing.assert_close(torch.nn.functional.normalize(outputs), expected)


@pytest.fixture
def training(making, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module that trains a bag, for seven steps."""
    training = making("training")
    monkeypatch.setattr(training, "BATCH", 4)
    monkeypatch.setattr(training, "SAVED_EACH", 2)
    monkeypatch.setattr(training, "STEPS", 7)
    return training


def train_bag(training: ModuleType, state: Path) -> dict[str, torch.Tensor]:
    """Trains a bag on 20 pairs, of which the first five are summaries."""
    sizes = {"vocabulary_size": 30, "num_layers": 1, "hidden_dim": 16, "intermediate_dim": 4}
    config = FNetConfig(**sizes, max_sequence_length=8, num_segments=1)
    anchors, positives = (
        training.Pieces(ids=drawn.integers(0, 30, 100), begins=np.arange(0, 101, 5))
        for drawn in map(np.random.default_rng, (1, 2))
    )
    pairs = training.Pairs(
        anchors=anchors, positives=positives, chances=np.ones(20), summaries=np.arange(20) < 5
    )
    return training.train_bag(config, pairs, state).state_dict()


def test_a_bags_training_ends_with_summaries_alone(training, monkeypatch, tmp_path: Path):
    drawn: list[np.ndarray] = []
    draw = training._draw
    monkeypatch.setattr(training, "_draw", lambda *which: drawn.append(draw(*which)) or drawn[-1])
    train_bag(training, tmp_path / "bag.pt")
    before, after = np.array(drawn[:5]), np.array(drawn[5:])  # six tenths of seven steps
    assert len(after) == 2
    assert before.max() >= 5
    assert after.max() < 5


def test_a_bags_training_goes_on_where_it_was_stopped(training, monkeypatch, tmp_path: Path):
    def train(name: str) -> dict[str, torch.Tensor]:
        return train_bag(training, tmp_path / name)

    unbroken = train("unbroken")

    def stopped(*scores: torch.Tensor) -> torch.Tensor:
        losses.append(scores)
        if len(losses) > 2 * 5:
            raise KeyboardInterrupt
        return cross_entropy(*scores)

    losses: list[object] = []
    cross_entropy = training.F.cross_entropy
    with monkeypatch.context() as broken:
        broken.setattr(training.F, "cross_entropy", stopped)
        with pytest.raises(KeyboardInterrupt):
            train("broken")
    assert torch.load(tmp_path / "broken")["step"] == 4
    for name, values in train("broken").items():
        torch.testing.assert_close(values, unbroken[name], rtol=0, atol=0)
