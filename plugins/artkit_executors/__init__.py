"""Executors: processes of this machine, and clusters of Ray."""

from collections.abc import Sequence

from artkit import hookimpl


@hookimpl
def artkit_executors() -> Sequence[type]:
    """Register `local` and `ray`."""
    from artkit_executors.local import Local
    from artkit_executors.ray import Ray

    return (Local, Ray)


@hookimpl
def artkit_doctor() -> Sequence[tuple[str, str, str]]:
    """Report whether Ray is installed."""
    from importlib import metadata
    from importlib.util import find_spec

    status = f"{metadata.version('ray')}, for artkit sweep --executor ray" if find_spec("ray") else ""
    return [("ray", status, "for sweeps on several machines: pip install 'neural-artkit[ray]'")]
