"""The forward pass of FNet in torch, straight from a checkpoint's arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, get_args

import torch
import torch.nn.functional as F

from fnet_registry.engine.arrays import as_tensor
from fnet_registry.engine.dense import Dense, FloatDense, product_dtype
from fnet_registry.engine.int8 import Int8Dense
from fnet_registry.engine.mixing import (
    HalfTransform,
    add_mixing_,
    add_mixing_at_first,
    choose_half_transform,
    transforms_alike,
)
from fnet_registry.engine.products import FULL_SPEED_ROWS, Activation
from fnet_registry.errors import ConfigError
from fnet_registry.inputs import check_tokens
from fnet_registry.presets.checkpoint import Checkpoint
from fnet_registry.presets.tensors import HEAD

ComputeDtype = Literal["float32", "bfloat16"]
LAYER_NORM_EPSILON = 1e-12
_GPU_BATCH = 32


def _usable_device(name: str) -> torch.device:
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:  # torch without CUDA asserts it
        reason = str(error).partition("\n")[0]
        raise ConfigError(
            "`device` must be one that torch can use here, for example 'cpu' or 'cuda:0'."
            f" Received: {name!r}: {reason}"
        ) from None


class Engine:
    """FNet's forward pass, without Keras.

    The dense layers run in the compute dtype, bfloat16 only on a processor that is faster in it
    than in float32; the mixing, the sums and the normalisations run in float32. Nothing is
    compiled: on an Intel Xeon, inductor's code for mixing and normalisation took 1.4 times as long
    as torch's own kernels, after 15 seconds of compiling.

    A sequence has the same result, to the last bit, alone and in any batch. Kernels may choose
    their order of summation by the number of rows, so a GPU always sees batches of one size. On
    the CPU short sequences go through in groups, for products run at full speed from some 1,024
    rows on; `rows` says how each row keeps its bits there. Where it does not, each sequence goes
    by itself.

    Args:
        checkpoint: The model; on the CPU, arrays that are already of the compute dtype, and
            kernels that `layout.laid_out_for_engine` prepared, are viewed and not copied.
        device: A torch device such as `cpu` or `cuda:0`.
        dtype: `float32` or `bfloat16`.
        quantised: Whether the dense layers run with int8 weights; on the CPU only.

    Raises:
        ConfigError: If the dtype is neither, or int8 weights are asked for elsewhere.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        device: str = "cpu",
        dtype: ComputeDtype = "float32",
        quantised: bool = False,
    ) -> None:
        if dtype not in get_args(ComputeDtype):
            raise ConfigError(
                f"`dtype` must be one of {', '.join(get_args(ComputeDtype))}. Received: {dtype!r}"
            )
        self.config = checkpoint.config
        self.device = _usable_device(device)
        self._dtype = product_dtype(getattr(torch, dtype), self.device)
        if quantised and self.device.type != "cpu":
            raise ConfigError(f"int8 weights run on the CPU. Received: device {device!r}")
        parts = [n.removesuffix(".kernel") for n in checkpoint.arrays if n.endswith(".kernel")]
        self._dense = {part: self._make_dense(checkpoint, part, quantised) for part in parts}
        self._vectors = {
            name: as_tensor(values).to(self.device, torch.float32)
            for name, values in checkpoint.arrays.items()
            if name.endswith((".gamma", ".beta"))
        }
        self._tables = {
            name: as_tensor(values).to(self.device)
            for name, values in checkpoint.arrays.items()
            if name.endswith("_embedding")
        }
        self._last = f"layers.{self.config.num_layers - 1}"
        self._half_transforms: dict[int, HalfTransform] = {}
        self._quantised = quantised
        if quantised:
            self._lay_grids()

    def _make_dense(self, checkpoint: Checkpoint, part: str, quantised: bool) -> Dense:
        kernel, bias = checkpoint.arrays[f"{part}.kernel"], checkpoint.arrays[f"{part}.bias"]
        if part == HEAD:  # small, and it may enlarge errors of rounding
            return FloatDense(kernel, bias, device=self.device, dtype=torch.float32)
        if quantised:
            return Int8Dense(kernel, bias)
        return FloatDense(kernel, bias, device=self.device, dtype=self._dtype)

    @torch.inference_mode()
    def _lay_grids(self) -> None:
        """Have each layer make its first call, which decides how it quantises, on seeded ids."""
        length = min(self.config.max_sequence_length, FULL_SPEED_ROWS)
        seeded = torch.Generator().manual_seed(0)
        size = (FULL_SPEED_ROWS // length, length)
        ids = torch.randint(self.config.vocabulary_size, size, generator=seeded, device=self.device)
        x = self._first_layers(self.config.num_layers, ids, torch.zeros_like(ids))
        if self.config.pooler:
            self._dense["pooler"](x[:, 0], "tanh")

    @torch.inference_mode()
    def forward(
        self, token_ids: torch.Tensor, segment_ids: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Run the whole model.

        Args:
            token_ids: Integers of shape `(batch, sequence)`.
            segment_ids: Integers of the same shape; by default all 0.

        Returns:
            The sequence output `(batch, sequence, hidden)` and the pooled output
            `(batch, hidden)`, in float32; None for the latter where there is no pooler.

        Raises:
            TokensError: If they are none that the model has a vector for, here and below.
        """
        sequences = self.sequence_outputs(token_ids, segment_ids)
        return sequences, self.pooled_outputs(sequences[:, 0]) if self.config.pooler else None

    @torch.inference_mode()
    def sequence_outputs(
        self, token_ids: torch.Tensor, segment_ids: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the last layer's output at every position; takes and gives what `forward` does."""
        groups = self._before_last(token_ids, segment_ids)
        outputs = [self._feed_forward(self._last, self._mix(x)) for x in groups]
        return torch.cat(outputs)[: len(token_ids)]

    @torch.inference_mode()
    def first_outputs(
        self, token_ids: torch.Tensor, segment_ids: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the last layer's output at `[CLS]`, `(batch, hidden)`, computed nowhere else."""
        groups = self._before_last(token_ids, segment_ids)
        outputs = [self._feed_forward(self._last, add_mixing_at_first(x))[:, 0] for x in groups]
        return torch.cat(outputs)[: len(token_ids)]

    @torch.inference_mode()
    def mean_outputs(self, token_ids: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
        """Return the mean of the last layer's output, `(batch, hidden)`, over the first positions.

        How many of each sequence the lengths say. On the CPU the last layer's dense part runs over
        those positions alone. On a GPU it runs over all, because shapes there are fixed.
        """
        if self.device.type != "cpu":
            return self._fixed_means(token_ids, lengths)
        sequences, counts = [], iter(lengths)
        for x in self._before_last(token_ids):
            kept = [sequence[: next(counts)] for sequence in self._mix(x)]
            sequences += self._last_feed_forward(kept)
        means = [row[:length].mean(0) for row, length in zip(sequences, lengths, strict=True)]
        return torch.stack(means)

    def _fixed_means(self, token_ids: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
        """Return the means by operations whose shapes are the same for all lengths and batches."""
        length = token_ids.shape[1]
        counts = torch.tensor(lengths, device=token_ids.device)
        counted = torch.arange(length, device=token_ids.device) < counts[:, None]
        groups = zip(self._before_last(token_ids), self._groups(counted), strict=True)
        means = []
        for x, kept in groups:
            outputs = self._feed_forward(self._last, self._mix(x))
            outputs.masked_fill_(~kept[..., None], 0)
            means.append(outputs.sum(1) / kept.sum(1, keepdim=True))
        return torch.cat(means)[: len(token_ids)]

    @torch.inference_mode()
    def pooled_outputs(self, first: torch.Tensor) -> torch.Tensor:
        """Return the pooler over the sequence output at `[CLS]`; both are `(batch, hidden)`.

        Raises:
            ConfigError: If the model has no pooler.
        """
        if not self.config.pooler:
            raise ConfigError("Pooled outputs need a model with a pooler. Received: one without")
        return self._each_alike(self._dense["pooler"], first, "tanh")

    @torch.inference_mode()
    def head_outputs(self, vectors: torch.Tensor) -> torch.Tensor:
        """Return the head over pooled vectors, `(batch, hidden)` to `(batch, dim)`.

        Where the model has no head, these are the vectors themselves.
        """
        return self._each_alike(self._dense[HEAD], vectors) if HEAD in self._dense else vectors

    def _each_alike(
        self, dense: Dense, vectors: torch.Tensor, activation: Activation = "none"
    ) -> torch.Tensor:
        """Apply a layer so that each vector's result has the bits that it has alone."""
        if self.device.type != "cpu":
            filler = -len(vectors) % _GPU_BATCH
            rows = F.pad(vectors, (0, 0, 0, filler)).split(_GPU_BATCH)
        else:
            rows = [vectors] if dense.keeps_rows(activation) else vectors.split(1)
        return torch.cat([dense(row, activation) for row in rows])[: len(vectors)].float()

    def _before_last(
        self, token_ids: torch.Tensor, segment_ids: torch.Tensor | None = None
    ) -> Iterator[torch.Tensor]:
        """Return what the last layer receives, group by group; the last group may end in filler."""
        if segment_ids is None:
            segment_ids = torch.zeros_like(token_ids)
        check_tokens(self.config, token_ids, segment_ids)
        groups = (self._groups(ids) for ids in (token_ids, segment_ids))
        for group in zip(*groups, strict=True):
            yield self._first_layers(self.config.num_layers - 1, *group)

    def _first_layers(
        self, count: int, token_ids: torch.Tensor, segment_ids: torch.Tensor
    ) -> torch.Tensor:
        x = self._embed(token_ids, segment_ids)
        for index in range(count):
            x = self._feed_forward(f"layers.{index}", self._mix(x))
        return x

    def _groups(self, ids: torch.Tensor) -> Sequence[torch.Tensor]:
        if self.device.type != "cpu":
            filler = -len(ids) % _GPU_BATCH
            return F.pad(ids.to(self.device), (0, 0, 0, filler)).split(_GPU_BATCH)
        return ids.split(max(1, FULL_SPEED_ROWS // ids.shape[1]) if self._keeps_rows else 1)

    @property
    def _keeps_rows(self) -> bool:
        """Whether sequences in one batch have the same bits as each alone."""
        return (
            self._dense["embedding_projection"].keeps_rows()
            and self._dense["layers.0.intermediate"].keeps_rows("gelu")
            and self._dense["layers.0.output"].keeps_rows()
        )

    def _mix(self, x: torch.Tensor) -> torch.Tensor:
        length, hidden = x.shape[1:]
        if length not in self._half_transforms:
            self._half_transforms[length] = choose_half_transform(
                length, hidden, device=self.device, dtype=self._dtype
            )
        half_transform = self._half_transforms[length]
        together = self.device.type != "cpu" or transforms_alike(*x.shape)
        for part in [x] if together else x.split(1):
            add_mixing_(part, half_transform)
        return x

    def _embed(self, token_ids: torch.Tensor, segment_ids: torch.Tensor) -> torch.Tensor:
        x = F.embedding(token_ids, self._tables["token_embedding"]).float()
        x += self._tables["position_embedding"][: token_ids.shape[1]]
        x += F.embedding(segment_ids, self._tables["segment_embedding"])
        return self._dense["embedding_projection"](self._norm("embedding_norm", x)).float()

    def _feed_forward(self, name: str, mixed: torch.Tensor) -> torch.Tensor:
        x = self._norm(f"{name}.mixing_norm", mixed)
        x += self._dense[f"{name}.intermediate"].gelu_then(self._dense[f"{name}.output"], x)
        return self._norm(f"{name}.output_norm", x)

    def _last_feed_forward(self, sequences: Sequence[torch.Tensor]) -> Sequence[torch.Tensor]:
        """Return the last layer's dense part over sequences of different lengths."""
        if self._quantised:  # each is rounded to a grid of its own
            return [self._feed_forward(self._last, x[None])[0] for x in sequences]
        rows = self._feed_forward(self._last, torch.cat(list(sequences)))
        return rows.split([len(x) for x in sequences])

    def _norm(self, name: str, x: torch.Tensor) -> torch.Tensor:
        gamma, beta = self._vectors[f"{name}.gamma"], self._vectors[f"{name}.beta"]
        return F.layer_norm(x, gamma.shape, gamma, beta, LAYER_NORM_EPSILON)
