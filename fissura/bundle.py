"""The model bundle: a folder with `manifest.json`, ONNX graphs and golden frames. Immutable once written.

Manifests tolerate unknown keys (a newer minor version may add some) and gate on the major `schema_version`.
"""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from fissura.errors import BundleError, HashMismatchError, ManifestError
from fissura.files import sha256
from fissura.schema_version import CURRENT, SchemaVersion

if TYPE_CHECKING:
    from fissura.imaging.resample import FrameKernel  # OpenCV, which no manifest needs

MANIFEST_NAME = "manifest.json"
Role = Literal["super_resolution", "segmentation", "fused", "tile", "proposal"]
VariantName = Literal["fp16", "int8-portable", "int8-cpu"]
Precision = Literal["fp32", "fp16", "int8"]
NAME = r"^[a-z0-9][a-z0-9._-]{0,63}$"  # of a bundle
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class GraphInput(_Document):
    """What a graph is fed with: one uint8 image batch."""

    name: str = "image"
    dtype: Literal["uint8"] = "uint8"
    layout: Literal["NHWC", "NCHW"] = "NHWC"
    channel_order: Literal["RGB"] = "RGB"
    multiple: int = Field(1, ge=1, description="height and width must be multiples of this, in pixels")
    min_size: int = Field(1, ge=1, description="smallest height and width, in pixels")
    max_size: int | None = Field(None, ge=1, description="largest height and width, in pixels; null: any")


class GraphOutput(_Document):
    """What a graph gives: float32, (N, 1, H*scale, W*scale) probabilities, or an RGB image in [0, 1].

    An image has the layout of the graph's input; a probability has none to choose.
    """

    name: str
    kind: Literal["probability", "image"]
    dtype: Literal["float32"] = "float32"
    scale: int = Field(1, ge=1, description="output pixels per input pixel along each axis")


class Normalisation(_Document):
    """How the network sees a pixel: (value/255 - mean) / std, RGB. Done inside the graph, stated for the record."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    inside_graph: Literal[True] = True


class Tolerance(_Document):
    """How far an engine's output on a golden frame may be from the golden one; both, in probability or colour."""

    max_abs: float = Field(gt=0, le=1)
    mean_abs: float = Field(gt=0, le=1)


class Parity(_Document):
    """The exported graph against PyTorch on real images; differences of probabilities, or of [0, 1] values."""

    max_abs: float = Field(ge=0)
    mean_abs: float = Field(ge=0)
    sizes: tuple[tuple[int, int], ...] = Field(description="(height, width) of the inputs compared, in pixels")
    images: int = Field(ge=1, description="images compared, each whole and as a part with odd sides")
    limit: float | None = Field(gt=0, description="of max_abs; null where the accuracy gate decides instead")
    mask_iou: float | None = Field(
        None,
        ge=0,
        le=1,
        description="of the crack masks of both at the graph's threshold, all images together; null where another "
        "threshold was chosen since",
    )


class Calibration(_Document):
    """How a graph's threshold was chosen: the scores it reaches on the calibration list."""

    dataset: str
    split: str
    fingerprint: Sha256
    images: int = Field(ge=1)
    tolerance_px: float = Field(ge=0)
    f1: float = Field(ge=0, le=1)
    precision: float = Field(ge=0, le=1)
    recall: float = Field(ge=0, le=1)


class Gate(_Document):
    """The proof that a graph of lower precision is as good as the fp32 graph: both scored on a validation list.

    F1 and AIU are in percent points (0 to 100), PSNR in dB; a drop is fp32 minus this graph (negative: this is better).
    """

    dataset: str
    split: str
    fingerprint: Sha256
    images: int = Field(ge=1)
    metric: Literal["ods_f1", "psnr_db"] = Field(description="what the limit is about; ODS F1 within `tolerance_px`")
    tolerance_px: float = Field(ge=0)
    score: float
    drop: float
    max_drop: float = Field(gt=0)
    aiu_drop: float | None = None
    probability_mean_abs: float = Field(ge=0, description="mean difference of the outputs")


class Variant(_Document):
    """A graph at lower precision, in a file of its own. It stands in a bundle only because it passed the gate.

    `fp16` is for engines with strong typing; `int8-portable` (symmetric s8s8) for TensorRT and ONNX Runtime;
    `int8-cpu` (asymmetric u8 activations) for ONNX Runtime and OpenVINO on a CPU.
    """

    file: str
    precision: Literal["fp16", "int8"]
    threshold: float | None = Field(None, gt=0, lt=1, description="as in `Graph`, of this file")
    tolerance: Tolerance
    parity: Parity
    calibration: Calibration | None = None
    gate: Gate
    restored: tuple[str, ...] = Field((), description="layers that stayed at higher precision to pass the gate")


class Graph(_Document):
    """One ONNX file and how to talk to it.

    Roles: `segmentation` (of images as they are), `super_resolution`, `fused` (both, of camera frames); `tile` (what
    `fused`, or `segmentation` where the model does not enlarge, gives of a frame, on parts of it and several at once);
    `proposal` (a cheap segmentation of the camera frame, which says where tiles are worth their time).
    """

    file: str
    input: GraphInput
    output: GraphOutput
    precision: Precision = "fp32"
    halo: int | None = Field(
        0, ge=0, description="pixels of context that an output pixel depends on at most; null: the whole frame"
    )
    threshold: float | None = Field(
        None, gt=0, lt=1, description="probability at and above which a pixel is crack (ODS on the calibration list)"
    )
    statistics: str | None = Field(
        None,
        description="a second input, (2, 3) float32: mean and variance of the colours, on the scale [0, 1], of the "
        "whole image that the segmentation sees a part of; null: the graph needs none",
    )
    proposal_threshold: float | None = Field(
        None, gt=0, lt=1, description="of a proposal: probability at and above which a pixel is looked at again"
    )
    low_threshold: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="hysteresis: a crack is what lies at or above this and touches a pixel at or above `threshold`; "
        "null: `threshold` alone decides",
    )
    temperature: float = Field(
        1.0, gt=0, description="log-odds are divided by it before a probability is stated as a confidence"
    )
    variants: dict[VariantName, Variant] = Field(
        default_factory=dict, description="the same graph at lower precision, by name"
    )

    @field_validator("variants", mode="before")
    @classmethod
    def _known_variants(cls, entries: Any) -> Any:
        """A newer minor version may add some, which nothing here can run."""
        if not isinstance(entries, dict):
            return entries
        return {name: entry for name, entry in entries.items() if name in get_args(VariantName)}

    def at(self, variant: VariantName | None) -> Graph:
        """The graph as it runs at lower precision: file, precision and threshold are the variant's; None: as it is.

        Raises:
            BundleError: there is no such variant.
        """
        if variant is None:
            return self
        if variant not in self.variants:
            raise BundleError(
                f"{self.file} has no variant {variant!r}",
                expected=f"one of: {', '.join(['fp32', *self.variants])}",
                fix="export the bundle again with that precision",
            )
        chosen = self.variants[variant]
        threshold = self.threshold if chosen.threshold is None else chosen.threshold
        low = self.low_threshold
        return self.model_copy(
            update={
                "file": chosen.file,
                "precision": chosen.precision,
                "threshold": threshold,
                "low_threshold": None if low is None or threshold is None else min(low, threshold),
                "variants": {},
            }
        )

    @model_validator(mode="after")
    def _hysteresis_is_below(self) -> Graph:
        if self.low_threshold is not None and (self.threshold is None or self.low_threshold > self.threshold):
            raise ValueError(f"graph {self.file}: `low_threshold` must not be above `threshold`")
        return self

    @model_validator(mode="after")
    def _probability_needs_threshold(self) -> Graph:
        if self.output.kind == "probability" and self.threshold is None:
            raise ValueError(f"graph {self.file} gives probabilities but has no threshold")
        return self


class FileEntry(_Document):
    """A file of the bundle, by its content."""

    sha256: Sha256
    size_bytes: int = Field(ge=0)


class Lineage(_Document):
    """Where the weights come from."""

    recipe: dict[str, Any]
    dataset_fingerprint: str = Field(description="SHA-256 over the names and contents of the training list")
    seed: int
    metrics: dict[str, float]
    versions: dict[str, str]

    @property
    def frame_kernel(self) -> FrameKernel:
        """How the frames that the weights were trained on were made of larger images."""
        kernel: FrameKernel = self.recipe.get("data", {}).get("frame_kernel", "area")
        return kernel


class Manifest(_Document):
    """`manifest.json` of a bundle."""

    schema_version: SchemaVersion = CURRENT
    name: str = Field(pattern=NAME)
    task: Literal["crack-segmentation"] = "crack-segmentation"
    scale: int = Field(1, ge=1, description="super-resolution factor: fused output pixels per camera pixel")
    normalisation: Normalisation
    graphs: dict[Role, Graph] = Field(min_length=1)
    parity: dict[Role, Parity] = Field(default_factory=dict)
    calibration: dict[Role, Calibration] = Field(default_factory=dict)
    files: dict[str, FileEntry] = Field(min_length=1)
    lineage: Lineage
    ranges: str | None = Field(None, description="file with the ranges of the activations, which INT8 was made with")
    proposal_lineage: Lineage | None = Field(None, description="of the proposal network, where there is one")

    @field_validator("graphs", "parity", "calibration", mode="before")
    @classmethod
    def _known_roles(cls, entries: Any) -> Any:
        """A newer minor version may add graphs, which nothing here can run."""
        if not isinstance(entries, dict):
            return entries
        return {role: entry for role, entry in entries.items() if role in get_args(Role)}

    @field_validator("files")
    @classmethod
    def _stay_inside(cls, files: dict[str, FileEntry]) -> dict[str, FileEntry]:
        for name in files:
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts or "\\" in name or name == MANIFEST_NAME:
                raise ValueError(f"files names {name!r}; expected a relative path inside the bundle")
        return files

    @model_validator(mode="after")
    def _graphs_are_listed(self) -> Manifest:
        for role, graph in self.graphs.items():
            for file in (graph.file, *(variant.file for variant in graph.variants.values())):
                if file not in self.files:
                    raise ValueError(f"graph {role} is {file!r}, which `files` does not list")
        return self

    @model_validator(mode="after")
    def _proposal_says_where_to_look(self) -> Manifest:
        proposal = self.graphs.get("proposal")
        if proposal is not None and (proposal.proposal_threshold is None or proposal.output.scale != 1):
            raise ValueError("graph proposal needs a `proposal_threshold` and gives one value a camera pixel")
        return self

    def to_json(self) -> str:
        """The manifest as it is stored: sorted keys, so that equal manifests have equal hashes."""
        return json.dumps(self.model_dump(mode="json"), indent=2, sort_keys=True) + "\n"


class Bundle:
    """A verified bundle on disk.

    Attributes:
        path: the folder.
        manifest: its manifest.
        id: SHA-256 of `manifest.json`: names the exact model in every message.
    """

    def __init__(self, path: Path, manifest: Manifest, manifest_sha256: str) -> None:
        self.path = path
        self.manifest = manifest
        self.id = manifest_sha256

    def graph_path(self, role: Role, variant: VariantName | None = None) -> Path:
        """Path of a graph's ONNX file.

        Raises:
            BundleError: the bundle holds no graph of that role, or not in that variant.
        """
        return self.path / self.graph(role, variant).file

    def graph(self, role: Role, variant: VariantName | None = None) -> Graph:
        """A graph's entry in the manifest; as it runs in that variant.

        Raises:
            BundleError: the bundle holds no graph of that role, or not in that variant.
        """
        try:
            return self.manifest.graphs[role].at(variant)
        except KeyError:
            raise BundleError(
                f"bundle {self.path} holds no graph {role!r}",
                expected=f"one of: {', '.join(sorted(self.manifest.graphs))}",
                fix="choose another mode, or export the bundle again with that graph",
            ) from None


def read_manifest(folder: Path) -> Manifest:
    """Read `manifest.json` of a bundle without checking its files.

    Raises:
        ManifestError: the manifest is missing, malformed, or of a newer major version.
    """
    path = folder / MANIFEST_NAME
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        raise ManifestError(
            f"{folder} is no bundle: it has no {MANIFEST_NAME}",
            expected="a folder made by `fissura export`",
            fix="check the path; `examples/bundles/tiny` is a bundle to try",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path} cannot be read: {error}") from error
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise ManifestError(
            f"{path}: {where}: {first['msg']}",
            expected="a manifest written by `fissura export`",
            fix="export the bundle again, or fetch it again",
        ) from error


def load_bundle(folder: Path) -> Bundle:
    """Read a bundle and check every file against its SHA-256.

    Raises:
        ManifestError: see `read_manifest`.
        BundleError: a file is missing.
        HashMismatchError: a file differs from the manifest.
    """
    manifest = read_manifest(folder)
    for name, entry in manifest.files.items():
        _check_file(folder / name, entry)
    return Bundle(folder, manifest, sha256(folder / MANIFEST_NAME))


def _check_file(path: Path, entry: FileEntry) -> None:
    if not path.is_file():
        raise BundleError(
            f"{path} is missing", expected="every file that the manifest lists", fix="fetch the bundle again"
        )
    size = path.stat().st_size
    found = sha256(path) if size == entry.size_bytes else f"{size} bytes"
    if found != entry.sha256:
        expected = entry.sha256 if size == entry.size_bytes else f"{entry.size_bytes} bytes"
        raise HashMismatchError(
            f"{path} is not the file that was exported: found {found}",
            expected=expected,
            fix="the file is damaged or was changed: fetch or export the bundle again",
        )
