"""Data sets: images that an agent learns to paint."""

from collections.abc import Sequence

from artkit import hookimpl


@hookimpl
def artkit_data() -> Sequence[type]:
    """Register `mnist`, `kmnist`, `omniglot`, `celeba` and `folder`."""
    from artkit_data.celeba import CelebA
    from artkit_data.folder import Folder
    from artkit_data.kmnist import Kmnist
    from artkit_data.mnist import Mnist
    from artkit_data.omniglot import Omniglot

    return (Mnist, Kmnist, Omniglot, CelebA, Folder)
