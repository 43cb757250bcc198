"""OpenAI's embeddings API: the answers, and what is refused."""

import base64
import json
from typing import Any

import numpy as np
import pytest

from fnet_mlflow.serving import openai
from fnet_registry import TextEncoder
from fnet_registry.encoding.packing import Tokens

TEXTS = ["a text", "another one, " * 40, ""]


def ask(encoder: TextEncoder, **fields: Any) -> dict[str, Any]:
    body = json.dumps({"model": "fnet", "input": TEXTS} | fields).encode()
    return openai.answer(body, model="fnet", encoder=encoder)


def test_an_answer_lists_a_vector_for_each_text(encoder: TextEncoder) -> None:
    answer = ask(encoder)
    assert (answer["object"], answer["model"]) == ("list", "fnet")
    assert [row["index"] for row in answer["data"]] == [0, 1, 2]
    assert {row["object"] for row in answer["data"]} == {"embedding"}
    found = json.loads(json.dumps([row["embedding"] for row in answer["data"]]))
    np.testing.assert_array_equal(np.array(found, np.float32), encoder.encode(TEXTS))


def test_large_requests_are_tokenized_one_at_a_time(
    encoder: TextEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone, tokenize = [], encoder.tokenize

    def watched(texts: list[str]) -> Tokens:
        alone.append(openai._ONE_IS_READ.locked())
        return tokenize(texts)

    monkeypatch.setattr(encoder, "tokenize", watched)
    ask(encoder)
    ask(encoder, input="x" * (1 << 20))
    assert alone == [False, True]


def test_one_text_needs_no_list(encoder: TextEncoder) -> None:
    assert ask(encoder, input="a text")["data"] == ask(encoder, input=["a text"])["data"]


def test_base64_is_float32_with_its_lowest_byte_first(encoder: TextEncoder) -> None:
    rows = ask(encoder, encoding_format="base64", dimensions=encoder.dim)["data"]
    found = [np.frombuffer(base64.b64decode(row["embedding"]), "<f4") for row in rows]
    np.testing.assert_array_equal(found, encoder.encode(TEXTS))


def test_usage_counts_the_tokens_that_were_computed_on(encoder: TextEncoder) -> None:
    word = len(encoder.tokenizer.tokenize(["a text"])[0])
    expected = (word + 2) + encoder.config.sequence_length + 2
    assert ask(encoder)["usage"] == {"prompt_tokens": expected, "total_tokens": expected}


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"input": None}, "input", "must be a text or a list of texts"),
        ({"input": []}, "input", "must be a text or a list of texts"),
        ({"input": {"text": "a"}}, "input", "must be a text or a list of texts"),
        ({"input": ["a", None]}, "input", "Row 1 must be a text"),
        ({"input": ["a", 1]}, "input", "Row 1 must be a text"),
        ({"input": ["\ud800"]}, "input", "Row 0 must be valid Unicode"),
        ({"input": [1, 2]}, "input", "check_embedding_ctx_length=False"),
        ({"input": [[1, 2], [3]]}, "input", "check_embedding_ctx_length=False"),
        ({"input": ["a"] * 3000}, "input", "at most 2,048 texts. Received: 3,000"),
        ({"model": None}, "model", "must be 'fnet'"),
        ({"dimensions": 16}, "dimensions", "must be 32, the width of this model"),
        ({"dimensions": "32"}, "dimensions", "must be 32"),
        ({"encoding_format": "hex"}, "encoding_format", "float or base64. Received: 'hex'"),
        ({"normalize": True}, "normalize", "Received: 'normalize'"),
    ],
    ids=str,
)
def test_a_mistake_is_refused_in_words(
    fields: dict[str, Any], param: str, words: str, encoder: TextEncoder
) -> None:
    with pytest.raises(openai.RefusedError) as caught:
        ask(encoder, **fields)
    error = caught.value.body["error"]
    assert (caught.value.status, error["param"]) == (400, param)
    assert error["type"] == "invalid_request_error"
    assert words in error["message"]
    assert len(error["message"]) < 1100


def test_another_model_is_not_found(encoder: TextEncoder) -> None:
    with pytest.raises(openai.RefusedError, match="The model here is 'fnet'") as caught:
        ask(encoder, model="text-embedding-3-small")
    assert (caught.value.status, caught.value.code) == (404, "model_not_found")


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff", b"{", b"[" * 100_000, b"9" * 5000, b"[]", b'"text"'],
    ids=["empty", "no UTF-8", "half", "deep", "many digits", "list", "text"],
)
def test_what_is_no_json_object_is_refused(body: bytes, encoder: TextEncoder) -> None:
    with pytest.raises(openai.RefusedError, match="A request must be") as caught:
        openai.answer(body, model="fnet", encoder=encoder)
    assert caught.value.status == 400


def test_a_body_is_too_large_as_soon_as_that_shows() -> None:
    openai.check_size(16 << 20)
    with pytest.raises(openai.RefusedError, match="at most 16 MiB") as caught:
        openai.check_size((16 << 20) + 1)
    assert caught.value.status == 413
