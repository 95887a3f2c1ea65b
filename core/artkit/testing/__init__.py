"""The test kit for parts, anyone's and artkit's own.

A check builds a part as a run would and tries what every part of its kind must hold: shapes and ranges, dtype and
device, gradients against finite differences, determinism, state that is saved and restored, a Config that survives a
recipe, errors that are clear. It raises `Faults`, an AssertionError with a line for everything that is wrong.

    from artkit.testing import check_renderer
    from artkit_splatter import Splatter

    def test_the_renderer_keeps_to_the_interface():
        check_renderer(Splatter, {"drops": 5})
"""

from artkit.testing.agent import check_agent
from artkit.testing.canvas import check_canvas
from artkit.testing.common import Faults
from artkit.testing.constraint import check_constraint
from artkit.testing.data import check_data
from artkit.testing.exporter import check_exporter
from artkit.testing.objective import check_objective
from artkit.testing.renderer import check_renderer
from artkit.testing.scene import picture, scene
from artkit.testing.trainer import check_trainer

__all__ = [
    "Faults",
    "check_agent",
    "check_canvas",
    "check_constraint",
    "check_data",
    "check_exporter",
    "check_objective",
    "check_renderer",
    "check_trainer",
    "picture",
    "scene",
]
