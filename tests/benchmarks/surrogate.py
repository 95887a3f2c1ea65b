"""The painters of MyPaint's strokes beside the generator of the paper's released code: forward and backward.

    python tests/benchmarks/surrogate.py [--batch 256] [--repeats 5] [--threads N] [--device cuda]

Each renders random strokes on 64 px and computes the gradient of the actions; the median of the repeats. The painter of
the mean, whose gradient is that of MyPaint, also renders the margin of 16 px that the generator cuts off. The last
column is the share of the memory bandwidth: the bytes that the operations of a pass read and write per second, over
those of a large copy in the same run. Bytes in a processor's cache count too, so that the share on a CPU may be over 1.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from released import make_generator
from timing import median_seconds
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from artkit_mypaint.action_spaces import STROKE_SPACE
from artkit_painters import weights
from artkit_painters.dab_painter import DabPainter
from artkit_painters.geometry_painter import GeometryPainter

SIDE = 64
Network = TypeVar("Network", GeometryPainter, DabPainter)
Draw = Callable[[Tensor], Tensor]


def load_shipped(kind: str, network: type[Network]) -> Network:
    """Return the shipped painter of dry_brush."""
    tensors, metadata, _ = weights.load(weights.shipped(kind, "classic/dry_brush"))
    painter = network.from_metadata(metadata)
    painter.load_state_dict(tensors)
    return painter.eval().requires_grad_(False)


class Traffic(TorchDispatchMode):
    """Counts the bytes that operations read and write; views count nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        views = [r.alias_info is not None and not r.alias_info.is_write for r in func._schema.returns]
        if not all(views):
            tensors = [*tree_leaves((args, kwargs)), *tree_leaves(out)]
            self.bytes += sum(t.nbytes for t in tensors if isinstance(t, Tensor))
        return out


def traffic(draw: Draw, actions: Tensor) -> int:
    """Return the bytes that a forward and a backward pass read and write."""
    with Traffic() as counter:
        torch.autograd.grad(draw(actions).sum(), actions)
    return counter.bytes


def gradient_pass(draw: Draw, actions: Tensor) -> Callable[[], None]:
    """Return a function that computes a forward and a backward pass."""

    def run() -> None:
        (gradient,) = torch.autograd.grad(draw(actions).sum(), actions)
        assert gradient.isfinite().all()

    return run


def copy_bandwidth(repeats: int, device: torch.device, synchronize: Callable[[], None]) -> float:
    """Return the bytes per second that a copy of 256 MB reads and writes."""
    source = torch.zeros(1 << 26, device=device)
    destination = torch.empty_like(source)
    return 2 * source.nbytes / median_seconds([lambda: destination.copy_(source)], repeats, synchronize)[0]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0, help="of torch; 0: its default")
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    device = torch.device(arguments.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise SystemExit("torch finds no GPU")
    synchronize = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    mean = load_shipped("mean", GeometryPainter).to(device)
    dabs = load_shipped("gan", DabPainter).to(device)
    generator = make_generator().to(device)
    seeds = torch.arange(arguments.batch, device=device)
    actions = torch.rand(arguments.batch, len(STROKE_SPACE), generator=torch.Generator().manual_seed(0)).to(device)
    actions.requires_grad_()
    painters: dict[str, tuple[torch.nn.Module, Draw]] = {
        "released generator, 64 px": (generator, generator),
        "mean, 64 px": (mean, lambda actions: mean(actions, SIDE, 0)),
        "mean, 64 px, margin 16 px": (mean, lambda actions: mean(actions, SIDE, 16)),
        "samples, dab by dab, 64 px": (dabs, lambda actions: dabs(actions, SIDE, 0, seeds)),
    }
    bandwidth = copy_bandwidth(arguments.repeats, device, synchronize)
    print(f"batch {arguments.batch}, forward and backward, {device}, {torch.get_num_threads()} threads")
    print(f"a copy reads and writes {bandwidth / 1e9:.0f} GB/s")
    print(f"  {'':<30} {'parameters':>12} {'ms':>8} {'ratio':>6} {'strokes/s':>10} {'bandwidth':>10}")
    baseline = None
    for name, (module, draw) in painters.items():
        (seconds,) = median_seconds([gradient_pass(draw, actions)], arguments.repeats, synchronize)
        share = traffic(draw, actions) / seconds / bandwidth
        baseline = baseline or seconds
        size = sum(parameter.numel() for parameter in module.parameters())
        print(
            f"  {name:<30} {size:>12,} {1000 * seconds:>8.1f} {seconds / baseline:>6.2f} "
            f"{arguments.batch / seconds:>10,.0f} {share:>10.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
