"""The sections of gpu.py, which runs them in this process: each prints its figures as lines of JSON."""

from __future__ import annotations

import argparse
import gc
import json
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from gpu_measuring import RECIPES, Bench, busy_share, copy_bandwidth, longest_kernels, stopwatch

import artkit  # noqa: F401  (sets environment variables of OpenMP, so it must be imported before torch)

_STARTED = time.perf_counter()


def kernels(bench: Bench) -> None:
    """Equality of the strokes on the device with those of the compiled engine on the CPU; the card."""
    import torch

    from artkit_mypaint.engine.engine import Engine
    from artkit_mypaint.engine.rasterizing import ONE
    from artkit_mypaint.tracing import path_tensors, trace_actions
    from artkit_mypaint.triton_engine.engine import paint_patches

    if bench.device.type == "cuda":
        bench.report("card", torch.cuda.get_device_name(bench.device))
        bench.report("torch, CUDA", f"{torch.__version__}, {torch.version.cuda}")
    bench.report("copy, GB/s", copy_bandwidth(bench) / 1e9)
    bench.report("start, s", time.perf_counter() - _STARTED)
    count = 20 if bench.quick else 500
    for brush in ["classic/dry_brush"] if bench.quick else ["classic/dry_brush", "classic/charcoal", "classic/pen"]:
        actions = torch.rand(count, 12, generator=torch.Generator().manual_seed(0))
        indices, origins = torch.arange(count), torch.zeros(count, 2)
        corners = torch.full((count, 2), -20)
        started = time.perf_counter()
        tensors = (t.to(bench.device) for t in (actions, origins, indices))
        on_device, origins_on_device, indices_on_device = tensors
        paths = path_tensors(on_device, origins_on_device, 32, indices_on_device, 0)
        painted = paint_patches(brush, *paths, corners.to(bench.device), 72, 72)[:, 0].cpu()
        bench.report(f"{brush}: first call with compilation, s", time.perf_counter() - started)
        expected = Engine(brush).paint(trace_actions(actions, origins, 32, indices, 0), corners.numpy(), 72, 72)
        difference = (painted - torch.from_numpy(expected).float() / ONE).abs()
        bench.report(f"{brush}: largest difference of a coverage", float(difference.max()))
        bench.report(f"{brush}: pixels that differ by 1/255", float((difference > 1 / 255).float().mean()))
    dab_gradients(bench)


def dab_gradients(bench: Bench) -> None:
    """Report how far the rasterisation of dabs on the device, and its gradient, differ from those of the CPU."""
    import torch

    from artkit_mypaint.triton_engine.transmittance import log_transmittance, log_transmittance_backward

    strokes, dabs = (4, 20) if bench.quick else (200, 300)
    values = torch.rand(strokes, dabs, 7, generator=torch.Generator().manual_seed(0))
    values = values * torch.tensor([80.0, 80, 5, 0.9, 0.8, 3, 6]) + torch.tensor([-4.0, -4, 0.5, 0.05, 0.1, 1, -3])
    counts = torch.arange(strokes, dtype=torch.int32) % dabs
    gradients = torch.rand(strokes, 72, 72, generator=torch.Generator().manual_seed(1))
    logs, backward = [], []
    for device in ("cpu", bench.device):
        own, own_counts, own_gradients = values.to(device), counts.to(device), gradients.to(device)
        logs.append(log_transmittance(own, own_counts, 72, 72).cpu())
        backward.append(log_transmittance_backward(own, own_counts, own_gradients).cpu())
    bench.report("dabs: largest difference of a logarithm", float((logs[0] - logs[1]).abs().max()))
    error = (backward[0] - backward[1]).norm() / backward[0].norm()
    bench.report("dabs: relative difference of the gradient", float(error))


def photo(bench: Bench) -> None:
    """The photo recipe, with loading, and the content ratio of its picture."""
    import torch
    from photo import content

    from artkit.api import create_run
    from artkit.imaging.loading import load_target_image
    from artkit.output.export import open_painting
    from artkit.recipes.reading import read_recipe

    settings = ["steps=3", "size=[48, 32]", "canvas.strokes=1"] if bench.quick else []
    started = time.perf_counter()
    recipe = read_recipe([RECIPES / "photo.toml"], settings)
    run = create_run(recipe, bench.folder / "photo", device=str(bench.device))
    bench.report("loading, s", time.perf_counter() - started)
    steps = iter(run)
    next(steps)
    bench.report("loading and first step, s", time.perf_counter() - started)
    first = time.perf_counter()
    for _ in steps:
        pass
    bench.report("all steps and results, s", time.perf_counter() - started)
    bench.report("s/step", (time.perf_counter() - first) / (recipe.settings.steps - 1))
    target = load_target_image(RECIPES / "targets/coffee.jpg", recipe.size).pixels
    picture = open_painting(bench.folder / "photo", device="cpu").to_tensor()[None]
    bench.report("content ratio", content(picture, target) / content(torch.ones_like(target), target))


def split(bench: Bench) -> None:
    """Seconds of the parts of a step at several sizes, and of a step without the waits of this measurement."""
    from contextlib import ExitStack

    sizes = [(48, 32)] if bench.quick else [(352, 240), (1024, 1024), (2048, 2048), (4096, 4096)]
    for size in sizes:
        label = f"{size[0]} x {size[1]}"
        task = bench.task("photo.toml", f"size={list(size)}", *(["canvas.strokes=1"] if bench.quick else []))
        bench.report(f"{label}: strokes, windows", f"{task.canvas.stroke_count:,}, {task.windows.count}")
        bench.report(f"{label}: s/step", bench.seconds_per_step(task, 12))
        steps, seconds = 1 if bench.quick else 5, dict[str, float]()
        parts = [
            (task.renderer, "forward", "strokes"),
            (task.renderer, "gradient", "gradient of strokes"),
            (task.canvas, "render", "rendering"),
            (next(iter(task.objectives.values())), "forward", "network forward"),
            (task.optimizer, "step", "optimizer"),
            (task, "step", "step"),
        ]
        with ExitStack() as stack:
            for target, name, part in parts:
                stack.enter_context(stopwatch(bench, target, name, seconds, part))
            for step in range(12, 12 + steps):
                task.step(step)
        seconds["compositing forward"] = seconds["rendering"] - seconds["strokes"]
        known = ("rendering", "gradient of strokes", "network forward", "optimizer")
        seconds["network and compositing backward"] = seconds["step"] - sum(seconds[part] for part in known)
        for part in ("strokes", "compositing forward", *known[1:], "network and compositing backward"):
            bench.report(f"{label}: {part}, s", seconds[part] / steps)
        if bench.device.type == "cuda":
            bench.report(f"{label}: share of time in kernels", busy_share(bench, task, 17))


def options(bench: Bench) -> None:
    """Seconds of a step with other settings of the networks, and the kernels that take longest."""
    import torch

    device = bench.device.type
    for size in [(48, 32)] if bench.quick else [(352, 240), (1024, 1024)]:
        task = bench.task("photo.toml", f"size={list(size)}", *(["canvas.strokes=1"] if bench.quick else []))
        label, objective = f"{size[0]} x {size[1]}", next(iter(task.objectives.values()))
        forward = objective.forward

        def in_bf16(*arguments: Any, forward: Any = forward) -> Any:
            with torch.autocast(device, torch.bfloat16):
                return forward(*arguments)

        bench.report(f"{label}: s/step", bench.seconds_per_step(task, 20))
        bench.report(f"{label}: kernels, ms/step", longest_kernels(bench, task))
        torch.backends.cudnn.benchmark = True
        bench.report(f"{label}: cudnn.benchmark, s/step", bench.seconds_per_step(task, 20))
        convolutions = [o for o in gc.get_objects() if isinstance(o, torch.nn.Conv2d)]
        for layout in (torch.contiguous_format, torch.channels_last):
            for convolution in convolutions:
                convolution.to(memory_format=layout)
            for name, function in (("float32", forward), ("bf16", in_bf16)):
                object.__setattr__(objective, "forward", function)
                seconds = bench.seconds_per_step(task, 20)
                bench.report(f"{label}: cudnn.benchmark, {str(layout)[6:]}, {name}, s/step", seconds)
        torch.backends.cudnn.benchmark = False


def engine(bench: Bench) -> None:
    """Strokes per second, and compositing as a share of the memory bandwidth."""
    import torch

    from artkit.rendering.compositing import TileLattice, composite
    from artkit_mypaint.tracing import path_tensors
    from artkit_mypaint.triton_engine.engine import paint_patches

    for count in [50] if bench.quick else [1320, 20_000, 100_000]:
        actions = torch.rand(count, 12, generator=torch.Generator().manual_seed(0)).to(bench.device)
        indices = torch.arange(count, device=bench.device)
        paths = path_tensors(actions, torch.zeros(count, 2, device=bench.device), 32, indices, 0)
        arguments = (*paths, torch.full((count, 2), -20, device=bench.device), 72, 72)
        seconds = bench.timed(partial(paint_patches, "classic/dry_brush", *arguments), 3)
        bench.report(f"{count:,} strokes of dry_brush, strokes/s", count / seconds)
    side, layers = (144, 2) if bench.quick else (2304, 16)
    rows = side // 72
    lattice = TileLattice(0, 0, 72, rows, rows, 72)
    coverage = torch.rand(1, rows * rows, 1, 72, 72, device=bench.device)
    colour = torch.rand(1, rows * rows, 3, 1, 1, device=bench.device)
    base = torch.rand(1, 3, side, side, device=bench.device)
    seconds = bench.timed(lambda: composite(base, [lattice] * layers, [colour, coverage] * layers))
    used = layers * side * side * 4 * (1 + 3 + 3)  # coverage and canvas are read, the canvas is written
    bench.report("compositing forward, share of a copy's bandwidth", used / seconds / copy_bandwidth(bench))


def class_recipe(bench: Bench) -> None:
    """The class recipe, with the networks that are installed."""
    from artkit import ArtkitError
    from artkit_vision import networks
    from artkit_vision.packaged import PACKAGED

    installed = []
    for name in list(PACKAGED)[: 1 if bench.quick else None]:
        try:
            networks.load(name, bench.device)
            installed.append(name)
        except ArtkitError as error:
            bench.report(f"{name} is missing", error.message)
    quick = ["size=[32, 32]", "objective.see.views=1"] if bench.quick else []
    task = bench.task("starfish.toml", f"objective.see.networks={json.dumps(installed)}", *quick)
    bench.report(f"{len(installed)} networks, s/step", bench.seconds_per_step(task, 40))
    bench.report("steps of the recipe", task.steps)


def picture(bench: Bench) -> None:
    """A CPPN of 1024 x 1024 px."""
    settings = ['objective.see.networks=["efficientnet_lite0"]', "objective.see.held_out=[]"]
    side = 32 if bench.quick else 1024
    task = bench.task("light.toml", f"size=[{side}, {side}]", *settings)
    bench.report(f"{side} x {side}, s/step", bench.seconds_per_step(task, 20))


def agent(bench: Bench) -> None:
    """Training of the agent of agent/mnist: on digits, its error after each minute; else on other pictures."""
    from artkit.imaging.png import save_png
    from artkit.testing import picture as waves

    if bench.mnist:
        task = bench.task("agent/mnist.toml", f'data.path="{bench.mnist.resolve()}"')
        bench.report("s/step", bench.seconds_per_step(task, 60))
        started, losses = time.perf_counter(), []
        for step in range(60, 6000):
            losses.append(task.step(step)["loss"])
            if step % 200 == 0:
                mean = sum(losses[-100:]) / 100
                bench.report(f"step {step}: s, loss", f"{time.perf_counter() - started:.1f}, {mean:.5f}")
        return
    folder = bench.folder / "pictures"
    folder.mkdir(exist_ok=True)
    for number in range(64):
        save_png(waves((64, 64), number)[0], folder / f"{number}.png")
    quick = ["data.batch=2", "agent.revise=1"] if bench.quick else ["data.batch=32"]
    task = bench.task("agent/mnist.toml", 'data.type="folder"', f'data.path="{folder}"', *quick)
    bench.report("on other pictures than digits, s/step", bench.seconds_per_step(task, 40))


def renderers(bench: Bench) -> None:
    """Seconds of a step with renderers and gradients that leave out work on the CPU, and do all of it on a GPU."""
    quick = ["size=[48, 32]", "canvas.strokes=1"] if bench.quick else []
    for name, renderer in {
        "mypaint, expected": '{type="mypaint"}',
        "mypaint, mean": '{type="mypaint", gradient="mean"}',
        "mypaint, exact": '{type="mypaint", gradient="exact"}',
        "gan, samples": '{type="gan"}',
        "gan, mean": '{type="gan", grain=false}',
    }.items():
        task = bench.task("photo.toml", f"renderer={renderer}", *quick)
        bench.report(f"{name}: s/step", bench.seconds_per_step(task, 12))


def trainers(bench: Bench) -> None:
    """Steps of the trainers gan, with likelihood and with a critic, and vae."""
    quick = ["trainer.strokes=60", "trainer.batch=4"]
    for name in ("gan", "vae"):
        settings = (quick + ["trainer.listen=60"] * (name == "gan")) if bench.quick else ["trainer.strokes=5000"]
        task = bench.task(f"train/{name}.toml", *settings)
        bench.report(f"{name}, steps/s", 1 / bench.seconds_per_step(task, 60))
    critic = [*quick, "trainer.listen=60"] if bench.quick else ["trainer.strokes=5000"]
    task = bench.task("train/gan.toml", "trainer.regression=0", *critic)
    bench.report("gan with a critic, steps/s", 1 / bench.seconds_per_step(task, 20))


def export(bench: Bench) -> None:
    """Export of the photo, 16,384 px wide, by the renderer's windows."""
    from artkit.output.export import open_painting

    if not (bench.folder / "photo" / "strokes.json").exists():
        photo(bench)
    width = 96 if bench.quick else 16384
    scale = width // open_painting(bench.folder / "photo").size[0] or 1
    painting = open_painting(bench.folder / "photo", scale, device=str(bench.device))
    started = time.perf_counter()
    painting.pixels()
    seconds, (width, height) = time.perf_counter() - started, painting.size
    bench.report(f"{width} x {height} px, s", seconds)
    bench.report("megapixels/s", width * height / 1e6 / seconds)


def released(bench: Bench) -> None:
    """The sequential way of the released code on this card, and artkit's for the same strokes."""
    import torch
    from released import ACTION_SIZE, make_generator, paint

    for size in [96] if bench.quick else [288, 544]:
        side = (size - 32) // 32
        actions = torch.rand(side * side, 4, ACTION_SIZE, device=bench.device, requires_grad=True)
        generator = make_generator().to(bench.device)

        def step(actions: Any = actions, generator: Any = generator, side: int = side) -> None:
            with torch.device(bench.device):
                paint(generator, actions, side, side, 32).square().sum().backward()

        sequential = bench.timed(step, 1)
        settings = (f"size=[{size}, {size}]", "canvas.tile=64", "canvas.overlap=32", "canvas.strokes=4")
        task = bench.task("photo.toml", *settings, *(['renderer={type="gan", grain=false}'] if bench.quick else []))
        window, core = task.windows.at(0, (0.0, 0.0))

        def artkit_step(task: Any = task, window: Any = window, core: Any = core) -> None:
            task._view(window, core, 0.0).image.square().sum().backward()

        phases = bench.timed(artkit_step, 3)
        bench.report(f"{size} x {size}: released, s", sequential)
        bench.report(f"{size} x {size}: artkit, s", phases)
        bench.report(f"{size} x {size}: ratio", sequential / phases)


SECTIONS: dict[str, Callable[[Bench], None]] = {
    "kernels": kernels,
    "photo": photo,
    "split": split,
    "engine": engine,
    "options": options,
    "class": class_recipe,
    "picture": picture,
    "agent": agent,
    "trainers": trainers,
    "renderers": renderers,
    "export": export,
    "released": released,
}


def main() -> None:
    """Run sections and print their figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--mnist", type=Path)
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    arguments = parser.parse_args()
    from artkit.devices import choose_device, release_memory

    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(choose_device(arguments.device), Path(folder), arguments.quick, arguments.mnist)
        for name in arguments.sections:
            print(json.dumps({"begin": name}), flush=True)
            started = time.perf_counter()
            try:
                SECTIONS[name](bench)
            except Exception as error:  # the other sections still have figures
                bench.report("failed", f"{type(error).__name__}: {error}"[:300])
            bench.report("section, s", time.perf_counter() - started)
            release_memory()


if __name__ == "__main__":
    main()
