"""``type = "natural-statistics"``: match the statistics of photos that classifiers stored (Yin et al., 2020)."""

from __future__ import annotations

import torch
from torch import Tensor

from artkit import Objective, Scene, UsageError, View
from artkit_vision import networks
from artkit_vision.classifiers import ClassifierSettings, SharedClassifier

_MIN_RELATIVE_STD = 0.01
"""Channels that hardly vary count as if they had this standard deviation, relative to the mean of their layer."""


class NaturalStatistics(Objective):
    """Difference between the features of the picture and those of photos, in mean and standard deviation.

    A prior for pictures without a target, as in DeepInversion (arXiv 1912.08777): the batch normalisation of a network
    stores both, of each channel, over the photos that it was trained on. The views of the picture are compared with
    them together, in units of the channel's standard deviation; early layers count more. Objectives with the same
    networks and views share one forward pass.
    """

    name = "natural-statistics"

    class Config(ClassifierSettings):
        """Settings."""

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        # In a list, so that the frozen networks are not part of this module's state.
        self._classifiers = [SharedClassifier(name, config, scene, record_moments=True) for name in config.networks]
        self.provenance = networks.checksums([classifier.network for classifier in self._classifiers])
        for classifier in self._classifiers:
            if not classifier.network.statistics:
                raise UsageError(
                    f"{classifier.network.name} has no batch normalisation, so it stores no statistics of photos",
                    hint="choose another of the networks for natural-statistics, such as efficientnet_lite0",
                )

    def forward(self, view: View) -> Tensor:
        return torch.stack([_difference(view, classifier) for classifier in self._classifiers]).mean(0)


def _difference(view: View, classifier: SharedClassifier) -> Tensor:
    """Return the difference of n pictures from the statistics of one network, averaged over its layers: (n,)."""
    total, total_weight = view.image.new_zeros(len(view.image)), 0.0
    statistics = classifier.network.statistics.values()
    for index, (moments, expected) in enumerate(zip(classifier.moments(view), statistics, strict=True)):
        mean, square = moments.mean.mean(0), moments.square.mean(0)
        std = torch.maximum(expected.std, _MIN_RELATIVE_STD * expected.std.mean())
        variance = ((square - mean.square()) / std.square()).clamp(min=0)
        # The root of a variance near 0 has no finite gradient.
        spread = (variance + 0.01).sqrt() - 1
        weight = (1 - index / len(statistics)) ** 0.5
        difference = ((mean - expected.mean) / std).square().mean(1) + spread.square().mean(1)
        total, total_weight = total + weight * difference, total_weight + weight
    return total / total_weight
