"""Makes the lists of names: downloads the bindings of TensorRT and imports them over stub libraries.

The bindings come from the package index as they are; the libraries below them are gigabytes that only NVIDIA's own
index has. To import the bindings it is enough that the symbols they link to exist; nothing can be built or run so.

    python -m tests.edge_runtime.engines.tensorrt_api.bindings      writes the lists anew
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

FOLDER = Path(__file__).parent
# By version: the distribution. JetPack 6.0 has 8.6, 6.1 and 6.2 have 10.3, 7.2 has 10.16, later ones 11.4.
DISTRIBUTIONS = {
    "8.6.1": "tensorrt-bindings",
    "10.3.0": "tensorrt-cu12-bindings",
    "10.16.1.11": "tensorrt-cu13-bindings",
    "11.4.0.106": "tensorrt-cu13-bindings",
}
LIBRARIES = ("nvinfer", "nvinfer_plugin", "nvonnxparser", "nvparsers")
SYMBOLS = (
    "createInferBuilder_INTERNAL",
    "createInferRefitter_INTERNAL",
    "createInferRuntime_INTERNAL",
    "createNvOnnxParser_INTERNAL",
    "createNvOnnxParserRefitter_INTERNAL",
    "getBuilderPluginRegistry",
    "getNvOnnxParserVersion",
    "getPluginRegistry",
    "initLibNvInferPlugins",
    # The parsers that 8.6 had beside ONNX: C++ names, as the linker sees them.
    "_ZN11nvuffparser15createUffParserEv",
    "_ZN11nvuffparser8FieldMapC1EPKcPKvNS_9FieldTypeEi",
    "_ZN14nvcaffeparser117createCaffeParserEv",
    "_ZN14nvcaffeparser123shutdownProtobufLibraryEv",
)
TIMEOUT_S = 240


class CannotMake(Exception):
    """There is no compiler, no network, or no wheel for this Python."""


def introspected(version: str, folder: Path) -> str:
    """The list of a version, as it is committed.

    Args:
        version: a key of `DISTRIBUTIONS`.
        folder: for the wheel and the libraries.

    Raises:
        CannotMake: see there.
    """
    wheel = _download(version, folder)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "bindings")
    _compile_stubs(folder, major=version.split(".")[0])
    environment = os.environ | {"LD_LIBRARY_PATH": str(folder), "PYTHONPATH": str(folder / "bindings")}
    done = _run([sys.executable, str(FOLDER / "introspect.py")], environment)
    if done.returncode:
        raise AssertionError(f"the bindings of {version} cannot be imported: {done.stderr}")
    return done.stdout


def _download(version: str, folder: Path) -> Path:
    requirement = f"{DISTRIBUTIONS[version]}=={version}"
    done = _run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "-d", str(folder), requirement])
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        raise CannotMake(
            f"{requirement} cannot be downloaded: {(done.stderr.strip().splitlines() or ['no wheel'])[-1]}"
        )
    return wheels[0]


def _compile_stubs(folder: Path, major: str) -> None:
    source = folder / "stubs.c"
    source.write_text("".join(f"void *{symbol}(void) {{ return 0; }}\n" for symbol in SYMBOLS))
    for library in LIBRARIES:
        target = folder / f"lib{library}.so.{major}"
        try:
            _run(["gcc", "-shared", "-fPIC", "-o", str(target), str(source)]).check_returncode()
        except FileNotFoundError:
            raise CannotMake("gcc is not installed") from None


def _run(command: list[str], environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)


if __name__ == "__main__":
    for version in DISTRIBUTIONS:
        with tempfile.TemporaryDirectory() as folder:
            (FOLDER / f"{version}.txt").write_text(introspected(version, Path(folder)), encoding="utf-8")
