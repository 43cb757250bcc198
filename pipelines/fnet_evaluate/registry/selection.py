"""Which of a version's evaluations is meant."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from fnet_evaluate.opening import open_subject
from fnet_mlflow.registry.evaluations import LoggedEvaluation
from fnet_registry.errors import InputError, ModelError
from fnet_registry.shown import one_line, shown

_SHORTEST_DIGEST = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class DataChoice:
    """Data as a user names it.

    Args:
        name: Its name.
        digest: SHA-256 of its rows, where this is known.
    """

    name: str
    digest: str | None = None

    @classmethod
    def of(cls, logged: LoggedEvaluation) -> Self:
        """Name the data of an evaluation."""
        return cls(name=logged.data, digest=logged.data_digest)

    @classmethod
    def read(cls, text: str) -> Self:
        """Read what a user wrote: a file is read, for its rows may have changed since.

        Raises:
            InputError: The file alone is not data that can be evaluated.
        """
        if "://" not in text and not os.path.exists(text):
            return cls(name=text)
        try:
            subject = open_subject(text, corpus=None, renamed={})
        except InputError as error:
            raise InputError(
                "Expected a name or the beginning of a digest, as `fnet evaluate` prints them, or "
                f"a file that needs no --corpus and no --map. Received: {shown(text)}: {error}"
            ) from None
        return cls(name=subject.name, digest=subject.data.digest)

    def means(self, logged: LoggedEvaluation) -> bool:
        """Say whether this is the data of an evaluation."""
        if self.digest is not None:
            return logged.data_digest == self.digest
        begins = len(self.name) >= _SHORTEST_DIGEST and logged.data_digest.startswith(self.name)
        return begins or logged.data == self.name

    def __str__(self) -> str:
        name = one_line(self.name)
        return name if self.digest is None else f"{name} ({self.digest[:8]})"


def select(
    evaluations: Sequence[LoggedEvaluation], metric: str, data: DataChoice | None
) -> LoggedEvaluation | None:
    """Find the evaluation that has a figure, of the data if any is chosen.

    Raises:
        ModelError: There are several.
    """
    found = [
        each
        for each in evaluations
        if metric in each.figures and (data is None or data.means(each))
    ]
    if len(found) > 1:
        several = ", ".join(str(DataChoice.of(each)) for each in found)
        raise ModelError(
            f"Expected --data with a file, a name or the beginning of a digest, for {metric} was "
            f"logged of several data sets. Received: {data or 'no --data'}, which may be {several}"
        )
    return found[0] if found else None
