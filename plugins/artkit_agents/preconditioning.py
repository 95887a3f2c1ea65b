"""``type = "preconditioning"``: strokes as a person draws them, from few examples made by hand (paper §4)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from artkit import InputFile, Objective, Scene, UsageError, View
from artkit.strokes.stroke_examples import read_examples

_SIDE = 20  # px a side at which pictures are compared with examples
_SPAN = 2.2  # of that comparison, standard deviations of the ink either way
_THIN = 0.02  # tiles: no ink is taken for narrower than this
_UNSAID = 0.4  # for what an example leaves to the painter, where it is drawn to be compared


class Preconditioning(Objective):
    """Squared difference between the strokes proposed and those of the example that looks most like the target.

    Of a picture whose class is known only examples of its class are looked at. It scores strokes before constraints
    have changed them. Say how it fades with a schedule of its weight, and let the other objectives come in later.
    """

    name = "preconditioning"

    class Config(Objective.Config):
        """Settings."""

        examples: InputFile
        """The examples: a TOML file of strokes, which `artkit examples` draws."""
        fit: bool = True
        """Examples are moved, stretched and slanted to lie over the target, by the mean and the spread of its ink.
        Otherwise they are taken as they are, as in the paper."""

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        assert scene.renderer is not None
        assert scene.canvas is not None
        if scene.data is None:
            raise UsageError("preconditioning needs pictures to learn from", hint="give the recipe [data]")
        if len(torch.unique(scene.canvas.tiles(), dim=0)) > 1:
            raise UsageError("preconditioning needs a canvas of one tile", hint='use canvas.type = "single"')
        self._scene, space = scene, scene.renderer.space
        told = read_examples(config.examples)
        self._points = [space.index(name + "_x", name + "_y") for name in ("start", "middle", "end")]
        strokes = torch.stack([example.actions(space, scene.canvas.stroke_count) for example in told])
        self.register_buffer("_strokes", strokes.to(scene.device), persistent=False)  # (E, N, A), NaN if not said
        names = [example.label for example in told]
        of_class = [[label in ("", name) for label in names] for name in scene.data.classes]
        self.register_buffer("_of_class", torch.tensor(of_class, device=scene.device), persistent=False)
        if stray := sorted(set(names) - {"", *scene.data.classes}):
            raise UsageError(
                f'{config.examples} has an example of "{stray[0]}", which is no class of the data',
                hint=f"there are: {', '.join(scene.data.classes[:20]) or 'none'}",
            )
        self._drawn: _Ink | None = None

    _strokes: Tensor
    _of_class: Tensor

    def forward(self, view: View) -> Tensor:
        assert view.raw_actions is not None
        assert view.target is not None
        with torch.no_grad():
            wanted, taken = self._wanted(view.target, view.labels)
        said = wanted.isfinite()
        squares = (view.raw_actions - wanted.nan_to_num()).square() * said
        return squares.sum((1, 2)) / said.sum((1, 2)).clamp(min=1) * taken

    def _wanted(self, target: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        """The strokes (n, N, A) that pictures (n, 3, h, w) should have, and whether there is an example at all (n,)."""
        seen, drawn = _Ink(self._ink(target)), self._examples()
        likeness = seen.shape() @ drawn.shape().T
        taken = torch.ones(len(target), dtype=torch.bool, device=target.device)
        if labels is not None and len(self._of_class):
            allowed = self._of_class[labels.to(target.device)]
            likeness, taken = likeness.masked_fill(~allowed, -1.0), allowed.any(1)
        chosen = likeness.argmax(1)
        strokes = self._strokes[chosen].clone()
        if self.config.fit:
            for place in self._points:
                there = seen.placed(drawn.found(strokes[..., place], chosen))
                strokes[..., place] = there.clamp(0, 1)
        return strokes, taken

    def _examples(self) -> _Ink:
        """The ink of the examples, drawn once."""
        if self._drawn is None:
            scene = self._scene
            assert scene.canvas is not None
            assert scene.renderer is not None
            actions = scene.constrain(self._strokes.nan_to_num(_UNSAID), 1.0)
            self._drawn = _Ink(self._ink(scene.canvas.render(scene.renderer, actions, scene.background, scene.seed)))
        return self._drawn

    def _ink(self, pictures: Tensor) -> Tensor:
        """How far each pixel of pictures (n, 3, h, w) is from the ground: (n, h, w)."""
        return (pictures - self._scene.background.view(1, 3, 1, 1)).abs().mean(1)


class _Ink:
    """Where the ink (n, h, w) of pictures lies: its mean, its spread along y, and along x, which y may slant.

    Places are x and y from 0 to 1 across the picture. As seen from the mean, in spreads, pictures are upright and of
    one size.
    """

    def __init__(self, ink: Tensor) -> None:
        self._ink = ink
        n, height, width = ink.shape
        share = (ink + 1e-8) / (ink + 1e-8).sum((1, 2), keepdim=True)
        x = ((torch.arange(width, device=ink.device) + 0.5) / width).expand(n, height, width)
        y = ((torch.arange(height, device=ink.device) + 0.5) / height)[:, None].expand(n, height, width)
        mean_x, mean_y = (share * x).sum((1, 2)), (share * y).sum((1, 2))
        dx, dy = x - mean_x[:, None, None], y - mean_y[:, None, None]
        var_x, var_y, both = ((share * product).sum((1, 2)) for product in (dx * dx, dy * dy, dx * dy))
        down = (var_y + _THIN**2).sqrt()
        slant = both / down
        across = (var_x - slant.square()).clamp(min=0).add(_THIN**2).sqrt()
        self._mean = torch.stack([mean_x, mean_y], dim=-1)
        self._spread = torch.stack([across, slant, down], dim=-1)

    def placed(self, points: Tensor) -> Tensor:
        """Points (n, k, 2) in spreads from the mean -> as places in the picture."""
        across, slant, down = self._spread[:, None].unbind(-1)
        x, y = points.unbind(-1)
        return self._mean[:, None] + torch.stack([across * x + slant * y, down * y], dim=-1)

    def found(self, places: Tensor, which: Tensor) -> Tensor:
        """Places (m, k, 2) in the pictures with the numbers (m,) -> in spreads from their mean."""
        across, slant, down = self._spread[which][:, None].unbind(-1)
        x, y = (places - self._mean[which][:, None]).unbind(-1)
        y = y / down
        return torch.stack([(x - slant * y) / across, y], dim=-1)

    def shape(self) -> Tensor:
        """The pictures, upright and of one size, as vectors of length 1: (n, `_SIDE` squared)."""
        n = len(self._ink)
        way = torch.linspace(-_SPAN, _SPAN, _SIDE, device=self._ink.device)
        points = torch.stack(torch.meshgrid(way, way, indexing="xy"), dim=-1).view(1, -1, 2).expand(n, -1, -1)
        grid = self.placed(points).view(n, _SIDE, _SIDE, 2) * 2 - 1
        upright = F.grid_sample(self._ink[:, None], grid, align_corners=False)
        blurred = F.avg_pool2d(upright, 3, 1, 1)
        return F.normalize(blurred.flatten(1), dim=1)
