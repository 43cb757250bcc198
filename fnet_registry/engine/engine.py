"""The forward pass of FNet in torch, straight from a checkpoint's arrays."""

from typing import Literal, get_args

import torch
import torch.nn.functional as F

from fnet_registry.engine.arrays import as_tensor
from fnet_registry.engine.mixing import add_mixing
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
    alone and in any company.

    Args:
        checkpoint: The model; on the CPU, arrays that are already of the compute dtype are
            viewed, not copied.
        device: A torch device such as `cpu` or `cuda:0`.
        dtype: `float32` or `bfloat16`.

    Raises:
        ConfigError: If the dtype is neither.
    """

    def __init__(
        self, checkpoint: Checkpoint, *, device: str = "cpu", dtype: ComputeDtype = "float32"
    ) -> None:
        if dtype not in get_args(ComputeDtype):
            raise ConfigError(
                f"`dtype` must be one of {', '.join(get_args(ComputeDtype))}. Received: {dtype!r}"
            )
        self.config = checkpoint.config
        self.device = torch.device(device)
        self.dtype = getattr(torch, dtype)
        self._tensors = {
            name: as_tensor(values).to(self.device, self._dtype_of(name))
            for name, values in checkpoint.arrays.items()
        }

    def _dtype_of(self, name: str) -> torch.dtype:
        dense = name.endswith((".kernel", ".bias"))
        return self.dtype if dense or name == "token_embedding" else torch.float32

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
        token_ids = token_ids.to(self.device)
        if segment_ids is None:
            segment_ids = torch.zeros_like(token_ids)
        batches = zip(
            token_ids.split(self.batch), segment_ids.to(self.device).split(self.batch), strict=True
        )
        return torch.cat([self._run(tokens, segments) for tokens, segments in batches])

    @torch.inference_mode()
    def pooled_outputs(self, first: torch.Tensor) -> torch.Tensor:
        """The pooler over the sequence output at `[CLS]`.

        Args:
            first: Float32 tensor of shape `(batch, hidden)`.

        Returns:
            Float32 tensor of the same shape.
        """
        rows = [torch.tanh(self._dense("pooler", row)) for row in first.split(1)]
        return torch.cat(rows).float()

    @property
    def batch(self) -> int:
        """Sequences that go through the layers at once."""
        return 1 if self.device.type == "cpu" else _GPU_BATCH

    def _run(self, token_ids: torch.Tensor, segment_ids: torch.Tensor) -> torch.Tensor:
        wanted = len(token_ids)
        if wanted < self.batch:
            token_ids = F.pad(token_ids, (0, 0, 0, self.batch - wanted))
            segment_ids = F.pad(segment_ids, (0, 0, 0, self.batch - wanted))
        x = self._embed(token_ids, segment_ids)
        for index in range(self.config.num_layers):
            x = self._layer(f"layers.{index}", x)
        return x[:wanted]

    def _embed(self, token_ids: torch.Tensor, segment_ids: torch.Tensor) -> torch.Tensor:
        x = F.embedding(token_ids, self._tensors["token_embedding"]).float()
        x = x + self._tensors["position_embedding"][: token_ids.shape[1]]
        x = x + F.embedding(segment_ids, self._tensors["segment_embedding"])
        return self._dense("embedding_projection", self._norm("embedding_norm", x)).float()

    def _layer(self, name: str, x: torch.Tensor) -> torch.Tensor:
        x = self._norm(f"{name}.mixing_norm", add_mixing(x))
        inner = F.gelu(self._dense(f"{name}.intermediate", x), approximate="tanh")
        return self._norm(f"{name}.output_norm", x + self._dense(f"{name}.output", inner))

    def _dense(self, name: str, x: torch.Tensor) -> torch.Tensor:
        kernel, bias = self._tensors[f"{name}.kernel"], self._tensors[f"{name}.bias"]
        return F.linear(x.to(self.dtype), kernel.T, bias)

    def _norm(self, name: str, x: torch.Tensor) -> torch.Tensor:
        gamma, beta = self._tensors[f"{name}.gamma"], self._tensors[f"{name}.beta"]
        return F.layer_norm(x, gamma.shape, gamma, beta, LAYER_NORM_EPSILON)
