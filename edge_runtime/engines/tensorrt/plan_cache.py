"""Built plans on disk, each beside a JSON file that says what it was built from and for.

A plan is code that the GPU runs. It never comes with a bundle, and is loaded only when its SHA-256 is the one that
was written down when this device built it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from edge_runtime.engines.tensorrt.plan_header import HEADER_BYTES, plan_version, same_version, version_text
from edge_runtime.engines.tensorrt.request import Precision
from fissura.files import replacing, sha256, write_text


class PlanKey(BaseModel):
    """What a plan was built from and for.

    Attributes:
        onnx_sha256: of the graph.
        tensorrt: version of the library.
        gpu: name of the GPU.
        compute_capability: of the GPU, as in '8.7'.
        precision: of the convolutions.
        settings: how precision was lowered, and by what, the sources of kernels, and how long they were looked for;
            empty: as the graph has it, and TensorRT's choice.
        profile: the shapes.
    """

    model_config = ConfigDict(frozen=True)

    onnx_sha256: str
    tensorrt: str
    gpu: str
    compute_capability: str
    precision: Precision
    settings: str
    profile: str

    def name(self) -> str:
        """Stem of the plan's file.

        Library and GPU are left out: after an update, the new plan takes the old one's place instead of lying beside
        it for ever.
        """
        lasting = "\n".join((self.onnx_sha256, self.precision, self.settings, self.profile))
        return f"{self.precision}-{hashlib.sha256(lasting.encode()).hexdigest()[:24]}"


class Sidecar(BaseModel):
    """The JSON beside a plan.

    Attributes:
        key: what it was built from and for.
        plan_sha256: of the plan.
        layers: achieved precision of each convolution.
        build_s: seconds that the build took.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    key: PlanKey
    plan_sha256: str
    layers: dict[str, str]
    build_s: float


@dataclass(frozen=True)
class Found:
    """A plan that may be loaded; or none, and why.

    Attributes:
        plan: its file; None: it has to be built.
        reason: why it has to be built; empty for a plan.
        layers: achieved precision of each convolution of the plan.
    """

    plan: Path | None
    reason: str = ""
    layers: Mapping[str, str] = field(default_factory=dict)


class PlanCache:
    """A folder of plans.

    Args:
        folder: is made when the first plan is kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, key: PlanKey) -> Found:
        """Look for a plan that was built for this key and is undamaged."""
        plan, sidecar = self.plan_path(key), self._sidecar_path(key)
        if not plan.is_file():
            return Found(None, "there is none yet")
        try:
            stated = Sidecar.model_validate_json(sidecar.read_bytes())
        except (OSError, ValidationError):
            return Found(None, f"{sidecar.name} is missing or damaged")
        for what, was, now in (
            ("TensorRT", stated.key.tensorrt, key.tensorrt),
            ("GPU", f"{stated.key.gpu} {stated.key.compute_capability}", f"{key.gpu} {key.compute_capability}"),
        ):
            if was != now:
                return Found(None, f"it was built for {what} {was}, this is {now}")
        if stated.key != key:
            return Found(None, f"{sidecar.name} belongs to another plan")
        try:
            with plan.open("rb") as stream:
                version = plan_version(stream.read(HEADER_BYTES))
            damaged = version is None or sha256(plan) != stated.plan_sha256
        except OSError as error:
            return Found(None, f"it cannot be read: {error}")
        if damaged or version is None:
            return Found(None, "it is damaged")
        if not same_version(version, tuple(int(part) for part in key.tensorrt.split("."))):
            return Found(None, f"TensorRT {version_text(version)} wrote it, this is {key.tensorrt}")
        return Found(plan, layers=stated.layers)

    def keep(self, key: PlanKey, built: Path, layers: dict[str, str], build_s: float) -> Found:
        """Move a built plan into the cache.

        A kill between the two files leaves a plan whose sidecar does not fit, which counts as none.

        Raises:
            OSError: the disk is full, or the folder is read-only.
        """
        plan = self.plan_path(key)
        digest = sha256(built)
        with replacing(plan) as aside:
            built.replace(aside)
        sidecar = Sidecar(key=key, plan_sha256=digest, layers=layers, build_s=round(build_s, 3))
        write_text(self._sidecar_path(key), sidecar.model_dump_json(indent=2) + "\n")
        return Found(plan, layers=layers)

    def forget(self, key: PlanKey) -> None:
        """Drop a plan that turned out not to load."""
        self._sidecar_path(key).unlink(missing_ok=True)
        self.plan_path(key).unlink(missing_ok=True)

    def plan_path(self, key: PlanKey) -> Path:
        """Where the plan of this key lies."""
        return self.folder / f"{key.name()}.plan"

    def _sidecar_path(self, key: PlanKey) -> Path:
        return self.folder / f"{key.name()}.json"


def default_folder() -> Path:
    """``$XDG_CACHE_HOME/fissura/tensorrt``."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache) / "fissura" / "tensorrt"
