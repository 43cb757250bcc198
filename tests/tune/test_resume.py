"""Killed at any moment, a tuning goes on, and ends with the same bits."""

from collections.abc import Callable

import fnet_tune

Tune = Callable[..., fnet_tune.Tuning]
