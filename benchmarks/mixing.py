"""The two forms of the Fourier mixing, by length and dtype, on this machine's device.

python benchmarks/mixing.py
"""

import statistics
import time

import torch
from machine import description
from models import BASE

from fnet_registry.engine.mixing import HalfByProducts, HalfTransform, add_mixing_, half_by_fft

LENGTHS = (64, 128, 256, 512)
POSITIONS = 4096
ROUNDS = 15


def main() -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    print(description(), "\n")
    print(
        "| length | FFT, ms | products float32, ms | products bfloat16, ms"
        " | largest error: FFT | float32 | bfloat16 |"
    )
    print("|---|---|---|---|---|---|---|")
    for length in LENGTHS:
        x = torch.randn(POSITIONS // length, length, BASE.hidden_dim, device=device)
        forms: list[HalfTransform] = [
            half_by_fft,
            HalfByProducts(length, BASE.hidden_dim, device=device, dtype=torch.float32),
            HalfByProducts(length, BASE.hidden_dim, device=device, dtype=torch.bfloat16),
        ]
        exact = x.double() + torch.fft.fft2(x.to(torch.complex128)).real
        times = [f"{1000 * seconds(x, form):.2f}" for form in forms]
        errors = [
            f"{((add_mixing_(x.clone(), form) - exact).abs().max() / exact.abs().max()).item():.1e}"
            for form in forms
        ]
        print(f"| {length} | {' | '.join([*times, *errors])} |", flush=True)
    print(f"\n{POSITIONS} positions of {BASE.hidden_dim}, device {device}, median of {ROUNDS}.")


@torch.inference_mode()
def seconds(x: torch.Tensor, form: HalfTransform) -> float:
    taken = []
    for _ in range(ROUNDS):
        own = x.clone()
        started = time.perf_counter()
        add_mixing_(own, form)
        if x.is_cuda:
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


if __name__ == "__main__":
    main()
