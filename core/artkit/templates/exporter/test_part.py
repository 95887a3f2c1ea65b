"""The exporter keeps to the interface."""

from artkit.testing import check_exporter
from newplugin.newpart import NewPart


def test_it_is_an_exporter() -> None:
    check_exporter(NewPart)


def test_its_extension() -> None:
    assert NewPart.suffixes == (".newpart",)
