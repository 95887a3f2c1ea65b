"""The exporter keeps to the interface."""

from newplugin.newpart import NewPart

from artkit.testing import check_exporter


def test_it_is_an_exporter() -> None:
    check_exporter(NewPart)


def test_its_extension() -> None:
    assert NewPart.suffixes == (".newpart",)
