"""A condition on rows, in SQL, which DuckDB evaluates with no way to anything but the rows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from fnet_ray.cluster.failures import first_line
from fnet_registry.collector import collect_at_the_end
from fnet_registry.errors import InputError
from fnet_registry.shown import shown

if TYPE_CHECKING:
    import duckdb

Condition = Callable[[pa.Table], np.ndarray]
"""Takes rows, gives a truth value for each."""

_QUOTED = re.compile("'(?:[^']|'')*'" + '|"(?:[^"]|"")*"')
_MORE_THAN_A_ROW = re.compile(r"\b(select|over)\b|\(\s*from\b", re.IGNORECASE)
_SETTINGS = ("enable_external_access = false", "threads = 1", "lock_configuration = true")


def parse_condition(where: str) -> Condition:
    """Make a condition of an SQL expression, such as `lang = 'en' AND year > 2020`.

    Raises:
        InputError: DuckDB is not installed, or more than one row would be looked at: rows come
            shard by shard.
    """
    if not where.strip() or _MORE_THAN_A_ROW.search(_QUOTED.sub("", where)):
        raise InputError(
            "A condition must say something of one row alone, with no query inside and no window, "
            f"for example source_row < 100. Received: {shown(where)}"
        )
    try:
        import duckdb
    except ModuleNotFoundError:
        raise InputError(
            'A condition needs DuckDB: pip install "fnet-registry[search]". '
            f"Received: {shown(where)}"
        ) from None
    collect_at_the_end()  # else DuckDB prints a page about what it takes for leaks

    def condition(rows: pa.Table) -> np.ndarray:
        with duckdb.connect(":memory:") as connection:
            for setting in _SETTINGS:
                connection.execute(f"SET {setting}")
            rows = _register(connection, rows)
            try:
                result = connection.execute(f"SELECT ({where}\n) FROM rows").fetchnumpy()
            except (duckdb.Error, RuntimeError) as error:  # the latter where it is not Unicode
                raise _refused(where, rows, first_line(error)) from None
        [kept, *more] = result.values()
        if more:
            raise _refused(where, rows, f"{len(result)} values for each row")
        if kept.dtype != bool or len(kept) != len(rows):
            raise _refused(where, rows, f"{len(kept):,} values of {kept.dtype}")
        return np.ma.filled(kept, False)

    return condition


def _register(connection: duckdb.DuckDBPyConnection, rows: pa.Table) -> pa.Table:
    """Show DuckDB the columns of types that it knows, and whose names differ by more than case."""
    import duckdb

    counts = Counter(name.lower() for name in rows.column_names)
    names = []
    for name in rows.column_names:
        try:
            connection.register("rows", rows.select([name]))
        except duckdb.NotSupportedError:
            continue
        if counts[name.lower()] == 1:
            names.append(name)
    rows = rows.select(names)
    connection.register("rows", rows)
    return rows


def _refused(where: str, rows: pa.Table, why: str) -> InputError:
    names = ", ".join(rows.column_names)
    return InputError(
        f"A condition must be one SQL expression that is true or false for a row, on {names}; for "
        'example source_row < 100, or "end" < 100, as SQL has words of its own. '
        f"Received: {shown(where)} ({why})"
    )
