"""``type = "class-activation"``: maximise the score of a class in an ensemble of classifiers (paper §5.1)."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

import torch
from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator
from torch import Tensor

from artkit import Objective, RenderedPainting, Scene, View
from artkit.imaging.pixels import downscale_pixels
from artkit_vision import networks
from artkit_vision.augmentation import resize_central_square
from artkit_vision.classifiers import ClassifierSettings, SharedClassifier
from artkit_vision.weights_file import NetworkNames

_MIN_EVALUATION_SIDE = 1024  # px; a painting whose shorter side is at least twice as long is downscaled first


def _as_table(value: Any) -> Any:
    """Turn a single class into a table of one."""
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return {str(value): 1.0}
    if not isinstance(value, dict):
        raise ValueError("write a class by name or index, or a table of several with their weights")
    return value


_Weight = Annotated[float, Field(allow_inf_nan=False)]
_ClassWeights = Annotated[
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
    """Negative score of a class, averaged over the networks of an ensemble and over augmented views of the picture.

    Held-out networks take no part in the optimisation. They classify the finished painting, which shows whether it
    depicts the class or is only adversarial to the networks that it was optimised with.
    """

    name = "class-activation"

    class Config(ClassifierSettings):
        """Settings."""

        class_weights: _ClassWeights = Field(alias="class")
        """An ImageNet class by name or index, such as `"starfish"` or `327`; or a table of several with their weights,
        `{"starfish" = 1.0, "sea urchin" = 0.5}`. A negative weight lowers the score of a class."""
        held_out: NetworkNames = ()
        """Classifiers that only evaluate the finished picture."""
        score: Literal["logit", "probability", "log-probability"] = "log-probability"
        """What is maximised: the logit of the class, its softmax probability, or the logarithm of that."""

        @model_validator(mode="after")
        def _check(self) -> Self:
            if both := sorted(set(self.networks) & set(self.held_out)):
                raise ValueError(f"{', '.join(both)} cannot be in both networks and held_out")
            return self

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        self._device = scene.device
        # In lists, so that the frozen networks are not part of this module's state.
        self._classifiers = [SharedClassifier(name, config, scene) for name in config.networks]
        self._networks = [classifier.network for classifier in self._classifiers]
        self._held_out = [networks.load(name, scene.device) for name in config.held_out]
        self.provenance = networks.checksums([*self._networks, *self._held_out])
        # The first network resolves names and indices; the others may be trained on different classes.
        classes = self._networks[0].classes
        weights = {classes.keys[classes.find(name)]: weight for name, weight in config.class_weights.items()}
        self._class_weights = {
            network: {network.classes.index_of_key(key, network.name): weight for key, weight in weights.items()}
            for network in (*self._networks, *self._held_out)
        }
        self._class_tensors = {
            network: (
                torch.tensor(list(weights), device=scene.device),
                torch.tensor(list(weights.values()), device=scene.device),
            )
            for network, weights in self._class_weights.items()
        }

    def forward(self, view: View) -> Tensor:
        return torch.stack([self._loss(view, classifier) for classifier in self._classifiers]).mean(0)

    def _loss(self, view: View, classifier: SharedClassifier) -> Tensor:
        """Return the negative weighted score of one network, averaged over the augmented views: (n,)."""
        scores: Tensor = _SCORES[self.config.score](classifier.logits(view)).mean(0)
        indices, weights = self._class_tensors[classifier.network]
        return -(scores[:, indices] * weights).sum(1)

    def evaluate(self, painting: RenderedPainting) -> list[dict[str, Any]]:
        shrink = min(painting.size) // _MIN_EVALUATION_SIDE
        image = downscale_pixels(painting.pixels(), shrink) if shrink > 1 else painting.to_tensor()
        image = image[None].to(self._device)
        rows = []
        for network, weights in self._class_weights.items():
            probabilities = network(resize_central_square(image, network.side)).softmax(-1)[0]
            order = probabilities.argsort(descending=True).tolist()
            for index in weights:
                rows.append(
                    {
                        "network": network.name,
                        "held_out": network in self._held_out,
                        "class": network.classes.name(index),
                        "rank": order.index(index) + 1,
                        "probability": round(float(probabilities[index]), 4),
                        "sees": network.classes.name(order[0]),
                    }
                )
        return rows


_SCORES = {
    "logit": lambda logits: logits,
    "probability": lambda logits: logits.softmax(-1),
    "log-probability": lambda logits: logits.log_softmax(-1),
}
