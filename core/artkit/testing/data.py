"""Checks of data sets."""

from __future__ import annotations

import torch
from torch import Tensor

from artkit.interfaces.data import Data
from artkit.interfaces.scene import Scene
from artkit.testing.assertions import expect, expect_close, expect_tensor, expect_unit_range, generators_unused
from artkit.testing.gpu_checks import Step, expect_same_on_gpu
from artkit.testing.harness import Harness, SceneFactory, Settings
from artkit.testing.scene import SEED

_SPLIT_CHUNK = 256  # training images that are compared with test images at a time
_MAX_SPLIT_CHUNKS = 16


def check_data(
    component: str | type[Data], settings: Settings | None = None, *, scene: SceneFactory | None = None
) -> None:
    """Check a data set, by name or class. Raises CheckFailures with all checks that fail.

    settings: as in a recipe. scene: makes the scene it is built for; the images have its size.
    """
    Harness("data", component, settings, scene).run([images, labels, batch, determinism, split, device])


def images(harness: Harness) -> None:
    """Its images (n, 3, h, w) are in [0, 1], have the scene's size, and are not blank."""
    data, scene = harness.build()
    expect(len(data) >= 1, "it has no images")
    width, height = scene.size
    for indices in (_sample_indices(data), torch.tensor([len(data) - 1])):
        loaded = data.images(indices)
        expect_tensor(loaded, (len(indices), 3, height, width), scene.background, "its images")
        expect_unit_range(loaded, "its images")
    expect(float(data.images(_sample_indices(data)).std()) > 0, "its images are blank")


def labels(harness: Harness) -> None:
    """Each image has the label of a class, or there are no classes."""
    data, _ = harness.build()
    indices = torch.arange(len(data))
    loaded = data.labels(indices)
    if loaded is None:
        expect(not data.classes, "it has classes, but labels() returns None")
        return
    expect_tensor(loaded, (len(data),), indices, "its labels")
    expect(len(set(data.classes)) == len(data.classes), "two of its classes have the same name")
    low, high = int(loaded.min()), int(loaded.max())
    in_range = low >= 0 and high < len(data.classes)
    expect(in_range, f"labels range from {low} to {high}, but it has {len(data.classes)} classes")


def batch(harness: Harness) -> None:
    """An image and its label do not depend on the other indices of the batch."""
    data, _ = harness.build()
    indices = _sample_indices(data)
    batch_images, batch_labels = data.images(indices), data.labels(indices)
    for position in reversed(range(len(indices))):
        index = indices[position : position + 1]
        message = f"image {int(index)} depends on the other images of the batch"
        expect_close(data.images(index)[0], batch_images[position], message, 1e-5)
        if batch_labels is not None:
            label = data.labels(index)
            same = label is not None and int(label[0]) == int(batch_labels[position])
            expect(same, f"the label of image {int(index)} depends on the other images of the batch")


def determinism(harness: Harness) -> None:
    """The images do not depend on the seed, and no generator is used."""
    data, scene = harness.build()
    indices = _sample_indices(data)
    with generators_unused(scene):
        first = data.images(indices)
        expect_close(data.images(indices), first, "images(), called a second time, returns other images", 0.0)
    other, other_scene = harness.build(seed=SEED + 1)
    other_scene.generator.manual_seed(SEED + 1)
    expect(len(other) == len(data), f"built a second time it has {len(other)} images; it had {len(data)}")
    expect_close(other.images(indices), first, "built a second time it has other images", 0.0)


def split(harness: Harness) -> None:
    """No image is in both parts, train and test."""
    train, _ = harness.build(settings={"part": "train"})
    test, _ = harness.build(settings={"part": "test"})
    held_out = test.images(_sample_indices(test))
    for indices in torch.split(torch.arange(len(train)), _SPLIT_CHUNK)[:_MAX_SPLIT_CHUNKS]:
        difference = (train.images(indices)[:, None] - held_out).abs().flatten(2).amax(2)
        same = (difference == 0).nonzero().tolist()
        expect(not same, f"an image of the part test is also in the part train (at index {same and same[0][0]})")


def device(harness: Harness) -> None:
    """On a GPU its images are the same, and on the GPU."""

    def build() -> tuple[Scene, Step]:
        data, scene = harness.build()
        return scene, lambda: {"an image": data.images(_sample_indices(data))}

    expect_same_on_gpu(build, synchronises=True)


def _sample_indices(data: Data) -> Tensor:
    """Return the indices of a few images, evenly spaced."""
    return torch.linspace(0, len(data) - 1, min(len(data), 5)).round().long()
