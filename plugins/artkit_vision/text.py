"""``type = "text"``: match a text description with an image-text model such as CLIP (Radford et al., 2021)."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import BeforeValidator, Field, TypeAdapter, WithJsonSchema
from torch import Tensor, nn
from torch.nn import functional as F

from artkit import ArtkitError, InputFile, Objective, Scene, UsageError, View
from artkit.torchvision_compat import declare_missing_operators
from artkit_vision import downloads
from artkit_vision.augmentation import AugmentationSettings, augment
from artkit_vision.packaged import DEFAULT_MODEL, DEFAULT_WEIGHTS

PREFIX = "open_clip/"
"""Before the model and the weights in the names that `artkit download` takes: ``open_clip/ViT-B-32/openai``."""


def _as_table(value: Any) -> Any:
    """Turn a single text into a table of one."""
    return {value: 1.0} if isinstance(value, str) else value


_TextWeights = Annotated[
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


def _locate_weights(value: Any) -> Any:
    """Turn a text with the extension of a weights file into the path of an existing file."""
    if isinstance(value, str) and Path(value).suffix in (".safetensors", ".bin", ".pt"):
        return TypeAdapter(InputFile).validate_python(value)
    return value


class Text(Objective):
    """Cosine distance between augmented views of the picture and texts, in the embedding space of an image-text model.

    The distance is 1 minus the cosine similarity. Needs open_clip, `pip install "neural-artkit[text]"`, and a
    model's weights, which `artkit download text` gets once; `artkit doctor` shows whether they are there.
    """

    name = "text"

    class Config(AugmentationSettings):
        """Settings."""

        text: _TextWeights
        """A description of the picture; or a table of several texts with their weights. A negative weight increases
        the distance from a text."""
        model: str = DEFAULT_MODEL
        """The name of the image-text model in open_clip."""
        pretrained: Annotated[Path | str, BeforeValidator(_locate_weights), WithJsonSchema({"type": "string"})] = (
            DEFAULT_WEIGHTS
        )
        """The name of its weights in open_clip, or a file with them (.safetensors, .bin or .pt)."""

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        self._generator = scene.generator
        # In a tuple, so that the frozen model is not part of this module's state.
        self._models = (load(config.model, config.pretrained, scene.device),)
        self._text_embeddings = self._models[0].embed_texts(tuple(config.text))
        self._weights = torch.tensor(list(config.text.values()), device=scene.device)

    def forward(self, view: View) -> Tensor:
        config, model = self.config, self._models[0]
        images = augment(view, config, model.side, self._generator)
        key = ("image embeddings", config.model, config.pretrained, *config.augmentation_key())
        embeddings: Tensor = view.cached(key, lambda: model(images.flatten(0, 1)))
        distances = 1 - embeddings @ self._text_embeddings.T
        return (distances * self._weights).sum(1).view(images.shape[:2]).mean(0)


class ImageTextModel(nn.Module):
    """A frozen image-text model. Images are sRGB in [0, 1]; it applies the normalisation of its training.

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
        """Return the embeddings of images (n, 3, side, side), unit vectors (n, d)."""
        model: Any = self.model
        return F.normalize(model.encode_image((image - self.mean) / self.std), dim=-1)

    @torch.no_grad()
    def embed_texts(self, texts: tuple[str, ...]) -> Tensor:
        """Return the embeddings of m texts, unit vectors (m, d)."""
        model: Any = self.model
        return F.normalize(model.encode_text(self._tokenizer(list(texts)).to(self.mean.device)), dim=-1)


@cache
def load(name: str, pretrained: str | Path, device: torch.device) -> ImageTextModel:
    """Load an image-text model on a device. Later calls return the same model.

    pretrained: the name of its weights, or a file. Raises ArtkitError if open_clip is not installed or the weights
    are not on this machine, UsageError for an unknown model or unknown weights.
    """
    declare_missing_operators()
    try:
        import open_clip
    except ImportError:
        raise ArtkitError('the objective "text" needs open_clip', hint='pip install "neural-artkit[text]"') from None
    if name not in open_clip.list_models():
        raise UsageError(f'open_clip has no model "{name}"', hint=_suggest(name, open_clip.list_models()))
    tags = open_clip.list_pretrained_tags_by_model(name)
    if isinstance(pretrained, str) and pretrained not in tags:
        hint = f"there are: {', '.join(tags) or 'none'}; or give the path of a file, FILE.safetensors"
        raise UsageError(f'{name} has no weights "{pretrained}"', hint=hint)
    source = open_clip.get_pretrained_cfg(name, pretrained) if isinstance(pretrained, str) else {}
    try:
        with downloads.hub(online=False):
            if _is_missing(source):
                raise FileNotFoundError(_address(source))
            model = open_clip.create_model(name, str(pretrained), device=device)
            tokenizer = open_clip.get_tokenizer(name)
    except Exception as error:  # the hub's client and the loaders of weights raise many kinds
        if isinstance(pretrained, Path):
            reason = str(error).splitlines()[0][:160] if str(error) else type(error).__name__
            raise UsageError(
                f"{pretrained} does not hold weights of {name} ({reason})", hint="check the model"
            ) from None
        raise downloads.missing_weights(
            f"{PREFIX}{name}/{pretrained}", _address(source), f"or {by_hand(source)}"
        ) from None
    return ImageTextModel(model, tokenizer).to(device)


def download(name: str, ask: Callable[[str], bool]) -> bool:
    """Download the weights of an image-text model if they are not here and the user agrees; return whether.

    name: ``open_clip/MODEL/WEIGHTS``. ask: gets what would be downloaded. Raises UsageError for an unknown name,
    ArtkitError if the download fails.
    """
    model, _, weights = name.removeprefix(PREFIX).partition("/")
    try:
        load(model, weights or DEFAULT_WEIGHTS, torch.device("cpu"))
    except downloads.MissingWeightsError:
        import open_clip

        source = open_clip.get_pretrained_cfg(model, weights or DEFAULT_WEIGHTS)
        with torch.device("meta"), downloads.hub(online=False):
            empty = open_clip.create_model(model, device="meta")
        size = sum(parameter.numel() for parameter in empty.parameters()) * 4 / 1e6

        def get() -> None:
            open_clip.create_model(model, weights or DEFAULT_WEIGHTS)
            open_clip.get_tokenizer(model)

        return downloads.fetch(name, _address(source), size, get, ask)
    return False


def _address(source: dict[str, str]) -> str:
    repository = source.get("hf_hub", "").rpartition("/")[0]
    return f"https://huggingface.co/{repository}" if repository else source.get("url", "their source")


def _is_missing(source: dict[str, str]) -> bool:
    """Return whether weights have an address instead of a repository on the hub, and are not in open_clip's cache."""
    url = "" if source.get("hf_hub") else source.get("url", "")
    return bool(url) and not (Path.home() / ".cache" / "clip" / url.rpartition("/")[2]).is_file()


def by_hand(source: dict[str, str]) -> str:
    """Return how to get weights by hand, from their configuration in open_clip: ``hf_hub`` or ``url``."""
    return f'download their .safetensors or .bin file from {_address(source)} and set pretrained = "PATH/OF/THE/FILE"'


def _suggest(name: str, names: list[str]) -> str:
    similar = difflib.get_close_matches(name, names, n=5, cutoff=0.4)
    return f"similar names: {', '.join(similar)}" if similar else "see open_clip.list_models()"
