"""The shapes of data, told apart by their columns; other names of a column stand beside its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field

from fnet_evaluate.data.columns import (
    Column,
    id_lists,
    ids,
    numbers,
    optional_texts,
    texts,
    vectors,
)
from fnet_registry.errors import InputError
from fnet_registry.shown import shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Columns that rows have.

    Args:
        name: What it is called.
        columns: A column's own name → what reads it. The first of them holds texts.
        optional: Those that may be missing, texts all.
    """

    name: str
    columns: Mapping[str, Column]
    optional: Set[str] = field(default_factory=frozenset)

    def sources(self, names: Iterable[str], renamed: Mapping[str, str]) -> dict[str, str] | None:
        """Return each column's name in a file that has `names`; None where one is missing.

        Args:
            names: The file's columns.
            renamed: A column's own name → its name in the file, as the user says.
        """
        there, found = set(names), {}
        for name in self.columns:
            own = _names_of(name)
            known = [*(renamed[each] for each in own if each in renamed), *own]
            source = next((each for each in known if each in there), None)
            if source is not None:
                found[name] = source
            elif name not in self.optional:
                return None
        return found

    def of_its_columns(self, renamed: Mapping[str, str]) -> dict[str, str]:
        """Return what the user says of this shape's columns."""
        own = {each for name in self.columns for each in _names_of(name)}
        return {name: source for name, source in renamed.items() if name in own}

    def __str__(self) -> str:
        return ", ".join(name for name in self.columns if name not in self.optional)


OTHER_NAMES = {
    "text_a": ("sentence1",),
    "text_b": ("sentence2",),
    "query": ("anchor",),
    "id": ("_id",),
}


def _names_of(column: str) -> list[str]:
    return [column, *OTHER_NAMES.get(column, ())]


SCORED_PAIRS = Shape(
    name="scored_pairs", columns={"text_a": texts, "text_b": texts, "score": numbers}
)
PAIRS = Shape(name="pairs", columns={"anchor": texts, "positive": texts})
QUERIES = Shape(name="queries", columns={"query": texts, "relevant_ids": id_lists})
LABELS = Shape(name="labels", columns={"text": texts, "label": ids})
TEXTS = Shape(name="texts", columns={"text": texts})

SHAPES = (SCORED_PAIRS, PAIRS, QUERIES, LABELS, TEXTS)
"""What data may be; the first of them whose columns are there is what it is."""

CORPUS = Shape(
    name="corpus",
    columns={"text": texts, "id": ids, "title": optional_texts},
    optional=frozenset({"title"}),
)
"""Texts to be found."""

STORED = Shape(
    name="stored",
    columns={"text": texts, "id": ids, "title": optional_texts, "embedding": vectors},
    optional=frozenset({"text", "title"}),
)
"""Texts to be found, as `fnet embed` writes them."""

JUDGEMENTS = Shape(name="judgements", columns={"query-id": ids, "corpus-id": ids, "score": numbers})
"""How relevant texts are for queries, as BEIR has it."""


def check_names(renamed: Mapping[str, str], shapes: Iterable[Shape]) -> None:
    """Refuse to rename what no shape has.

    Raises:
        InputError: A name that is none of a column.
    """
    known = list(dict.fromkeys(name for shape in shapes for name in shape.columns))
    for name in renamed:
        if not any(shape.of_its_columns({name: name}) for shape in shapes):
            raise InputError(
                f"Columns are renamed as {', '.join(known)}, for example --map anchor=question. "
                f"Received: {shown(name)}"
            )
