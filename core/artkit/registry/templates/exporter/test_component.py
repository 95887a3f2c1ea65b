"""Tests of the exporter: the interface, and its extension."""

from artkit.testing import check_exporter
from newplugin.newcomponent import NewComponent


def test_is_an_exporter() -> None:
    check_exporter(NewComponent)


def test_extension() -> None:
    assert NewComponent.suffixes == (".newcomponent",)
