"""The kinds of data, as one table; a new one is a module here and its line below."""

from __future__ import annotations

from fnet_evaluate.kinds.kind import Kind
from fnet_evaluate.kinds.labels import LABELS
from fnet_evaluate.kinds.retrieval import RETRIEVAL
from fnet_evaluate.kinds.scored_pairs import SCORED_PAIRS
from fnet_evaluate.kinds.texts import TEXTS

KINDS: dict[str, Kind] = {each.name: each for each in (SCORED_PAIRS, RETRIEVAL, LABELS, TEXTS)}
"""A kind's name → the kind."""
