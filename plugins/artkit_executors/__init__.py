"""Executors: processes of this machine, and clusters of Ray."""

from collections.abc import Sequence

from artkit import hookimpl
from artkit.extras import describe_extra


@hookimpl
def artkit_executors() -> Sequence[type]:
    """Register `local` and `ray`."""
    from artkit_executors.local import Local
    from artkit_executors.ray import Ray

    return (Local, Ray)


@hookimpl
def artkit_doctor() -> Sequence[tuple[str, str, str]]:
    """Report whether Ray is installed."""
    return [describe_extra("ray", "ray", "--executor ray")]
