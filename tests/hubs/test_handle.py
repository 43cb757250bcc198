"""Handles: read once, printed back exactly, and never a path to somewhere else."""

import string
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fnet_registry.errors import HandleError
from fnet_registry.presets.builtin import BUILT_IN_PRESETS, packaged_folder
from fnet_registry.presets.handle import BuiltInHandle, LocalHandle, parse_handle
from fnet_registry.presets.handles.huggingface import HuggingFaceHandle
from fnet_registry.presets.handles.kaggle import KaggleHandle

COMMIT = "0123456789abcdef" * 2 + "01234567"
PARTS = st.text(string.ascii_letters + string.digits + "_", min_size=1, max_size=20)
REVISIONS = st.lists(PARTS, min_size=1, max_size=3).map("/".join) | st.just(COMMIT)


@pytest.mark.parametrize(
    ("text", "handle", "pinned"),
    [
        ("f_net_base_en", BuiltInHandle("f_net_base_en"), False),
        ("kaggle://a/b/keras/c", KaggleHandle("a", "b", "c"), False),
        ("kaggle://a/b/keras/c/3", KaggleHandle("a", "b", "c", 3), True),
        ("hf://a/b", HuggingFaceHandle("a", "b"), False),
        ("hf://a/b@v1.0", HuggingFaceHandle("a", "b", "v1.0"), False),
        ("hf://a/b@refs/pr/7", HuggingFaceHandle("a", "b", "refs/pr/7"), False),
        (f"hf://a/b@{COMMIT}", HuggingFaceHandle("a", "b", COMMIT), True),
    ],
)
def test_every_form_is_read_and_printed_back(text: str, handle: object, pinned: bool):
    parsed = parse_handle(text)
    assert parsed == handle
    assert str(parsed) == text
    assert parsed.pinned is pinned


def test_a_folder_is_kept_as_an_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "f_net_base_en"
    folder.mkdir()
    monkeypatch.chdir(tmp_path)
    assert parse_handle("f_net_base_en") == BuiltInHandle("f_net_base_en")
    for text in ("./f_net_base_en", Path("f_net_base_en"), folder):
        assert parse_handle(text) == LocalHandle(folder)
    assert parse_handle(str(LocalHandle(folder))) == LocalHandle(folder)


def test_a_built_in_name_stands_for_a_pinned_handle_or_a_folder_of_the_package():
    for name, preset in BUILT_IN_PRESETS.items():
        target = BuiltInHandle(name).target
        if preset.handle is None:
            assert target == LocalHandle(packaged_folder(name))
        else:
            assert target.pinned
            assert str(target) == preset.handle


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "No such folder"),
        ("f_net_huge_en", r"No such folder, and no built-in preset \(f_net_base_en, f_net_large"),
        ("gs://bucket/x", "scheme 'gs'"),
        ("kaggle://a/b/c", "four parts"),
        ("kaggle://a/b/tensorFlow2/c", "framework must be 'keras', not 'tensorFlow2'"),
        ("kaggle://a/b/keras/c/0", "whole number from 1"),
        ("kaggle://a/b/keras/c/latest", "whole number from 1"),
        ("kaggle://a/b/keras/c/1/config.json", "four parts"),
        ("kaggle://../b/keras/c", r"unlike '\.\.'"),
        ("kaggle://a/b/keras/..", r"unlike '\.\.'"),
        ("hf://a", "an owner and a name"),
        ("hf://a/b/c", "unlike 'b/c'"),
        ("hf://a/b@", "unlike ''"),
        ("hf://a/b@../x", r"unlike '\.\./x'"),
        ("hf://a/b@/x", "unlike '/x'"),
        ("hf://a/..", r"unlike '\.\.'"),
        ("hf://a--b/c", "'--'"),
        ("hf://a/b\n", r"unlike 'b\\n'"),
    ],
)
def test_what_is_no_handle_is_refused_with_the_forms_that_are(text: str, why: str):
    with pytest.raises(HandleError, match=f"{why}.*for example 'f_net_base_en'.*Received: "):
        parse_handle(text)


@given(owner=PARTS, model=PARTS, variant=PARTS, version=st.none() | st.integers(1, 10**9 - 1))
def test_kaggle_handles_survive_being_printed(
    owner: str, model: str, variant: str, version: int | None
):
    handle = KaggleHandle(owner, model, variant, version)
    assert parse_handle(str(handle)) == handle


@given(owner=PARTS, name=PARTS, revision=st.none() | REVISIONS)
def test_hugging_face_handles_survive_being_printed(owner: str, name: str, revision: str | None):
    try:
        handle = HuggingFaceHandle(owner, name, revision)
    except HandleError:
        return
    assert parse_handle(str(handle)) == handle


@given(
    st.text()
    | st.builds("kaggle://{}".format, st.text())
    | st.builds("hf://{}".format, st.text())
    | st.builds("kaggle://{}/{}/keras/{}".format, st.text(), PARTS, st.text())
    | st.builds("hf://{}/{}@{}".format, PARTS, PARTS, st.text())
)
@example("\0")
@example("x" * 100_000)
@example("\ud800")
@example("hf://a/b@\u0661")
def test_any_text_is_a_handle_or_a_handle_error(text: str):
    try:
        handle = parse_handle(text)
    except HandleError:
        return
    assert parse_handle(str(handle)) == handle
    if not isinstance(handle, LocalHandle):
        assert str(handle) == text
        assert ".." not in text


@pytest.mark.parametrize("value", [None, 3, b"hf://a/b", ["hf://a/b"]])
def test_another_type_is_refused(value: object):
    with pytest.raises(HandleError, match="string or a path"):
        parse_handle(value)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("f_net_base_en", "f_net_base_en"),
        ("kaggle://keras/f_net/keras/f_net_large_en/3", "f_net_large_en"),
        ("hf://google/fnet-base@refs/pr/1", "fnet-base"),
        ("hf://google/fnet-base", "fnet-base"),
        ("tests/..", Path.cwd().name),
    ],
)
def test_a_handle_tells_what_to_call_a_model_made_from_it(text: str, label: str) -> None:
    assert parse_handle(text).label == label
