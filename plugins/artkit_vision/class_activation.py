"""``type = "class-activation"``: what networks see in the picture is to be of a class (paper §5.1)."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

import torch
from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator
from torch import Tensor

from artkit import Objective, RenderedPainting, Scene, View
from artkit.imaging.pixels import downscale_pixels
from artkit_vision import networks
from artkit_vision.views import Views, look, whole

_ENOUGH = 1024
"""A picture whose shorter side has at least twice as many px is reduced before it is judged."""


def _as_table(value: Any) -> Any:
    """A single class is a table of one."""
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return {str(value): 1.0}
    if not isinstance(value, dict):
        raise ValueError("write a class by name or index, or a table of several with their weights")
    return value


_Weight = Annotated[float, Field(allow_inf_nan=False)]
_Wanted = Annotated[
    dict[str, _Weight],
    Field(min_length=1),
    BeforeValidator(_as_table),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string"},
                {"type": "integer", "minimum": 0},
                {"type": "object", "additionalProperties": {"type": "number"}, "minProperties": 1},
            ]
        }
    ),
]


class ClassActivation(Objective):
    """An ensemble of classifiers is to see a class in views of the picture.

    Networks that are held out take no part in the painting. At the end they say what they see, which tells whether the
    picture shows the class or only deceives the networks it was painted with.
    """

    name = "class-activation"

    class Config(Views):
        """Settings."""

        wanted: _Wanted = Field(alias="class")
        """An ImageNet class by name or index, such as `"starfish"` or `327`; or a table of several with their weights,
        `{"starfish" = 1.0, "sea urchin" = 0.5}`. A negative weight is for what is not to be seen."""
        networks: Annotated[tuple[str, ...], Field(min_length=1)] = (
            "efficientnet_lite0",
            "efficientnet_lite1",
            "efficientnet_lite2",
        )
        """The classifiers: those that come in a package, or any of timm's or torchvision's (torchvision/NAME)."""
        held_out: tuple[str, ...] = ()
        """Classifiers that only judge the finished picture."""
        score: Literal["logit", "probability", "log-probability"] = "log-probability"
        """What is to become large: the network's bare output for the class, its share of the softmax, or the logarithm
        of that."""

        @model_validator(mode="after")
        def _check(self) -> Self:
            if both := sorted(set(self.networks) & set(self.held_out)):
                raise ValueError(f"{', '.join(both)} cannot be held out and be one of networks too")
            return self

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        self._generator, self._device = scene.generator, scene.device
        # In lists, so that the networks, which never change, are no part of this module's state.
        self._networks = [networks.load(name, scene.device) for name in config.networks]
        self._judges = [networks.load(name, scene.device) for name in config.held_out]
        # A name or an index means what it means for the first network, also where others were trained on more classes.
        known = self._networks[0].classes
        wanted = {known.keys[known.find(name)]: weight for name, weight in config.wanted.items()}
        self._wanted = {
            network: {network.classes.of(key, network.name): weight for key, weight in wanted.items()}
            for network in (*self._networks, *self._judges)
        }

    def forward(self, view: View) -> Tensor:
        return torch.stack([self._value(view, network) for network in self._networks]).mean(0)

    def _value(self, view: View, network: networks.Network) -> Tensor:
        """What one network thinks of the pictures, lower is better: (n,)."""
        told = self.config
        views = look(view, told, network.side, self._generator)
        logits = view.cached(("logits", network.name, *told.key()), lambda: network(views.flatten(0, 1)))
        scores: Tensor = _SCORES[told.score](logits).unflatten(0, views.shape[:2]).mean(0)
        wanted = self._wanted[network]
        return -(scores[:, list(wanted)] * scores.new_tensor(list(wanted.values()))).sum(1)

    def evaluate(self, painting: RenderedPainting) -> list[dict[str, Any]]:
        shrink = min(painting.size) // _ENOUGH
        picture = downscale_pixels(painting.pixels(), shrink) if shrink > 1 else painting.to_tensor()
        picture = picture[None].to(self._device)
        rows = []
        for network, wanted in self._wanted.items():
            chances = network(whole(picture, network.side)).softmax(-1)[0]
            order = chances.argsort(descending=True).tolist()
            for index in wanted:
                rows.append(
                    {
                        "network": network.name,
                        "held_out": network in self._judges,
                        "class": network.classes.name(index),
                        "rank": order.index(index) + 1,
                        "probability": round(float(chances[index]), 4),
                        "sees": network.classes.name(order[0]),
                    }
                )
        return rows


_SCORES = {
    "logit": lambda logits: logits,
    "probability": lambda logits: logits.softmax(-1),
    "log-probability": lambda logits: logits.log_softmax(-1),
}
