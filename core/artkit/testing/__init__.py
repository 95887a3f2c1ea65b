"""The test kit for plugin authors: one check function for each kind of component.

A check builds a component as a run does and tests the contract of its interface: shapes, value ranges, dtype and
device, gradients against finite differences, determinism, saving and restoring of state, a Config that survives a
recipe, clear errors, and the same results on a simulated GPU without waiting for it. It raises `CheckFailures`, an
AssertionError with a line for each failed test.

    from artkit.testing import check_renderer
    from artkit_splatter import Splatter

    def test_renderer_contract():
        check_renderer(Splatter, {"drops": 5})
"""

from artkit.testing.agent import check_agent
from artkit.testing.canvas import check_canvas
from artkit.testing.constraint import check_constraint
from artkit.testing.data import check_data
from artkit.testing.device import on_device, record_synchronisations
from artkit.testing.executor import check_executor
from artkit.testing.exporter import check_exporter
from artkit.testing.harness import CheckFailures
from artkit.testing.objective import check_objective
from artkit.testing.renderer import check_renderer
from artkit.testing.scene import picture, scene
from artkit.testing.simulated_gpu import simulated_gpu
from artkit.testing.trainer import check_trainer

__all__ = [
    "CheckFailures",
    "check_agent",
    "check_canvas",
    "check_constraint",
    "check_data",
    "check_executor",
    "check_exporter",
    "check_objective",
    "check_renderer",
    "check_trainer",
    "on_device",
    "picture",
    "record_synchronisations",
    "scene",
    "simulated_gpu",
]
