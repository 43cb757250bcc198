"""SharedEncoder: requests in flight share products, and nobody can tell."""

import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event, current_thread, main_thread
from typing import Any

import numpy as np
import pytest

from fnet_registry import TextEncoder
from fnet_registry.encoding.packing import Tokens
from fnet_registry.encoding.shared import SharedEncoder
from fnet_registry.errors import TextError, TokensError

REQUESTS = [[f"request {n}", "word " * n, f"{n} more"][: n % 3 + 1] for n in range(16)]


class Watched(SharedEncoder):
    """Records the sizes of what is computed; the first of it starts when it is told to."""

    def _assemble(self, *args: Any, **options: Any) -> None:
        super()._assemble(*args, **options)
        self.sizes: list[int] = []
        self.threads: list[str] = []
        self.begin = Event()

    def _pool_batch(self, tokens: Tokens) -> Any:
        self.sizes.append(len(tokens))
        self.threads.append(current_thread().name)
        assert self.begin.wait(60)
        return super()._pool_batch(tokens)


@pytest.fixture
def watched(preset_folder: Path) -> Watched:
    return Watched.from_preset(preset_folder)


@contextmanager
def in_flight(encoder: Watched, calls: list[Callable[[], Any]]) -> Iterator[list[Future[Any]]]:
    """Begin calls in their order, and let the first be computed when all others wait."""
    with ThreadPoolExecutor(len(calls)) as pool:
        futures = []
        for count, call in enumerate(calls):
            futures.append(pool.submit(call))
            while not encoder.sizes or len(encoder._waiting) < count:
                time.sleep(0.001)
                assert not futures[-1].done(), futures[-1].exception()
        encoder.begin.set()
        yield futures


def test_requests_in_flight_are_computed_together_and_have_the_bits_they_have_alone(
    watched: Watched, encoder: TextEncoder
) -> None:
    calls = [lambda texts=texts: watched.encode(texts) for texts in REQUESTS[:13]]
    with in_flight(watched, calls) as futures:
        for texts, future in zip(REQUESTS, futures, strict=False):
            np.testing.assert_array_equal(future.result(), encoder.encode(texts))
    assert watched.sizes == [len(REQUESTS[0]), sum(map(len, REQUESTS[1:13]))]


def test_all_that_wait_are_computed_by_one_thread(watched: Watched) -> None:
    watched.batch_size = 1
    with in_flight(watched, [lambda: watched.encode(["a text"])] * 4):
        pass
    alone, *waited = watched.threads
    assert alone != waited[0]
    assert waited == [waited[0]] * 3
    watched.encode(["alone again"])
    assert watched.threads[-1] == current_thread().name


def test_requests_keep_what_they_ask_for(watched: Watched, encoder: TextEncoder) -> None:
    asked: list[dict[str, Any]] = [{"normalize": True}, {}, {"batch_size": 1}, {"normalize": False}]
    calls = [lambda asked=asked: watched.encode(["a", "text"], **asked) for asked in asked]
    with in_flight(watched, calls) as futures:
        for each, future in zip(asked, futures, strict=True):
            np.testing.assert_array_equal(future.result(), encoder.encode(["a", "text"], **each))


def test_no_more_than_a_batch_is_computed_at_once(watched: Watched, encoder: TextEncoder) -> None:
    watched.batch_size = 4
    calls = [lambda: watched.encode(["a text"] * 3, batch_size=64)] * 2
    with in_flight(watched, [*calls, *[lambda: watched.encode(["a text"])] * 3]):
        pass
    assert watched.sizes == [3, 4, 2]


def test_a_long_request_lets_others_in_between(watched: Watched) -> None:
    long = [f"text {n}" for n in range(96)]
    with in_flight(watched, [lambda: watched.encode(long), lambda: watched.encode(["a text"])]) as (
        all_of_it,
        short,
    ):
        short.result()
        assert not all_of_it.done()
    assert watched.sizes[:3] == [32, 1, 32]


def test_an_error_reaches_the_thread_whose_texts_caused_it(
    watched: Watched, encoder: TextEncoder
) -> None:
    none_such = Tokens(np.array([9_999_999], np.int32), np.array([0, 1]), np.array([False]))
    calls = [
        lambda: watched.encode(["first"]),
        lambda: watched.encode(["a text"]),
        lambda: watched.encode_tokens(none_such),
        lambda: watched.encode(["another"]),
    ]
    with in_flight(watched, calls) as (_, text, wrong, another):
        with pytest.raises(TokensError, match="must lie in"):
            wrong.result()
        np.testing.assert_array_equal(text.result(), encoder.encode(["a text"]))
        np.testing.assert_array_equal(another.result(), encoder.encode(["another"]))


def test_a_text_that_is_refused_never_waits_with_others(watched: Watched) -> None:
    texts: Any = ["a text", None]
    with pytest.raises(TextError, match="Row 1 must be a text"):
        watched.encode(texts)
    assert watched.sizes == []


def test_an_interrupted_thread_leaves_no_other_waiting(preset_folder: Path) -> None:
    class Interrupted(Watched):
        def _pool_batch(self, tokens: Tokens) -> Any:
            pooled = super()._pool_batch(tokens)
            if len(self.sizes) == 1:
                raise KeyboardInterrupt
            return pooled

    encoder = Interrupted.from_preset(preset_folder)
    with in_flight(encoder, [lambda: encoder.encode(["a text"])] * 3) as (first, *others):
        assert isinstance(first.exception(), KeyboardInterrupt)
        assert [other.result().shape for other in others] == [(1, encoder.dim)] * 2


def interrupt_once_it_waits(encoder: Watched) -> None:
    while not encoder._waiting:
        time.sleep(0.001)
    time.sleep(0.1)  # until it has come to wait
    signal.pthread_kill(main_thread().ident or 0, signal.SIGALRM)


def test_a_thread_that_is_interrupted_while_it_waits_leaves_no_other_waiting(
    watched: Watched,
) -> None:
    handler = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        with ThreadPoolExecutor(3) as pool:
            first = pool.submit(watched.encode, ["at work"])
            while not watched.sizes:
                time.sleep(0.001)
            interruption = pool.submit(interrupt_once_it_waits, watched)
            with pytest.raises(KeyboardInterrupt):
                watched.encode(["waits"])
            interruption.result(60)
            last = pool.submit(watched.encode, ["later"])
            watched.begin.set()
            assert first.result(60).shape == last.result(60).shape == (1, watched.dim)
    finally:
        signal.signal(signal.SIGALRM, handler)
    assert not watched._waiting
    assert watched.sizes == [1, 1]  # nothing was computed for nobody


def test_many_threads_get_the_bits_of_one(preset_folder: Path, encoder: TextEncoder) -> None:
    shared = SharedEncoder.from_preset(preset_folder, batch_size=5)
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(shared.encode, REQUESTS))
    for texts, vectors in zip(REQUESTS, found, strict=True):
        np.testing.assert_array_equal(vectors, encoder.encode(texts))
    assert not shared._waiting
