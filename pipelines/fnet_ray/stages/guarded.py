"""Texts meet native code in a process of their own: one that kills it is found, and refused.

SentencePiece is handed texts as they come, of any content and up to 64 MiB. What comes after it
sees bounded ids alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from fnet_ray.cluster.child import ChildDiedError, InChild
from fnet_ray.stages.tokens import Windowing, Windows, load_tokenizer, make_windows
from fnet_registry.errors import JobError

_Made = tuple[Windows, dict[int, int]]


class _TokenizingError(Exception):
    """Some texts were not tokenized; says why."""


class GuardedTokenizer:
    """Makes windows of texts in a child process, which ends with this object or its process.

    Args:
        proto: A serialised SentencePiece model.
    """

    def __init__(self, proto: bytes) -> None:
        self._proto = proto
        self._child: InChild | None = None

    def make_windows(
        self, texts: Sequence[str], windowing: Windowing
    ) -> tuple[Windows, dict[int, str]]:
        """Tokenize texts, each whatever the others do.

        Returns:
            The windows, and the texts that are refused: their index → why. The windows number the
            texts without these.

        Raises:
            JobError: The child process does not start.
        """
        try:
            windows, too_long = self._ask(texts, windowing)
        except _TokenizingError:
            refused = self._find(texts, windowing)
            if not refused and len(texts) > 1:  # together they are too much
                return self._make_by_halves(texts, windowing)
            kept = [i for i in range(len(texts)) if i not in refused]
            windows, others = self.make_windows([texts[i] for i in kept], windowing)
            return windows, refused | {kept[i]: why for i, why in others.items()}
        limit = windowing.sequence_length
        return windows, {i: f"{n} tokens, more than {limit}" for i, n in too_long.items()}

    def _make_by_halves(
        self, texts: Sequence[str], windowing: Windowing
    ) -> tuple[Windows, dict[int, str]]:
        middle = len(texts) // 2
        first, refused = self.make_windows(texts[:middle], windowing)
        second, others = self.make_windows(texts[middle:], windowing)
        second = replace(second, document=second.document + middle - len(refused))
        refused |= {middle + i: why for i, why in others.items()}
        return Windows.joined([first, second]), refused

    def _find(self, texts: Sequence[str], windowing: Windowing, start: int = 0) -> dict[int, str]:
        """Return the texts that cannot be tokenized, by halving what fails."""
        try:
            self._ask(texts, windowing)
        except _TokenizingError as error:
            if len(texts) == 1:
                return {start: str(error)}
            middle = len(texts) // 2
            first = self._find(texts[:middle], windowing, start)
            return first | self._find(texts[middle:], windowing, start + middle)
        return {}

    def _ask(self, texts: Sequence[str], windowing: Windowing) -> _Made:
        child = self.start()
        try:
            child.wait()
        except Exception as error:
            self._child = None
            raise JobError(f"The tokenizer's process must start. Received: {error}") from None
        try:
            return child.call("make", texts, windowing)
        except ChildDiedError as died:
            self._child = None
            raise _TokenizingError(f"the tokenizer died over this text ({died.status})") from None
        except Exception as error:  # whatever one of the texts makes it raise
            why = f"the tokenizer failed with {type(error).__name__}: {error}"
            raise _TokenizingError(why) from None

    def start(self) -> InChild:
        """Begin to start its process, if there is none."""
        self._child = self._child or InChild(_WindowMaker, self._proto)
        return self._child


class _WindowMaker:
    """Lives in the child process.

    Args:
        proto: A serialised SentencePiece model.
    """

    def __init__(self, proto: bytes) -> None:
        self._tokenizer = load_tokenizer(proto)

    def make(self, texts: Sequence[str], windowing: Windowing) -> _Made:
        return make_windows(texts, windowing, self._tokenizer)


@lru_cache(maxsize=2)
def guarded_tokenizer(proto: bytes) -> GuardedTokenizer:
    """Return the tokenizer, which a worker's process keeps between tasks."""
    return GuardedTokenizer(proto)
