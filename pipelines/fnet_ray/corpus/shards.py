"""What there is to do: inputs with their true row counts, cut into shards.

The rows of all inputs are counted through, in the order of the inputs. A shard is a run of these
numbers, so a hundred thousand shards are three integers, and small files share a shard.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from types import MappingProxyType

from fnet_ray.corpus.files import InputFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """An input file, with the Parquet file that holds its rows.

    Args:
        file: The input file.
        parquet: Path or URL of the Parquet file: the input file itself, or what it was converted
            to; empty for a damaged file that is left out.
        rows: Its rows.
    """

    file: InputFile
    parquet: str
    rows: int

    @property
    def is_converted(self) -> bool:
        """Whether its rows are read from a converted copy."""
        return self.parquet not in ("", self.file.path)

    def row_range(
        self, start: int, rows: int, opened: Mapping[str, str] = MappingProxyType({})
    ) -> RowRange:
        """Return some of the rows; `opened` is as in `Sharding.ranges`."""
        return RowRange(
            source=self.file.path,
            parquet=opened.get(self.parquet, self.parquet),
            start=start,
            rows=rows,
            size=None if self.is_converted else self.file.size,
            version=None if self.is_converted else self.file.version,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RowRange:
    """Rows `start … start + rows` of one input.

    Args:
        source: The input file, as its user knows it.
        parquet: The Parquet file to open.
        start: The first row, from 0.
        rows: Number of rows.
        size: The input file's bytes when the job was planned; None where a converted copy is read.
        version: The input file's version then; None where a converted copy is read.
    """

    source: str
    parquet: str
    start: int
    rows: int
    size: int | None = None
    version: str | None = None


def digest_of(ranges: Iterable[RowRange]) -> str:
    """Return what tells a shard's rows from all others, wherever they are read from."""
    rows = json.dumps([(each.source, each.start, each.rows) for each in ranges])
    return hashlib.sha256(rows.encode()).hexdigest()[:32]


@dataclass(frozen=True, kw_only=True)
class Sharding:
    """Inputs, cut into shards of equal size (the last may be smaller).

    Args:
        inputs: The inputs.
        rows: Rows to do in all; fewer than the inputs hold under a limit.
        shard_rows: Rows of a shard.
        first_shard: Number of the first shard: appended inputs go on counting.
    """

    inputs: tuple[Input, ...]
    rows: int
    shard_rows: int
    first_shard: int = 0

    @property
    def shards(self) -> range:
        """The shards' numbers; the first inputs have one in any case, so that there is a file."""
        count = max(-(-self.rows // self.shard_rows), 0 if self.first_shard else 1)
        return range(self.first_shard, self.first_shard + count)

    def ranges(
        self, opened: Mapping[str, str] = MappingProxyType({})
    ) -> Iterator[tuple[int, list[RowRange]]]:
        """Yield every shard's number with where its rows are, in order; see `ranges_of`."""
        return ((shard, self.ranges_of(shard, opened)) for shard in self.shards)

    def ranges_of(
        self, shard: int, opened: Mapping[str, str] = MappingProxyType({})
    ) -> list[RowRange]:
        """Return where a shard's rows are.

        Args:
            shard: Its number.
            opened: What to open in the place of a Parquet file's path, where that differs.
        """
        start = (shard - self.first_shard) * self.shard_rows
        end = start + self.shard_length(shard)
        found = []
        index = bisect_right(self._ends, start)
        while start < end:
            current, current_end = self.inputs[index], self._ends[index]
            taken = min(end, current_end) - start
            if taken:
                found.append(current.row_range(start - current_end + current.rows, taken, opened))
            start, index = start + taken, index + 1
        return found

    @cached_property
    def _ends(self) -> list[int]:
        """The number after each input's last row, where all rows are counted through."""
        return list(accumulate(each.rows for each in self.inputs))

    def shard_length(self, shard: int) -> int:
        """Return a shard's number of rows."""
        start = (shard - self.first_shard) * self.shard_rows
        return min(self.shard_rows, self.rows - start)
