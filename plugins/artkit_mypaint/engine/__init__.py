"""MyPaint's brush engine as compiled kernels: pen paths to dabs, dabs to pixels. Independent of libmypaint."""
