"""What asks for the shards that are left, made one by one: a list of a million took 260 MB."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, overload

import numpy as np

from fnet_ray.corpus.shards import Sharding
from fnet_ray.stages.read import shard_request


class ShardRequests(Sequence[dict[str, Any]]):
    """A request for each shard of some shardings, but for those that are done.

    Args:
        shardings: The shardings.
        opened: What to open in the place of the inputs' paths.
        done: Numbers of the shards to leave out.
    """

    def __init__(
        self,
        shardings: Sequence[Sharding],
        opened: Mapping[str, str],
        *,
        done: Collection[int] = (),
    ) -> None:
        self._shardings = shardings
        self._opened = opened
        shards = np.concatenate([np.asarray(each.shards, np.int64) for each in shardings])
        self._shards = np.setdiff1d(shards, np.fromiter(done, np.int64, len(done)))
        self._firsts = np.array([each.first_shard for each in shardings])

    def __len__(self) -> int:
        return len(self._shards)

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any]]: ...
    def __getitem__(self, index: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        shard = int(self._shards[index])
        place = int(np.searchsorted(self._firsts, shard, side="right")) - 1
        sharding = self._shardings[place]
        return shard_request(shard, sharding.ranges_of(shard, self._opened))
