"""What a user may hand to `predict`: every form gives the texts' vectors or names what is wrong."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException

from fnet_mlflow.serving.inputs import read_texts
from fnet_registry import TextEncoder

TEXTS = ["a text", "another one, with more words"]

ONE_TEXT = {
    "str": "a text",
    "list": ["a text"],
    "dict of str": {"text": "a text"},
}

TWO_TEXTS = {
    "list": TEXTS,
    "array": np.array(TEXTS),
    "array of objects": np.array(TEXTS, dtype=object),
    "array of one column": np.array(TEXTS).reshape(2, 1),
    "series": pd.Series(TEXTS),
    "series called text": pd.Series(TEXTS, name="text"),
    "series with its own index": pd.Series(TEXTS, index=[7, 3]),
    "series of string[pyarrow]": pd.Series(TEXTS, dtype="string[pyarrow]"),
    "frame": pd.DataFrame(TEXTS),
    "frame with a text column": pd.DataFrame({"text": TEXTS}),
    "frame that begins with text": pd.DataFrame({"text": TEXTS, "id": ["x", "y"]}),
    "dict of array": {"text": np.array(TEXTS)},
    "dict of list": {"text": TEXTS},
    "list of dicts": [{"text": text} for text in TEXTS],
    "OpenAI's": {"input": TEXTS},
}

REFUSED_BY_US = {
    "None among texts": (["a text", None], "Row 1 .*Received: (None|nan)"),
    "NaN among texts": (pd.DataFrame({"text": ["a", float("nan")]}), "Row 1 .*Received: nan"),
    "None in an array": (np.array(["a", None], dtype=object), "Row 1 .*Received: (None|nan)"),
    "bytes among texts": ([b"a text"], "Row 0 .*Received: b'a text'"),
    "lists among rows": (pd.DataFrame({"text": [["a"], ["b"]]}), "Row 0 .*Received: \\['a'\\]"),
    "ids before the texts": (pd.DataFrame({"id": ["x"], "text": ["a"]}), "called 'text'.*'id'"),
    "no column called text": (pd.DataFrame({"body": ["a"]}), "called 'text'.*'body'"),
    "series of another name": (pd.Series(["a"], name="body"), "tolist.*'body'"),
}

REFUSED_BY_MLFLOW = {
    "tuple": ("a", "b"),
    "generator": (text for text in TEXTS),
    "integers": [1, 2],
    "empty list": [],
    "categorical": pd.Series(["a"], dtype="category"),
    "tensor of floats": np.zeros((2, 2)),
}


@pytest.fixture(scope="module")
def expected(encoder: TextEncoder) -> np.ndarray:
    return encoder.encode(TEXTS)


@pytest.mark.parametrize("data", ONE_TEXT.values(), ids=ONE_TEXT)
def test_one_text_gives_one_vector(pyfunc_model: Any, data: Any, expected: np.ndarray):
    np.testing.assert_array_equal(pyfunc_model.predict(data), expected[:1])


@pytest.mark.parametrize("data", TWO_TEXTS.values(), ids=TWO_TEXTS)
def test_every_form_of_two_texts_gives_their_vectors(
    pyfunc_model: Any, data: Any, expected: np.ndarray
):
    vectors = pyfunc_model.predict(data)
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors, expected)


@pytest.mark.parametrize(
    "empty", [pd.DataFrame({"text": []}, dtype=object), pd.Series([], dtype=str)]
)
def test_no_rows_give_no_vectors(pyfunc_model: Any, empty: Any, encoder: TextEncoder):
    assert pyfunc_model.predict(empty).shape == (0, encoder.dim)


@pytest.mark.parametrize(("data", "words"), REFUSED_BY_US.values(), ids=REFUSED_BY_US)
def test_what_is_no_text_is_refused_by_row_or_column(pyfunc_model: Any, data: Any, words: str):
    with pytest.raises(ValueError, match=words) as caught:
        pyfunc_model.predict(data)
    assert isinstance(caught.value, MlflowException), "a model server would answer 500"


@pytest.mark.parametrize("data", REFUSED_BY_MLFLOW.values(), ids=REFUSED_BY_MLFLOW)
def test_what_mlflow_refuses_never_reaches_the_model(pyfunc_model: Any, data: Any):
    with pytest.raises(MlflowException):
        pyfunc_model.predict(data)


def test_parameters_of_a_request(pyfunc_model: Any, encoder: TextEncoder):
    vectors = pyfunc_model.predict(TEXTS, params={"normalize": True, "batch_size": 1})
    np.testing.assert_array_equal(vectors, encoder.encode(TEXTS, normalize=True))


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"long_text": "error"}, "Row 0 must be at most 64 tokens"),
        ({"long_text": "cut"}, "truncate, error.*'cut'"),
        ({"batch_size": 0}, "batch_size"),
        ({"normalize": "yes"}, "normalize"),
    ],
)
def test_impossible_parameters_are_refused(pyfunc_model: Any, params: dict, words: str):
    with pytest.raises(MlflowException, match=words):
        pyfunc_model.predict(["word " * 400], params=params)


def test_nuls_at_the_end_do_not_count(pyfunc_model: Any, encoder: TextEncoder):
    """A model server makes numpy strings of a request's `inputs`, and numpy drops them."""
    padded = ["\0", "a text\0\0", "a\0text"]
    vectors = pyfunc_model.predict(padded)
    np.testing.assert_array_equal(vectors, encoder.encode(padded))
    np.testing.assert_array_equal(vectors, pyfunc_model.predict(np.array(padded)))


@pytest.mark.parametrize(
    "data",
    [
        pd.DataFrame({"text": [["x" * 1_000_000]] * 2}),
        pd.DataFrame({"x" * 1_000_000: ["a"]}),
        pd.DataFrame({"text": [b"x" * 1_000_000]}),
    ],
    ids=["row", "column", "bytes"],
)
def test_what_is_refused_is_not_echoed_whole(pyfunc_model: Any, data: Any):
    with pytest.raises(MlflowException, match=r"Received: .*x( … |\.\.\.)x") as caught:
        pyfunc_model.predict(data)
    assert len(str(caught.value)) < 3000


@given(st.lists(st.text()))
def test_any_list_of_texts_is_read_as_it_is(texts: list[str]):
    assert read_texts(texts) == texts
    assert read_texts(pd.DataFrame({"text": pd.Series(texts, dtype=object)})) == texts
