"""The brush engine as Triton kernels, for CUDA: the arithmetic of `artkit_mypaint.engine`, many strokes at a time."""
