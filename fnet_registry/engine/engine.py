"""The forward pass of FNet in torch, straight from a checkpoint's arrays."""

from collections.abc import Callable, Sequence
from typing import Literal, get_args

import torch
import torch.nn.functional as F

from fnet_registry.engine.arrays import as_tensor
from fnet_registry.engine.dense import Dense, FloatDense, Int8Dense
from fnet_registry.engine.mixing import add_mixing, add_mixing_at_first
from fnet_registry.errors import ConfigError
from fnet_registry.presets.checkpoint import Checkpoint

ComputeDtype = Literal["float32", "bfloat16"]
LAYER_NORM_EPSILON = 1e-12
_GPU_BATCH = 32


class Engine:
    """FNet's forward pass, without Keras.

    The dense layers run in the compute dtype; the mixing, the sums and the normalisations run in
    float32. Products see a fixed number of rows, whatever the batch: kernels choose their order
    of summation by the number of rows, so that a sequence is computed alike, to the last bit,
    alone and in any company. On the CPU those are the rows of one sequence; larger products are
    no faster there.

    Args:
        checkpoint: The model; on the CPU, arrays that are already of the compute dtype, and
            kernels that `arrays.laid_out_for_engine` prepared, are viewed and not copied.
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
        self.device = torch.device(device)
        if quantised and self.device.type != "cpu":
            raise ConfigError(f"int8 weights run on the CPU. Received: device {device!r}")
        parts = [n.removesuffix(".kernel") for n in checkpoint.arrays if n.endswith(".kernel")]
        self._dense = {
            part: self._make_dense(checkpoint, part, getattr(torch, dtype), quantised)
            for part in parts
        }
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

    def _make_dense(
        self, checkpoint: Checkpoint, part: str, dtype: torch.dtype, quantised: bool
    ) -> Dense:
        kernel, bias = checkpoint.arrays[f"{part}.kernel"], checkpoint.arrays[f"{part}.bias"]
        if quantised:
            return Int8Dense(kernel, bias)
        return FloatDense(kernel, bias, device=self.device, dtype=dtype)

    @torch.inference_mode()
    def forward(
        self, token_ids: torch.Tensor, segment_ids: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Runs the whole model.

        Args:
            token_ids: Integers of shape `(batch, sequence)`.
            segment_ids: Integers of the same shape; by default all 0.

        Returns:
            The sequence output `(batch, sequence, hidden)` and the pooled output
            `(batch, hidden)`, in float32.
        """
        sequences = self.sequence_outputs(token_ids, segment_ids)
        return sequences, self.pooled_outputs(sequences[:, 0])

    @torch.inference_mode()
    def sequence_outputs(
        self, token_ids: torch.Tensor, segment_ids: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The last layer's output at every position.

        Args:
            token_ids: Integers of shape `(batch, sequence)`.
            segment_ids: Integers of the same shape; by default all 0.

        Returns:
            Float32 tensor of shape `(batch, sequence, hidden)`.
        """
        return self._in_batches(add_mixing, token_ids, segment_ids)

    @torch.inference_mode()
    def first_outputs(
        self, token_ids: torch.Tensor, segment_ids: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The last layer's output at `[CLS]`, without computing it elsewhere.

        Args:
            token_ids: Integers of shape `(batch, sequence)`.
            segment_ids: Integers of the same shape; by default all 0.

        Returns:
            Float32 tensor of shape `(batch, hidden)`.
        """
        return self._in_batches(add_mixing_at_first, token_ids, segment_ids)[:, 0]

    @torch.inference_mode()
    def mean_outputs(self, token_ids: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
        """The mean of the last layer's output over each sequence's first positions.

        On the CPU the last layer's dense part runs over those positions alone. On a GPU it runs
        over all, for shapes there are fixed.

        Args:
            token_ids: Integers of shape `(batch, sequence)`.
            lengths: How many positions of each sequence to take the mean of.

        Returns:
            Float32 tensor of shape `(batch, hidden)`.
        """
        if self.device.type != "cpu":
            sequences = self.sequence_outputs(token_ids)
        else:
            sequences = [
                self._run(lambda x, n=length: add_mixing(x)[:, :n], ids, torch.zeros_like(ids))[0]
                for ids, length in zip(token_ids.split(1), lengths, strict=True)
            ]
        means = [row[:length].mean(0) for row, length in zip(sequences, lengths, strict=True)]
        return torch.stack(means)

    @torch.inference_mode()
    def pooled_outputs(self, first: torch.Tensor) -> torch.Tensor:
        """The pooler over the sequence output at `[CLS]`.

        Args:
            first: Float32 tensor of shape `(batch, hidden)`.

        Returns:
            Float32 tensor of the same shape.
        """
        return torch.cat([self._dense["pooler"](row, "tanh") for row in first.split(1)]).float()

    def _in_batches(
        self,
        last_mixing: Callable[[torch.Tensor], torch.Tensor],
        token_ids: torch.Tensor,
        segment_ids: torch.Tensor | None,
    ) -> torch.Tensor:
        if segment_ids is None:
            segment_ids = torch.zeros_like(token_ids)
        size = 1 if self.device.type == "cpu" else _GPU_BATCH
        filler = -len(token_ids) % size
        inputs = [
            F.pad(ids.to(self.device), (0, 0, 0, filler)).split(size)
            for ids in (token_ids, segment_ids)
        ]
        outputs = [self._run(last_mixing, *batch) for batch in zip(*inputs, strict=True)]
        return torch.cat(outputs)[: len(token_ids)]

    def _run(
        self,
        last_mixing: Callable[[torch.Tensor], torch.Tensor],
        token_ids: torch.Tensor,
        segment_ids: torch.Tensor,
    ) -> torch.Tensor:
        x = self._embed(token_ids, segment_ids)
        last = self.config.num_layers - 1
        for index in range(last):
            x = self._feed_forward(f"layers.{index}", add_mixing(x))
        return self._feed_forward(f"layers.{last}", last_mixing(x))

    def _embed(self, token_ids: torch.Tensor, segment_ids: torch.Tensor) -> torch.Tensor:
        x = F.embedding(token_ids, self._tables["token_embedding"]).float()
        x += self._tables["position_embedding"][: token_ids.shape[1]]
        x += F.embedding(segment_ids, self._tables["segment_embedding"])
        return self._dense["embedding_projection"](self._norm("embedding_norm", x)).float()

    def _feed_forward(self, name: str, mixed: torch.Tensor) -> torch.Tensor:
        x = self._norm(f"{name}.mixing_norm", mixed)
        inner = self._dense[f"{name}.intermediate"](x, "gelu")
        return self._norm(f"{name}.output_norm", x + self._dense[f"{name}.output"](inner))

    def _norm(self, name: str, x: torch.Tensor) -> torch.Tensor:
        gamma, beta = self._vectors[f"{name}.gamma"], self._vectors[f"{name}.beta"]
        return F.layer_norm(x, gamma.shape, gamma, beta, LAYER_NORM_EPSILON)
