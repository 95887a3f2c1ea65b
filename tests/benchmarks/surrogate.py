"""The painters of MyPaint's strokes beside the generator of the paper's released code: forward and backward.

    python tests/benchmarks/surrogate.py [--batch 256] [--repeats 5] [--threads N] [--device cuda]

All paint random strokes on 64 px and give the gradient of the actions alone; the median of the repeats. The painter of
the mean, whose gradient leads MyPaint, also paints the 16 px around the tile that the generator cuts off. The last
column is the share of the memory's bandwidth: the bytes that the operations of a pass read and write, a second, over
those of a large copy in the same run. What stays in a processor's cache counts as well, so on a CPU the share may be
above 1.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from released import make_generator
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from artkit_mypaint.action_spaces import STROKE_SPACE
from artkit_painters import weights
from artkit_painters.dab_painter import DabPainter
from artkit_painters.geometry_painter import GeometryPainter

SIDE = 64
Network = TypeVar("Network", GeometryPainter, DabPainter)


def shipped(kind: str, network: type[Network]) -> Network:
    """The one that artkit ships for dry_brush."""
    tensors, facts, _ = weights.load(weights.shipped(kind, "classic/dry_brush"))
    painter = network.from_metadata(facts)
    painter.load_state_dict(tensors)
    return painter.eval().requires_grad_(False)


class Traffic(TorchDispatchMode):
    """Counts the bytes that operations read and write; one that only looks at a tensor otherwise moves none."""

    def __init__(self) -> None:
        super().__init__()
        self.moved = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        views = [r.alias_info is not None and not r.alias_info.is_write for r in func._schema.returns]
        if not all(views):
            touched = [*tree_leaves((args, kwargs)), *tree_leaves(out)]
            self.moved += sum(t.nbytes for t in touched if isinstance(t, Tensor))
        return out


def traffic(draw: Callable[[Tensor], Tensor], actions: Tensor) -> int:
    """Bytes that a forward and a backward pass move."""
    with Traffic() as counted:
        torch.autograd.grad(draw(actions).sum(), actions)
    return counted.moved


def clock(work: Callable[[], object], repeats: int, device: torch.device) -> float:
    """Seconds that work takes, the median of the repeats after a first time, which plans."""
    taken = []
    for _ in range(repeats + 1):
        wait(device)
        began = time.perf_counter()
        work()
        wait(device)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken[1:])


def wait(device: torch.device) -> None:
    """Until the device has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def bandwidth(repeats: int, device: torch.device) -> float:
    """Bytes a second that a copy of 256 MB reads and writes."""
    source = torch.zeros(1 << 26, device=device)
    goal = torch.empty_like(source)
    return 2 * source.nbytes / clock(lambda: goal.copy_(source), repeats, device)


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0, help="of torch; 0: as many as it likes")
    parser.add_argument("--device", default="cpu")
    told = parser.parse_args()
    if told.threads:
        torch.set_num_threads(told.threads)
    device = torch.device(told.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise SystemExit("there is no GPU that torch can use")
    mean, dabs = shipped("mean", GeometryPainter).to(device), shipped("gan", DabPainter).to(device)
    generator = make_generator().to(device)
    seeds = torch.arange(told.batch, device=device)
    actions = torch.rand(told.batch, len(STROKE_SPACE), generator=torch.Generator().manual_seed(0)).to(device)
    actions.requires_grad_()
    ways: dict[str, tuple[torch.nn.Module, Callable[[Tensor], Tensor]]] = {
        "released generator, 64 px": (generator, generator),
        "mean, 64 px": (mean, lambda actions: mean(actions, SIDE, 0)),
        "mean, 64 px and 16 around": (mean, lambda actions: mean(actions, SIDE, 16)),
        "samples, dab by dab, 64 px": (dabs, lambda actions: dabs(actions, SIDE, 0, seeds)),
    }
    limit = bandwidth(told.repeats, device)
    print(f"batch {told.batch}, forward and backward, {device}, {torch.get_num_threads()} threads")
    print(f"a copy moves {limit / 1e9:.0f} GB/s")
    print(f"  {'':<30} {'parameters':>12} {'ms':>8} {'ratio':>6} {'strokes/s':>10} {'bandwidth':>10}")
    first = None
    for name, (module, draw) in ways.items():

        def work(draw: Callable[[Tensor], Tensor] = draw) -> None:
            (gradient,) = torch.autograd.grad(draw(actions).sum(), actions)
            assert gradient.isfinite().all()

        taken = clock(work, told.repeats, device)
        share = traffic(draw, actions) / taken / limit
        first = first or taken
        size = sum(parameter.numel() for parameter in module.parameters())
        figures = f"{size:>12,} {1000 * taken:>8.1f} {taken / first:>6.2f} {told.batch / taken:>10,.0f} {share:>10.2f}"
        print(f"  {name:<30} {figures}", flush=True)


if __name__ == "__main__":
    main()
