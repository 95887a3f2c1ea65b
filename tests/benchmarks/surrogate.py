"""The painter that knows its geometry beside the generator of the paper's released code: forward and backward.

    python tests/benchmarks/surrogate.py [--batch 256] [--repeats 5] [--threads N]

Both paint random strokes on 64 px and give the gradient of the actions alone; the median of the repeats. The painter
also paints the 16 px around the tile that the generator cuts off.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from released import make_generator
from torch import Tensor

from artkit_painters import stroke, weights
from artkit_painters.geometry import GeometryPainter

SIDE = 64


def make_painter() -> GeometryPainter:
    """The one that artkit ships for dry_brush."""
    tensors, facts, _ = weights.load(weights.shipped("gan", "classic/dry_brush"))
    low, more = facts["reach"]
    painter = GeometryPainter(bool(facts["noise"]), int(facts["channels"]), (float(low), float(more)))
    painter.load_state_dict(tensors)
    return painter.eval().requires_grad_(False)


def seconds(draw: Callable[[Tensor], Tensor], batch: int, repeats: int) -> float:
    """Of one forward and backward pass."""
    actions = torch.rand(batch, len(stroke.SPACE), generator=torch.Generator().manual_seed(0), requires_grad=True)
    taken = []
    for _ in range(repeats + 1):
        began = time.perf_counter()
        (gradient,) = torch.autograd.grad(draw(actions).sum(), actions)
        taken.append(time.perf_counter() - began)
        assert gradient.isfinite().all()
    return statistics.median(taken[1:])  # the first pass plans


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0, help="of torch; 0: as many as it likes")
    told = parser.parse_args()
    if told.threads:
        torch.set_num_threads(told.threads)
    painter, generator = make_painter(), make_generator()
    seeds = torch.arange(told.batch)
    ways: dict[str, tuple[torch.nn.Module, Callable[[Tensor], Tensor]]] = {
        "released generator, 64 px": (generator, generator),
        "painter, 64 px": (painter, lambda actions: painter(actions, SIDE, 0, seeds)),
        "painter, 64 px and 16 around": (painter, lambda actions: painter(actions, SIDE, 16, seeds)),
    }
    print(f"batch {told.batch}, forward and backward, {torch.get_num_threads()} threads")
    first = None
    for name, (module, draw) in ways.items():
        taken = seconds(draw, told.batch, told.repeats)
        first = first or taken
        size = sum(parameter.numel() for parameter in module.parameters())
        print(f"  {name:<30} {size:>8,} parameters {1000 * taken:>8.0f} ms  {taken / first:>5.2f}", flush=True)


if __name__ == "__main__":
    main()
