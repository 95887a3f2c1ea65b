"""Renderers of strokes as torch modules, for losses and loops without recipes: `painter`, `brush` and `composite`."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any

import torch
from torch import Tensor, nn

from artkit.devices import choose_device
from artkit.errors import UsageError
from artkit.geometry.place import Place
from artkit.interfaces.renderer import Renderer
from artkit.recipes.building import new_scene
from artkit.rendering.stroke_renderer import StrokePatches
from artkit.strokes.action_space import ActionSpace

_MAX_SIZE_PX = 4096


class PainterModule(nn.Module):
    """A renderer as a module: each action is painted as a stroke on a tile of its own.

    Made by `artkit.painter` and `artkit.brush`. Its weights are frozen. renderer: the component that paints.

    Examples:
        >>> import artkit, torch
        >>> painter = artkit.painter("gan", brush="classic/charcoal")
        >>> painter.space.names[:3]
        ('start_x', 'start_y', 'middle_x')
        >>> painter(torch.rand(2, 12), size=32).shape
        torch.Size([2, 4, 32, 32])
    """

    def __init__(self, renderer: Renderer) -> None:
        super().__init__()
        self.renderer = renderer

    @property
    def space(self) -> ActionSpace:
        """The names, units and order of the numbers of an action."""
        return self.renderer.space

    def margin(self, size: int) -> int:
        """Return how far paint may extend beyond a tile of `size` px, in px."""
        return self.renderer.margin(size)

    def forward(
        self, actions: Tensor, seeds: Tensor | Sequence[int] | None = None, size: int = 64, margin: int = 0
    ) -> Tensor:
        """Paint strokes: actions (m, A) in [0, 1] -> (m, 4, S, S) in [0, 1], S = size + 2 margin.

        Channels: red, green, blue (sRGB, not multiplied by the coverage) and the coverage. seeds (m,), whole numbers:
        which sample of the brush's randomness each stroke is; the default is 0 to m - 1. A dcgan, which has no noise,
        paints the same stroke for all. size: side of the tiles to
        which the coordinates of an action refer, px; brushes scale with it. margin: px around the tile that are painted
        too. The result is float32, on the device of the actions and differentiable with respect to them. Raises
        UsageError for other shapes, ranges or sizes.

        Examples:
            >>> import artkit, torch
            >>> painter = artkit.painter("gan")
            >>> action = torch.tensor([[0.1, 0.5, 0.5, 0.3, 0.9, 0.5, 1, 1, 0.5, 1, 0, 0]])
            >>> samples = painter(action.expand(4, -1), seeds=[7, 7, 8, 9])
            >>> torch.equal(samples[0], samples[1]), torch.equal(samples[0], samples[2])
            (True, False)
        """
        colour, coverage = self._patches(actions, seeds, size, margin)
        return torch.cat([colour.expand(-1, -1, *coverage.shape[-2:]), coverage], dim=1)

    def coverage(
        self, actions: Tensor, seeds: Tensor | Sequence[int] | None = None, size: int = 64, margin: int = 0
    ) -> Tensor:
        """Paint strokes without their colour: (m, 1, S, S) in [0, 1]; otherwise like `forward`."""
        return self._patches(actions, seeds, size, margin).coverage

    def _patches(self, actions: Tensor, seeds: Tensor | Sequence[int] | None, size: int, margin: int) -> StrokePatches:
        _check_actions(actions, self.space)
        _check_size("size", size, 1)
        _check_size("margin", margin, 0)
        indices = _stroke_indices(seeds, len(actions), actions.device)
        origin = torch.zeros(len(actions), 2, device=actions.device)
        patches: StrokePatches = self.renderer(actions.float(), Place(origin, size, margin, indices, (size, size), 0))
        return patches


def _check_actions(actions: Tensor, space: ActionSpace) -> None:
    shape = f"(m, {len(space)})"
    if not isinstance(actions, Tensor) or not actions.is_floating_point():
        given = f"{actions.dtype} tensor" if isinstance(actions, Tensor) else type(actions).__name__
        raise UsageError(f"actions must be a tensor of floating-point numbers of shape {shape}, not a {given}")
    if actions.dim() != 2 or actions.shape[1] != len(space):
        raise UsageError(
            f"actions must have the shape {shape}, not {tuple(actions.shape)}",
            hint=f"an action is {', '.join(space.names[:16])}{', …' if len(space) > 16 else ''}",
        )
    if len(actions) and not ((actions >= 0) & (actions <= 1)).all():
        low, high = actions.min().item(), actions.max().item()
        raise UsageError(
            f"actions must lie in [0, 1], not between {low:.4g} and {high:.4g}",
            hint="apply a sigmoid to unbounded parameters",
        )


def _check_size(name: str, size: int, smallest: int) -> None:
    if not isinstance(size, Integral) or not smallest <= size <= _MAX_SIZE_PX:
        raise UsageError(f"{name} must be a whole number of px from {smallest} to {_MAX_SIZE_PX}, not {size!r}")


def _stroke_indices(seeds: Tensor | Sequence[int] | None, count: int, device: torch.device) -> Tensor:
    if seeds is None:
        return torch.arange(count, device=device)
    indices = torch.as_tensor(seeds)
    if indices.shape != (count,) or indices.is_floating_point() or indices.is_complex():
        raise UsageError(
            f"seeds must be {count} whole numbers, one for each action, not a {indices.dtype} tensor of shape "
            f"{tuple(indices.shape)}"
        )
    return indices.to(device, torch.int64)


def painter(kind: str = "gan", brush: str | None = None, *, device: str = "cpu", **settings: Any) -> PainterModule:
    """Return a renderer of strokes as a `torch.nn.Module`: actions (m, A) to strokes (m, 4, S, S).

    kind: a renderer, such as gan, vae or dcgan (neural painters), mypaint (MyPaint's brush engine), or that of a
    plugin; ``artkit plugins`` lists them. brush: for neural painters one with shipped weights, for mypaint any of
    ``artkit brushes``; classic/dry_brush by default. device: cpu, cuda, cuda:1, mps or auto; `to` moves the module
    later. settings: those of the renderer's table in a recipe, such as ``weights="mine.safetensors"``. Raises
    UsageError for an unknown kind, brush or setting.

    Examples:
        >>> import artkit, torch
        >>> painter = artkit.painter("gan", brush="classic/charcoal")
        >>> actions = torch.rand(8, 12, requires_grad=True)
        >>> strokes = painter(actions, size=64)
        >>> strokes.shape
        torch.Size([8, 4, 64, 64])
        >>> strokes.mean().backward()
        >>> actions.grad.shape
        torch.Size([8, 12])
    """
    scene = new_scene((64, 64), 0, (1.0, 1.0, 1.0), choose_device(device))
    renderer: Renderer = scene.make("renderer", kind, **({"brush": brush} if brush else {}), **settings)
    if renderer.shared:
        raise UsageError(
            f"the renderer {kind} paints a whole picture by a single action, not strokes",
            hint="build it with artkit.scene(...).make",
        )
    return PainterModule(renderer)


def brush(name: str = "classic/dry_brush", *, gradient: str = "expected", device: str = "cpu") -> PainterModule:
    """Return a MyPaint brush as a `torch.nn.Module`, ``painter("mypaint", brush=name)``.

    The forward pass returns the strokes that MyPaint paints; the backward pass returns the gradient of a smooth model
    of them. name: see ``artkit brushes``, or the path of a ``.myb`` file. gradient: expected, mean or exact, see the
    renderer `mypaint`. Raises UsageError for an unknown or unsupported brush.

    Examples:
        >>> import artkit, torch
        >>> brush = artkit.brush("deevad/liner")
        >>> actions = torch.rand(8, 12, requires_grad=True)
        >>> coverage = brush.coverage(actions)
        >>> coverage.shape
        torch.Size([8, 1, 64, 64])
        >>> coverage.mean().backward()
    """
    return painter("mypaint", name, gradient=gradient, device=device)


def composite(strokes: Tensor, background: Tensor | Sequence[float] = (1.0, 1.0, 1.0)) -> Tensor:
    """Composite strokes in their order: (m, 4, h, w) -> picture (3, h, w), sRGB in [0, 1]; differentiable.

    strokes: as `PainterModule` returns them. background: a colour (3,), or a picture (3, h, w) to paint on. Raises
    UsageError for other shapes.

    Examples:
        >>> import artkit, torch
        >>> red = torch.tensor([1.0, 0.0, 0.0, 0.5]).view(1, 4, 1, 1)
        >>> artkit.composite(red).flatten()
        tensor([1.0000, 0.5000, 0.5000])
    """
    if strokes.dim() != 4 or strokes.shape[1] != 4:
        raise UsageError(f"strokes must have the shape (m, 4, h, w), not {tuple(strokes.shape)}")
    picture = torch.as_tensor(background, dtype=strokes.dtype, device=strokes.device)
    if picture.shape not in ((3,), (3, *strokes.shape[2:])):
        raise UsageError(
            f"the background must be a colour (3,) or a picture {(3, *strokes.shape[2:])}, not {tuple(picture.shape)}"
        )
    if picture.dim() == 1:
        picture = picture.view(3, 1, 1).expand(3, *strokes.shape[2:])
    for stroke in strokes:
        picture = torch.lerp(picture, stroke[:3], stroke[3:])
    return picture
