"""The lists of packages that CI installs: every pin has hashes, and the versions are those of constraints.txt."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def _pins(name: str) -> dict[str, set[str]]:
    """Return the versions in a list by package, without local parts such as that of ``2.13.0+cpu``."""
    versions: dict[str, set[str]] = {}
    for entry in re.split(r"\n(?=\S)", (ROOT / name).read_text().strip()):
        if entry.startswith("#"):
            continue
        pin = re.match(r"([\w.-]+)==([\w.]+)(\+cpu)?(?= |$)", entry)
        assert pin, entry
        hashes = re.findall(r"--hash=sha256:[0-9a-f]{64}(?= \\\n|$)", entry)
        assert len(hashes) == max(1, entry.count("--hash")), entry
        versions.setdefault(re.sub(r"[-_.]+", "-", pin[1]).lower(), set()).add(pin[2])
    return versions


@pytest.mark.skipif(not (ROOT / ".ci").exists(), reason="needs a checkout")
def test_every_pin_of_ci_has_hashes_and_the_version_of_the_constraints() -> None:
    pinned = _pins(".ci/requirements.txt")
    build = _pins(".ci/build-requirements.txt")
    assert {name: pinned[name] for name in build} == build
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if constraint := re.match(r"([\w.-]+)==(\S+)", line):
            assert pinned[re.sub(r"[-_.]+", "-", constraint[1]).lower()] == {constraint[2]}
