"""``type = "preconditioning"``: supervise strokes with a few examples drawn by hand (paper §4)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from artkit import InputFile, Objective, Scene, UsageError, View
from artkit.devices import to_device
from artkit.strokes.stroke_examples import read_examples

_COMPARISON_SIDE = 20  # px; size of the normalised images that are compared
_COMPARISON_EXTENT = 2.2  # standard deviations of the ink from the centre of such an image to its edge
_MIN_DEVIATION = 0.02  # tiles; added in quadrature to the standard deviations of the ink
_RENDERED_DEFAULT = 0.4  # for values that an example leaves open, when it is rendered for the comparison


class Preconditioning(Objective):
    """Squared difference between the proposed strokes and those of the example that is most similar to the target.

    If the class of a target is known, only examples of that class are considered. The strokes are compared before
    constraints are applied. Give it a weight schedule that ends at 0, and let the other objectives start later.
    """

    name = "preconditioning"

    class Config(Objective.Config):
        """Settings."""

        examples: InputFile
        """The examples: a TOML file of strokes, which `artkit examples` draws."""
        fit: bool = True
        """Examples are translated, stretched and slanted to match the mean and the covariance of the target's ink.
        Otherwise they are used as they are, as in the paper."""

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        assert scene.renderer is not None
        assert scene.canvas is not None
        if scene.data is None:
            raise UsageError("preconditioning needs images to train with", hint="add [data] to the recipe")
        if len(torch.unique(scene.canvas.tiles(), dim=0)) > 1:
            raise UsageError("preconditioning needs a canvas with one tile", hint='use canvas.type = "single"')
        self._scene, space = scene, scene.renderer.space
        examples = read_examples(config.examples)
        self._point_indices = [
            torch.tensor(space.index(name + "_x", name + "_y"), device=scene.device)
            for name in ("start", "middle", "end")
        ]
        strokes = torch.stack([example.actions(space, scene.canvas.stroke_count) for example in examples])
        self.register_buffer("_strokes", strokes.to(scene.device), persistent=False)
        labels = [example.label for example in examples]
        if unknown := sorted(set(labels) - {"", *scene.data.classes}):
            raise UsageError(
                f'{config.examples} has an example of "{unknown[0]}", which is not a class of the data',
                hint=f"there are: {', '.join(scene.data.classes[:20]) or 'none'}",
            )
        is_candidate = [[label in ("", name) for label in labels] for name in scene.data.classes]
        self.register_buffer("_is_candidate", torch.tensor(is_candidate, device=scene.device), persistent=False)
        self._example_ink: _Ink | None = None

    _strokes: Tensor
    """(E, N, A); NaN where the example leaves a value open."""
    _is_candidate: Tensor
    """(classes, E): whether an example may be used for a target of a class."""

    def forward(self, view: View) -> Tensor:
        assert view.raw_actions is not None
        assert view.target is not None
        with torch.no_grad():
            expected, has_example = self._select_strokes(view.target, view.labels)
        is_specified = expected.isfinite()
        squares = (view.raw_actions - expected.nan_to_num()).square() * is_specified
        return squares.sum((1, 2)) / is_specified.sum((1, 2)).clamp(min=1) * has_example

    def _select_strokes(self, targets: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the expected strokes (n, N, A) for targets (n, 3, h, w), and which have an example (n,)."""
        ink, example_ink = _Ink(self._ink(targets)), self._render_examples()
        similarity = ink.normalized() @ example_ink.normalized().T
        has_example = torch.ones(len(targets), dtype=torch.bool, device=targets.device)
        if labels is not None and len(self._is_candidate):
            is_candidate = self._is_candidate[to_device(labels, targets.device)]
            similarity, has_example = similarity.masked_fill(~is_candidate, -1.0), is_candidate.any(1)
        best = similarity.argmax(1)
        strokes = self._strokes[best].clone()
        if self.config.fit:
            for indices in self._point_indices:
                points = ink.from_normalized(example_ink.to_normalized(strokes[..., indices], best))
                strokes[..., indices] = points.clamp(0, 1)
        return strokes, has_example

    def _render_examples(self) -> _Ink:
        """Return the ink of the rendered examples; they are rendered once."""
        if self._example_ink is None:
            scene = self._scene
            assert scene.canvas is not None
            assert scene.renderer is not None
            actions = scene.constrain(self._strokes.nan_to_num(_RENDERED_DEFAULT), 1.0)
            images = scene.canvas.render(scene.renderer, actions, scene.background, scene.seed)
            self._example_ink = _Ink(self._ink(images))
        return self._example_ink

    def _ink(self, images: Tensor) -> Tensor:
        """Return the absolute difference of images (n, 3, h, w) from the background: (n, h, w)."""
        return (images - self._scene.background.view(1, 3, 1, 1)).abs().mean(1)


class _Ink:
    """Mean and covariance of the ink (n, h, w) of images, and the normalised coordinates that follow from them.

    Points are x and y from 0 to 1 across the image. In normalised coordinates the ink has mean 0 and the identity as
    covariance: they are centred, upright (no slant of x along y) and of unit size.
    """

    def __init__(self, ink: Tensor) -> None:
        self._ink = ink
        n, height, width = ink.shape
        density = (ink + 1e-8) / (ink + 1e-8).sum((1, 2), keepdim=True)
        x = ((torch.arange(width, device=ink.device) + 0.5) / width).expand(n, height, width)
        y = ((torch.arange(height, device=ink.device) + 0.5) / height)[:, None].expand(n, height, width)
        mean_x, mean_y = (density * x).sum((1, 2)), (density * y).sum((1, 2))
        dx, dy = x - mean_x[:, None, None], y - mean_y[:, None, None]
        var_x, var_y, cov_xy = ((density * product).sum((1, 2)) for product in (dx * dx, dy * dy, dx * dy))
        scale_y = (var_y + _MIN_DEVIATION**2).sqrt()
        slant = cov_xy / scale_y
        scale_x = (var_x - slant.square()).clamp(min=0).add(_MIN_DEVIATION**2).sqrt()
        self._mean = torch.stack([mean_x, mean_y], dim=-1)
        self._factor = torch.stack([scale_x, slant, scale_y], dim=-1)  # a triangular factor of the covariance

    def from_normalized(self, points: Tensor) -> Tensor:
        """Map normalised points (n, k, 2) to the images."""
        scale_x, slant, scale_y = self._factor[:, None].unbind(-1)
        x, y = points.unbind(-1)
        return self._mean[:, None] + torch.stack([scale_x * x + slant * y, scale_y * y], dim=-1)

    def to_normalized(self, points: Tensor, image_indices: Tensor) -> Tensor:
        """Map points (m, k, 2) in the images with the given indices (m,) to normalised coordinates."""
        scale_x, slant, scale_y = self._factor[image_indices][:, None].unbind(-1)
        x, y = (points - self._mean[image_indices][:, None]).unbind(-1)
        y = y / scale_y
        return torch.stack([(x - slant * y) / scale_x, y], dim=-1)

    def normalized(self) -> Tensor:
        """Return the normalised images as unit vectors (n, `_COMPARISON_SIDE` squared)."""
        n, side = len(self._ink), _COMPARISON_SIDE
        axis = torch.linspace(-_COMPARISON_EXTENT, _COMPARISON_EXTENT, side, device=self._ink.device)
        points = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1).view(1, -1, 2).expand(n, -1, -1)
        grid = self.from_normalized(points).view(n, side, side, 2) * 2 - 1
        normalized = F.grid_sample(self._ink[:, None], grid, align_corners=False)
        blurred = F.avg_pool2d(normalized, 3, 1, 1)
        return F.normalize(blurred.flatten(1), dim=1)
