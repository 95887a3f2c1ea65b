"""``type = "text"``: the picture is to be what a text says, as an image-text model understands both (Radford et al.,
2021).
"""

from __future__ import annotations

import difflib
from functools import cache
from typing import Annotated, Any

import torch
from pydantic import BeforeValidator, Field, WithJsonSchema
from torch import Tensor, nn
from torch.nn import functional as F

from artkit import ArtkitError, Objective, Scene, UsageError, View
from artkit.torchvision_compat import declare_missing_operators
from artkit_vision import networks
from artkit_vision.views import Views, look


def _as_table(value: Any) -> Any:
    """A single text is a table of one."""
    return {value: 1.0} if isinstance(value, str) else value


_Texts = Annotated[
    dict[str, Annotated[float, Field(allow_inf_nan=False)]],
    Field(min_length=1),
    BeforeValidator(_as_table),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string"},
                {"type": "object", "additionalProperties": {"type": "number"}, "minProperties": 1},
            ]
        }
    ),
]


class Text(Objective):
    """Distance between views of the picture and texts in the space that an image-text model has for both.

    The distance is 1 less the cosine of the angle between them. Needs open_clip, `pip install "neural-artkit[text]"`,
    which fetches a model's weights when it is used first.
    """

    name = "text"

    class Config(Views):
        """Settings."""

        text: _Texts
        """What the picture is to be; or a table of several texts with their weights. A negative weight is for what it
        is not to be."""
        model: str = "ViT-B-32"
        """The image-text model, as open_clip names it."""
        pretrained: str = "laion2b_s34b_b79k"
        """Which of its weights, as open_clip names them."""

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        self._generator = scene.generator
        # In a tuple, so that the model, which never changes, is no part of this module's state.
        self._models = (load(config.model, config.pretrained, scene.device),)
        self._wanted = self._models[0].texts(tuple(config.text))
        self._weights = torch.tensor(list(config.text.values()), device=scene.device)

    def forward(self, view: View) -> Tensor:
        told, model = self.config, self._models[0]
        views = look(view, told, model.side, self._generator)
        key = ("image", told.model, told.pretrained, *told.key())
        seen: Tensor = view.cached(key, lambda: model(views.flatten(0, 1)))
        distance = 1 - seen @ self._wanted.T
        return (distance * self._weights).sum(1).view(views.shape[:2]).mean(0)


class ImageText(nn.Module):
    """An image-text model, frozen. Images are sRGB in [0, 1], which it normalises as it was trained.

    side: of its images, px.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, model: nn.Module, tokenizer: Any) -> None:
        super().__init__()
        self.model = model.eval().requires_grad_(False)
        visual: Any = model.visual
        size = visual.image_size
        self.side = int(size if isinstance(size, int) else size[0])
        self._tokenizer = tokenizer
        self.register_buffer("mean", torch.tensor(visual.image_mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(visual.image_std).view(1, 3, 1, 1), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """Where images (n, 3, side, side) lie in the common space, unit vectors (n, d)."""
        model: Any = self.model
        return F.normalize(model.encode_image((image - self.mean) / self.std), dim=-1)

    @torch.no_grad()
    def texts(self, texts: tuple[str, ...]) -> Tensor:
        """Where texts lie in the common space, unit vectors (m, d)."""
        model: Any = self.model
        return F.normalize(model.encode_text(self._tokenizer(list(texts)).to(self.mean.device)), dim=-1)


@cache
def load(name: str, pretrained: str, device: torch.device) -> ImageText:
    """An image-text model on a device; loaded once.

    Raises ArtkitError if open_clip is not installed or the weights cannot be fetched, UsageError for a model or weights
    that it does not have.
    """
    declare_missing_operators()
    try:
        import open_clip
    except ImportError:
        raise ArtkitError('the objective "text" needs open_clip', hint='pip install "neural-artkit[text]"') from None
    if name not in open_clip.list_models():
        raise UsageError(f'open_clip has no model "{name}"', hint=_near(name, open_clip.list_models()))
    there = open_clip.list_pretrained_tags_by_model(name)
    if pretrained not in there:
        raise UsageError(f'{name} has no weights "{pretrained}"', hint=f"there are: {', '.join(there) or 'none'}")
    try:
        with networks.quiet_hub():
            model = open_clip.create_model(name, pretrained, device=device)
    except Exception as error:  # the hub's client raises many kinds
        first = str(error).splitlines()[0][:160] if str(error) else type(error).__name__
        raise ArtkitError(
            f"the weights {pretrained} of {name} could not be fetched ({first})",
            hint="paint with it once where there is a connection; no package brings image-text weights",
        ) from None
    return ImageText(model, open_clip.get_tokenizer(name)).to(device)


def _near(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names, n=5, cutoff=0.4)
    return f"near it: {', '.join(near)}" if near else "see open_clip.list_models()"
