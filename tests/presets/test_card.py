"""Model cards: a licence where one is plainly stated, at a bounded cost whatever they hold."""

import shutil
from pathlib import Path

import pytest

from fnet_cli.main import main
from fnet_registry.presets.card import ModelCard, read_card
from fnet_registry.presets.fetch import fetch

ALIASES = "\n".join(
    ["a: &a [x,x,x,x,x,x,x,x,x]"]
    + [
        f"{key}: &{key} [{','.join([f'*{of}'] * 9)}]"
        for of, key in zip("abcdef", "bcdefg", strict=True)
    ]
)


@pytest.fixture
def preset(preset_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(preset_folder, tmp_path / "preset"))


def card_of(preset: Path, content: str) -> ModelCard:
    (preset / "README.md").write_text(content)
    return read_card(fetch(preset))


@pytest.mark.parametrize(
    ("stated", "read"),
    [
        ("license: apache-2.0", "apache-2.0"),
        ("license: [mit, apache-2.0]", "mit, apache-2.0"),
        ("license:\n- mit\n- mit", "mit"),
        ("license: mit\ndate: 2024-13-45", "mit"),
        ("license: mit\nsize: !!int none", "mit"),
        ("license:", None),
        ("license: null", None),
        ("license: {name: mit}", None),
        ("license: [mit, [apache-2.0]]", None),
        ("license: &a [*a]", None),
        ("license: " + "[" * 3000 + "]" * 3000, None),
        (f"{ALIASES}\nlicense: *g", None),
        ("license: mit\nnotes: " + "x" * (64 << 10), None),
        ("language: en", None),
        ("- a list", None),
        ("[broken", None),
    ],
)
def test_a_licence_is_a_text_or_a_list_of_texts(
    stated: str, read: str | None, preset: Path
) -> None:
    card = card_of(preset, f"---\n{stated}\n---\n\n# An FNet\n")
    assert card == ModelCard(license=read, text="# An FNet")


def test_aliases_do_not_make_a_licence_longer_than_the_card(preset: Path) -> None:
    aliases = ",".join(["*a"] * 10_000)
    card = card_of(preset, f"---\nname: &a {'x' * 30_000}\nlicense: [{aliases}]\n---\n")
    assert card.license == "x" * 30_000


@pytest.mark.parametrize("content", ["no header", "---\nunclosed", "---", "text\n---\n---"])
def test_a_card_without_a_front_matter_is_text(content: str, preset: Path) -> None:
    assert card_of(preset, content) == ModelCard(text=content.strip())


@pytest.mark.timeout(20)
def test_many_lines_take_no_longer_each(preset: Path) -> None:
    assert card_of(preset, "---" + "\n" * 500_000 + "x").license is None


def test_of_a_huge_card_the_first_part_is_read(preset: Path) -> None:
    text = card_of(preset, "word " * 1_000_000).text
    assert text is not None
    assert len(text) == 1 << 20


def test_a_preset_may_have_no_card(preset: Path) -> None:
    assert read_card(fetch(preset)) == ModelCard()


def test_lone_surrogates_are_shown_escaped(
    preset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (preset / "metadata.json").write_text('{"keras_version": "\\ud800"}')
    (preset / "README.md").write_text('---\nlicense: "\\ud800"\n---\n')
    assert main(["inspect", str(preset)]) == 0
    assert capsys.readouterr().out.count(r"\ud800") == 2


@pytest.mark.parametrize("escape", [r"\ud800", r"\x1b", r"\n", r"\x00"])
def test_a_licence_that_no_terminal_or_database_takes_is_escaped(preset: Path, escape: str) -> None:
    assert card_of(preset, f'---\nlicense: "a{escape}"\n---\ntext').license == f"a{escape}"


def test_a_card_holds_no_nul_which_a_database_refuses(preset: Path) -> None:
    found = card_of(preset, "---\nlicense: m\0it\n---\ne\0nd")
    assert found == ModelCard(license="mit", text="end")


@pytest.mark.parametrize("escape", [r"\U00110000", r"\Uffffffff"])
def test_a_licence_of_no_character_is_none(preset: Path, escape: str) -> None:
    assert card_of(preset, f'---\nlicense: "{escape}"\n---\ntext').license is None
