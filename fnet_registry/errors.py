"""What can go wrong, as one tree.

FNetError
├── HandleError            a preset handle that cannot be read
├── PresetError            a folder that holds no usable FNet preset
│   ├── ConfigError        its configuration is missing, of another model, or impossible
│   ├── WeightsError       its tensors are missing, misshapen, damaged or not finite
│   └── TokenizerError     its SentencePiece model is missing or unusable
├── TextError              an input row that is not a text, or too long where that is refused
├── TokensError            token ids that a model does not take: too many, or in none of its tables
├── ModelError             a saved or registered model that cannot be used as asked
│   ├── FormatError            not a data folder, or of a format this code does not read
│   └── ProbeError             this machine does not compute the vectors it was saved with
├── JobError               an embedding job that cannot start or go on
│   ├── InputError         input files that are missing, damaged or of another shape
│   ├── OutputError        an output folder that belongs to a different job
│   │   └── LeaseError     another driver is at work on it
│   └── RejectsError       more rows were rejected than allowed
├── TuningError            a tuning that cannot start or go on
│   └── WorkersError           its workers cannot be had, or were lost; its state stays
└── FetchError             a hub did not deliver
    ├── PresetNotFoundError    no such repository, file or revision
    ├── AccessDeniedError      gated or private
    ├── HubUnavailableError    no network, or the hub keeps failing
    │   └── OfflineError       offline, and the cache does not hold the whole
    ├── FetchTimeoutError      the deadline passed
    ├── DamagedFileError       the bytes are not those that the hub or we recorded
    └── CacheError             the cache cannot be written

All but FetchError are also a ValueError: the caller gave something that cannot work.
"""

from __future__ import annotations

from fnet_registry.redaction import without_secrets
from fnet_registry.shown import bounded, one_line


class FNetError(Exception):
    """Base of every error that this project raises on purpose.

    Args:
        message: What was expected, an example, and what was received. It is kept as one line of
            bounded length that names no credential, for much of it may come from others.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(one_line(without_secrets(bounded(message))))


class HandleError(FNetError, ValueError):
    """A preset handle that cannot be read."""


class PresetError(FNetError, ValueError):
    """A folder that holds no usable FNet preset."""


class ConfigError(PresetError):
    """A configuration that is missing, of another model, or impossible."""


class WeightsError(PresetError):
    """Tensors that are missing, misshapen, damaged or not finite."""


class TokenizerError(PresetError):
    """A SentencePiece model that is missing or unusable."""


class TextError(FNetError, ValueError):
    """An input row that is not a text, or too long where that is refused."""


class TokensError(FNetError, ValueError):
    """Token ids that a model does not take: too many, or outside its tables."""


class ModelError(FNetError, ValueError):
    """A saved or registered model that cannot be used as asked."""


class FormatError(ModelError):
    """Not a data folder, or one of a format that this code does not read."""


class ProbeError(ModelError):
    """This machine does not compute the vectors that the model was saved with."""


class JobError(FNetError, ValueError):
    """An embedding job that cannot start or go on."""


class InputError(JobError):
    """Input files that are missing, damaged or of another shape than expected."""


class OutputError(JobError):
    """An output folder that belongs to a different job, or cannot be written."""


class LeaseError(OutputError):
    """Another driver is at work on the output folder."""


class RejectsError(JobError):
    """More rows were rejected than the caller allows."""


class TuningError(FNetError, ValueError):
    """A tuning that cannot start or go on."""


class WorkersError(TuningError):
    """Workers of a tuning that cannot be had, or were lost too often; its state stays."""


class FetchError(FNetError):
    """A hub did not deliver."""


class PresetNotFoundError(FetchError):
    """No such repository, file or revision."""


class AccessDeniedError(FetchError):
    """A gated or private repository."""


class HubUnavailableError(FetchError):
    """No network, or the hub keeps failing."""


class OfflineError(HubUnavailableError):
    """Offline, and the cache does not hold the whole preset."""


class FetchTimeoutError(FetchError):
    """The deadline passed before the hub had delivered."""


class DamagedFileError(FetchError):
    """Bytes that are not those that the hub or an earlier download recorded."""


class CacheError(FetchError):
    """The cache on this machine cannot be written: no room, or no permission."""
