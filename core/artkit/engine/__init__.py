"""Runs: the loop, its tasks, the optimizer, checkpoints and memory.

- `run`: `Run`, the loop over the steps of a task
- `run_folder`: the folder of a run: recipe, log, checkpoint
- `interrupt`: Ctrl-C during a run
- `task`: `Task`, the work of a run, and checks for finite losses and gradients
- `optimization_task`: what the next two share: building components, loss, learning rate, optimizer step
- `painting_task`: optimise the strokes of one painting, whole or window by window
- `agent_training`: train an agent on the images of a data set
- `renderer_training`: train the weights of a renderer
- `optimizer`: `LazyAdam`
- `memory_plan`: memory of a step, size of the windows, disk space of a run
- `checkpoint`: contents and file format of checkpoints
"""
