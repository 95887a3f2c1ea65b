"""A classifier that is trained on real images, to measure whether paintings are recognisable."""

from __future__ import annotations

import hashlib
import itertools
import json
from pathlib import Path

import click
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from artkit import Data, Scene, weights
from artkit.recipes.recipe import Recipe

_EPOCHS = 6
_LEARNING_RATE = 3e-3
_INPUT_SIDE = 32  # px


class Classifier(nn.Module):
    """A small convolutional classifier. The names of its attributes are keys in weights files."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        widths = (1, 16, 32, 64, 64)
        layers: list[nn.Module] = []
        for index, (in_channels, out_channels) in enumerate(itertools.pairwise(widths)):
            layers += [nn.Conv2d(in_channels, out_channels, 3, 1, 1), nn.BatchNorm2d(out_channels), nn.ReLU()]
            layers += [nn.MaxPool2d(2)] if index < 3 else []
        self.look = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.3), nn.Linear(64 * 16, 128))
        self.tell = nn.Linear(128, classes)

    def features(self, images: Tensor) -> Tensor:
        """Return the features of images (n, 3, h, w), unit vectors (n, 128)."""
        return F.normalize(self.look(_preprocess(images)), dim=1)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (n, classes) of images (n, 3, h, w)."""
        logits: Tensor = self.tell(F.relu(self.look(_preprocess(images))))
        return logits


def train_classifier(data: Data, epochs: int = _EPOCHS, batch: int = 64) -> Classifier:
    """Train a classifier on the classes of a data set, with random affine augmentation."""
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        classifier = Classifier(len(data.classes))
        steps = epochs * (len(data) // batch + 1)
        optimizer = torch.optim.Adam(classifier.parameters(), _LEARNING_RATE)
        scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, _LEARNING_RATE, steps)
        queue = torch.zeros(0, dtype=torch.int64)
        for _ in range(steps):
            if len(queue) < batch:
                queue = torch.cat([queue, torch.randperm(len(data), generator=generator)])
            indices, queue = queue[:batch], queue[batch:]
            labels = data.labels(indices)
            assert labels is not None
            images = _augment(data.images(indices).cpu(), generator)
            loss = F.cross_entropy(classifier(images), labels, label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
    return classifier.eval()


def _preprocess(images: Tensor) -> Tensor:
    return 1 - F.interpolate(images.mean(1, keepdim=True), (_INPUT_SIDE, _INPUT_SIDE), mode="area")


def _augment(images: Tensor, generator: torch.Generator) -> Tensor:
    """Rotate images by up to 14 degrees, scale them by up to 15 % and shift them by up to a twelfth of their side."""
    n = len(images)
    random = 2 * torch.rand(n, 4, generator=generator) - 1
    angle, scale = 0.25 * random[:, 0], 1 + 0.15 * random[:, 1]
    cos, sin, shift = scale * angle.cos(), scale * angle.sin(), random[:, 2:] / 6
    matrix = torch.stack([cos, -sin, shift[:, 0], sin, cos, shift[:, 1]], dim=1).view(n, 2, 3)
    grid = F.affine_grid(matrix, list(images.shape), align_corners=False)
    return 1 - F.grid_sample(1 - images, grid, mode="bilinear", align_corners=False)


def load_or_train_classifier(recipe: Recipe, scene: Scene, cache: Path) -> Classifier:
    """Return the classifier of a recipe's data set, from the folder `cache` or trained on its part `train`."""
    block = recipe.blocks["data"]
    settings = {**block.config.model_dump(mode="json", exclude_none=True), "part": "train"}
    data: Data = scene.make("data", block.type, **settings)
    key_settings = {key: value for key, value in settings.items() if key not in ("path", "download", "batch")}
    key = json.dumps([key_settings, recipe.size, data.provenance], sort_keys=True)
    file = cache / f"{block.type}-{hashlib.sha256(key.encode()).hexdigest()[:12]}.safetensors"
    if file.is_file():
        classifier = Classifier(len(data.classes))
        weights.fill(classifier, weights.load(file)[0], file)
        return classifier.eval()
    click.echo(f"training a classifier of {block.type}", err=True)
    classifier = train_classifier(data)
    weights.save(classifier, {"judge": block.type, "classes": list(data.classes)}, file)
    return classifier
