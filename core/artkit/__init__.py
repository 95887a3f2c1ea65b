"""artkit: paint pictures with brush strokes that are optimised by the gradient of a neural network.

Everything that users and plugin authors need is imported from here. Names that need torch are imported on first use, so
that plugins are discovered quickly.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

# OpenMP threads spin for a short time only: where other programs use the same cores, long spinning makes a step ten
# times as long. This must be set before torch is imported; a value that is set already is respected.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")

# Large tensors are allocated in each step; huge pages take a fraction of the page faults.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

from artkit.registry.hookspecs import hookimpl
from artkit.version import __version__

if TYPE_CHECKING:
    from artkit.api import paint as paint
    from artkit.api import scene as scene
    from artkit.config import Colour as Colour
    from artkit.config import Config as Config
    from artkit.config import FiniteFloat as FiniteFloat
    from artkit.config import InputFile as InputFile
    from artkit.config import InputPath as InputPath
    from artkit.config import Schedule as Schedule
    from artkit.config import TargetFile as TargetFile
    from artkit.config import UnitFloat as UnitFloat
    from artkit.devices import to_device as to_device
    from artkit.errors import ArtkitError as ArtkitError
    from artkit.errors import UsageError as UsageError
    from artkit.geometry.phase import Phase as Phase
    from artkit.geometry.place import Place as Place
    from artkit.geometry.window import Window as Window
    from artkit.imaging.target_image import TargetImage as TargetImage
    from artkit.interfaces.agent import Agent as Agent
    from artkit.interfaces.canvas import Canvas as Canvas
    from artkit.interfaces.component import Component as Component
    from artkit.interfaces.constraint import Constraint as Constraint
    from artkit.interfaces.data import Data as Data
    from artkit.interfaces.executor import Executor as Executor
    from artkit.interfaces.executor import Job as Job
    from artkit.interfaces.executor import JobEvent as JobEvent
    from artkit.interfaces.exporter import Exporter as Exporter
    from artkit.interfaces.objective import Objective as Objective
    from artkit.interfaces.renderer import Renderer as Renderer
    from artkit.interfaces.scene import Scene as Scene
    from artkit.interfaces.trainer import Trainer as Trainer
    from artkit.interfaces.view import PreviousFrame as PreviousFrame
    from artkit.interfaces.view import View as View
    from artkit.output.export import open_painting as open_painting
    from artkit.rendering.rendered_painting import RenderedPainting as RenderedPainting
    from artkit.rendering.stroke_renderer import StrokePatches as StrokePatches
    from artkit.stroke_painter import PainterModule as PainterModule
    from artkit.stroke_painter import brush as brush
    from artkit.stroke_painter import composite as composite
    from artkit.stroke_painter import painter as painter
    from artkit.strokes.action_space import ActionSpace as ActionSpace
    from artkit.strokes.action_space import Dimension as Dimension
    from artkit.strokes.stroke_log import StrokeLog as StrokeLog
    from artkit.studio.notebook import watch as watch

_MODULES = {
    "paint": "api", "scene": "api",
    "PainterModule": "stroke_painter", "brush": "stroke_painter", "composite": "stroke_painter",
    "painter": "stroke_painter",
    "Config": "config", "Colour": "config", "FiniteFloat": "config", "InputFile": "config", "InputPath": "config",
    "Schedule": "config", "TargetFile": "config", "UnitFloat": "config",
    "to_device": "devices",
    "ArtkitError": "errors", "UsageError": "errors",
    "Phase": "geometry.phase", "Place": "geometry.place", "Window": "geometry.window",
    "TargetImage": "imaging.target_image",
    "Agent": "interfaces.agent", "Canvas": "interfaces.canvas", "Component": "interfaces.component",
    "Constraint": "interfaces.constraint", "Data": "interfaces.data", "Exporter": "interfaces.exporter",
    "Executor": "interfaces.executor", "Job": "interfaces.executor", "JobEvent": "interfaces.executor",
    "Objective": "interfaces.objective", "Renderer": "interfaces.renderer", "Scene": "interfaces.scene",
    "Trainer": "interfaces.trainer", "View": "interfaces.view", "PreviousFrame": "interfaces.view",
    "open_painting": "output.export",
    "RenderedPainting": "rendering.rendered_painting", "StrokePatches": "rendering.stroke_renderer",
    "ActionSpace": "strokes.action_space", "Dimension": "strokes.action_space", "StrokeLog": "strokes.stroke_log",
    "watch": "studio.notebook",
}  # fmt: skip
"""The module of each public name that is imported on first use."""

__all__ = [
    "__version__",
    "hookimpl",
    *_MODULES,
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"artkit.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
