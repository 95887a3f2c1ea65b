"""Weights that are downloaded once: whether they are in a cache, and downloads that were asked for."""

from __future__ import annotations

import logging
import os
import socket
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from artkit import ArtkitError
from artkit_vision.packaged import packaged_hint


class MissingWeightsError(ArtkitError):
    """The weights of a network are not on this machine."""


def missing_weights(name: str, address: str, otherwise: str = "") -> MissingWeightsError:
    """Return the error for weights that are not on this machine.

    name: as `artkit download` takes it. address: where they are. otherwise: another way to get them.
    """
    return MissingWeightsError(
        f"the weights of {name} are not on this machine, and artkit downloads nothing without being asked",
        hint=f"`artkit download {name}` gets them once, from {address}; {otherwise or packaged_hint()}",
    )


def failed_download(name: str, error: Exception, otherwise: str = "") -> ArtkitError:
    """Return the error, of one line, for a download that failed."""
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return ArtkitError(
        f"the weights of {name} could not be downloaded ({reason[:160]})", hint=otherwise or packaged_hint()
    )


def fetch(name: str, address: str, megabytes: float, get: Callable[[], object], ask: Callable[[str], bool]) -> bool:
    """Download weights if the user agrees; return whether they were downloaded.

    get: downloads them. ask: gets what would be downloaded, and returns whether to. Raises ArtkitError if it fails.
    """
    if not ask(f"download the weights of {name}, about {megabytes:,.0f} MB, from {address}"):
        return False
    try:
        with hub(online=True):
            get()
    except Exception as error:  # the clients of hubs raise many kinds
        raise failed_download(name, error) from None
    return True


@contextmanager
def hub(online: bool) -> Iterator[None]:
    """Let the client of the Hugging Face Hub download, or only read its cache, as long as this context lasts.

    Without a connection it reads its cache only; it would try again for minutes.
    """
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE, logging.root.manager.disable
    constants.HF_HUB_OFFLINE = not online or before[0] or not _is_reachable(constants.ENDPOINT)
    if not online:
        logging.disable(logging.CRITICAL)  # libraries log what is not in the cache as an error
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before[0]
        logging.disable(before[1])


def cached_file(url: str) -> Path:
    """Return where torch.hub stores the file of an address, whether it is there or not."""
    import torch

    return Path(torch.hub.get_dir()) / "checkpoints" / os.path.basename(urllib.parse.urlsplit(url).path)


def _is_reachable(url: str) -> bool:
    if urllib.request.getproxies():
        return True
    try:
        socket.create_connection((urllib.parse.urlsplit(url).hostname or "", 443), timeout=3).close()
    except OSError:
        return False
    return True
