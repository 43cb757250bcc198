"""What a version must reach to be let in, as a user writes it: `ndcg@10>=champion`."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

from fnet_evaluate.evaluation import Figure
from fnet_mlflow.registry.aliases import check_alias
from fnet_registry.errors import ModelError
from fnet_registry.shown import shown

_GRAMMAR = re.compile(r"\s*([a-z_][\w@.-]*?)\s*(>=|<=|>|<)\s*([\w.+-]+)\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sign:
    """One comparison.

    Args:
        compare: Of a figure and a number.
        allows: Of the interval of a difference: whether the version may be let in.
    """

    compare: Callable[[float, float], bool]
    allows: Callable[[Figure], bool]


_SIGNS: Mapping[str, _Sign] = {
    ">=": _Sign(compare=operator.ge, allows=lambda difference: not difference.high < 0),
    "<=": _Sign(compare=operator.le, allows=lambda difference: not difference.low > 0),
    ">": _Sign(compare=operator.gt, allows=lambda difference: difference.low > 0),
    "<": _Sign(compare=operator.lt, allows=lambda difference: difference.high < 0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """A figure and what it must reach: a number, or the figure of another version.

    Args:
        metric: The figure, for example `ndcg@10`.
        sign: `>=`, `<=`, `>` or `<`.
        bound: A number, or the alias of the version to compare with.
    """

    metric: str
    sign: str
    bound: float | str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a requirement.

        Raises:
            ModelError: It is written otherwise, or its alias is one that MLflow does not take.
        """
        match = _GRAMMAR.fullmatch(text)
        if match is None:
            raise ModelError(
                "A requirement is a figure, one of >=, <=, > and <, and a number or an alias, in "
                f'quotes: "ndcg@10>=0.42" or "ndcg@10>=champion". Received: {shown(text)}'
            )
        metric, sign, bound = match.groups()
        return cls(metric=metric, sign=sign, bound=_read_bound(bound))

    @property
    def alias(self) -> str | None:
        """The alias to compare with; None where the bound is a number."""
        return self.bound if isinstance(self.bound, str) else None

    def met_by(self, figure: Figure) -> bool:
        """Say whether a figure reaches the number: its value, not its interval."""
        assert not isinstance(self.bound, str)
        return _SIGNS[self.sign].compare(figure.value, self.bound)

    def allows(self, difference: Figure) -> bool:
        """Say whether the interval of the paired difference to the alias's version lets it in.

        `>=` asks that it is not shown to be worse: the interval does not lie below zero. `>` asks
        that it is shown to be better: the interval lies above zero.
        """
        return not math.isnan(difference.value) and _SIGNS[self.sign].allows(difference)

    def __str__(self) -> str:
        return f"{self.metric}{self.sign}{self.bound}"


def _read_bound(text: str) -> float | str:
    try:
        number = float(text)
    except ValueError:
        check_alias(text)
        return text
    if not math.isfinite(number):
        raise ModelError(f"A requirement's number must be finite, as 0.42. Received: {shown(text)}")
    return number
