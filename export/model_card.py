"""The papers of a bundle: `MODEL_CARD.md`, our licence, and the licences of the data where there are any.

A card holds neither time nor path, so that two exports of one checkpoint give the same.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from export.data_licence import DataLicence, find_licence
from fissura.bundle import Lineage, Manifest
from fissura.dataset import find_dataset
from fissura.errors import DatasetError
from fissura.files import write_text

CARD = "MODEL_CARD.md"
OUR_LICENCE = "LICENSE-fissura.txt"
CHECKOUT = Path(__file__).parents[1]
TRAINED_ON, CALIBRATED_ON = "training", "calibration"


@dataclass(frozen=True)
class DataSource:
    """Data that went into a bundle.

    Attributes:
        name: of the set.
        uses: what it was used for.
        licence: what it says of itself; None: it was not at hand when the bundle was made.
    """

    name: str
    uses: tuple[str, ...]
    licence: DataLicence | None


def write_papers(folder: Path, manifest: Manifest, sources: list[DataSource]) -> None:
    """Write the card and the licences into the folder of a bundle.

    Args:
        folder: of the bundle.
        manifest: of the bundle; its list of files is not read.
        sources: see `sources_of`.
    """
    write_text(folder / CARD, model_card(manifest, sources))
    shutil.copyfile(CHECKOUT / "LICENSE", folder / OUR_LICENCE)
    for source in sources:
        if source.licence is not None and source.licence.file is not None:
            shutil.copyfile(source.licence.file, folder / f"LICENSE-data-{source.name}.txt")


def sources_of(recipes: Sequence[Mapping[str, Any]], calibration: Mapping[str, Path]) -> list[DataSource]:
    """The data sets of recipes, as `train` wrote them, and of what else chose something.

    Args:
        recipes: of the checkpoints, with their data sets as they were named.
        calibration: folders of the sets that chose thresholds and ranges, by name.
    """
    folders: dict[str, Path | None] = {}
    uses: dict[str, list[str]] = {}
    for recipe in recipes:
        for entry in recipe.get("data", {}).get("train", []):
            if entry.get("kind") == "folder":
                name = Path(entry["path"]).name
                folders[name] = folders.get(name) or _folder(entry["path"])
                uses.setdefault(name, []).append(TRAINED_ON)
    for name, root in calibration.items():
        folders[name] = folders.get(name) or root
        uses.setdefault(name, []).append(CALIBRATED_ON)
    return [
        DataSource(name, tuple(dict.fromkeys(uses[name])), None if folder is None else find_licence(folder))
        for name, folder in sorted(folders.items())
    ]


def model_card(manifest: Manifest, sources: list[DataSource]) -> str:
    """The card as Markdown."""
    return "\n".join(_lines(manifest, sources)) + "\n"


def _lines(manifest: Manifest, sources: list[DataSource]) -> Iterator[str]:
    yield f"# {manifest.name}"
    yield ""
    yield "A model that finds cracks in photographs of roads and concrete, as a bundle of ONNX graphs for fissura."
    yield from _purpose()
    yield from _data(manifest, sources)
    yield from _training("Training", manifest.lineage)
    if manifest.proposal_lineage is not None:
        yield from _training("Training of the cheap pass (graph `proposal`)", manifest.proposal_lineage)
    yield from _scores(manifest)
    yield from _limits(manifest, sources)
    yield from _verification()
    yield from _versions(manifest)


def _purpose() -> Iterator[str]:
    yield from ("", "## What it is for", "")
    yield "It marks pixels that look like cracks, so that people know where to look and how cracks grow."
    yield from ("", "## What it is not for", "")
    yield "- It does not judge whether a road or a structure is safe. Do not replace an inspection with it."
    yield "- It does not say why a crack is there, or how deep it goes."
    yield "- Where it marks nothing, there may still be a crack."


def _data(manifest: Manifest, sources: list[DataSource]) -> Iterator[str]:
    yield from ("", "## Data and its licence", "")
    for source in sources:
        yield f"- **{source.name}** ({' and '.join(source.uses)}). {_licence(source)}"
    if any(_synthetic(lineage) for lineage in _lineages(manifest)):
        yield "- **synthetic pavement** (training). Made by fissura; nobody else has a right in it."
    if any(_started(lineage) for lineage in _lineages(manifest)):
        yield "- A network started from weights that exist already (see the recipe): their data counts as well."
    if any(source.licence is not None and source.licence.research_only for source in sources):
        yield ""
        yield (
            "**Some of this data may be used for research only.** Weights that were made from it are open to the same "
            "question. Check whether you may, before you use this model for anything else, and before you pass it on."
        )


def _licence(source: DataSource) -> str:
    if source.licence is None:
        return "It was not at hand when this bundle was made: look up its licence before you use the model."
    if not source.licence.statements:
        return (
            "It states no licence: nothing is allowed that its owner has not allowed you. Ask before you use the model."
        )
    quoted = " ".join(f"\u201c{statement}\u201d" for statement in source.licence.statements)
    return f"It says: {quoted}"


def _training(title: str, lineage: Lineage) -> Iterator[str]:
    recipe = lineage.recipe
    yield from ("", f"## {title}", "")
    if "name" in recipe:
        yield f"- recipe: `{recipe['name']}`, {recipe.get('epochs', '?')} epochs, seed {lineage.seed}"
    for part, section in recipe.get("model", {}).items():
        if isinstance(section, dict):
            yield f"- {part.replace('_', ' ')}: {_options(section)}"
    if isinstance(loss := recipe.get("loss"), dict):
        yield f"- loss: {_options(loss)}"
    data = recipe.get("data", {})
    for entry in data.get("train", []):
        yield f"- images: {_images(entry)}"
    short = {key: data[key] for key in ("batch_size", "crop", "frame_kernel") if data.get(key) is not None}
    if short:
        yield f"- batches: {_options(short)}"
    if isinstance(optimiser := recipe.get("optimiser"), dict):
        yield f"- optimiser: {_options(optimiser)}"
    yield f"- fingerprint of the training images: `{lineage.dataset_fingerprint}`"
    yield ""
    yield "The whole recipe stands in `manifest.json` under `lineage`."


def _images(entry: Mapping[str, Any]) -> str:
    if entry.get("kind") == "synth":
        return f"synthetic pavement, {entry.get('count')} frames, seed {entry.get('seed', 0)}"
    without = f", without {', '.join(entry['drop'])}" if entry.get("drop") else ""
    return f"{Path(str(entry.get('path'))).name}, list `{entry.get('split', 'train')}`{without}"


def _options(section: Mapping[str, Any]) -> str:
    """`name, key value, key value`; what is not set, and what is nested deeply, is left to the manifest."""
    name = [str(section["name"])] if "name" in section else []
    rest = [
        f"{key.replace('_', ' ')} {value if isinstance(value, str) else json.dumps(value)}"
        for key, value in section.items()
        if key != "name" and value not in (None, [], {}, "") and not isinstance(value, dict)
    ]
    return ", ".join([*name, *rest])


def _scores(manifest: Manifest) -> Iterator[str]:
    yield from ("", "## Scores", "")
    yield "On the validation list of the recipe, at the end of training:"
    yield ""
    yield from _table(
        ("score", "value"), [(name, _figure(value)) for name, value in sorted(manifest.lineage.metrics.items())]
    )
    if manifest.calibration:
        yield from ("", "Thresholds as exported, and what they reach on the list that they were chosen on:", "")
        yield from _table(
            ("graph", "threshold", "images", "data", "F1", "precision", "recall", "tolerance px"),
            [
                (
                    role,
                    _number(manifest.graphs[role].threshold),
                    str(found.images),
                    f"{found.dataset}/{found.split}",
                    *(f"{value:.4f}" for value in (found.f1, found.precision, found.recall)),
                    f"{found.tolerance_px:g}",
                )
                for role, found in sorted(manifest.calibration.items())
                if role in manifest.graphs
            ],
        )
    gates = [
        (role, name, variant)
        for role, graph in sorted(manifest.graphs.items())
        for name, variant in sorted(graph.variants.items())
    ]
    if gates:
        yield from ("", "Lower precision, against fp32, on a validation list (`drop` is what it costs):", "")
        yield from _table(
            ("graph", "precision", "score", "drop", "allowed", "what", "images", "data", "threshold", "layers kept"),
            [
                (
                    role,
                    name,
                    f"{variant.gate.score:.2f}",
                    f"{round(variant.gate.drop, 2) + 0.0:+.2f}",  # no -0.00
                    f"{variant.gate.max_drop:g}",
                    "ODS F1, points" if variant.gate.metric == "ods_f1" else "PSNR, dB",
                    str(variant.gate.images),
                    f"{variant.gate.dataset}/{variant.gate.split}",
                    _number(variant.threshold),
                    str(len(variant.restored)),
                )
                for role, name, variant in gates
            ],
        )


def _limits(manifest: Manifest, sources: list[DataSource]) -> Iterator[str]:
    yield from ("", "## Limits", "")
    for source in sources:
        if TRAINED_ON in source.uses:
            said = source.licence.surfaces if source.licence is not None else None
            shows = f": {said}" if said else ", which does not say what surfaces it shows: look at its images"
            yield f"- It has learnt from `{source.name}`{shows}. On other surfaces and in other light it is unproven."
    if any(_synthetic(lineage) for lineage in _lineages(manifest)):
        yield "- It has also learnt from rendered pavement, which is plainer than any road."
    yield "- Cracks must be as many pixels wide as in the training images: fly higher, or lower, and it finds fewer."
    if manifest.scale > 1:
        yield (
            f"- Graph `fused` takes frames {manifest.scale} times smaller than its answer. What super-resolution draws "
            "between the camera's pixels is a guess."
        )
    yield "- Joints, shadows, stains, leaves and markings can look like cracks."
    yield "- A probability is a score, not a measured chance, unless the manifest states a temperature other than 1."


def _verification() -> Iterator[str]:
    yield from ("", "## How to verify it", "")
    yield "```console"
    yield "$ fissura bundle verify BUNDLE    # files as exported, golden frames as computed then"
    yield "$ fissura verify BUNDLE           # on the device: every engine and precision, and how fast they are"
    yield "```"
    yield ""
    yield "`parity.html` compares every graph with PyTorch."


def _versions(manifest: Manifest) -> Iterator[str]:
    yield from ("", "## Versions", "")
    yield f"- manifest {manifest.schema_version}"
    for name, number in sorted(manifest.lineage.versions.items()):
        yield f"- {name} {number}"
    yield ""
    yield f"The software is under the licence in `{OUR_LICENCE}`."


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield f"|{'---|' * len(header)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) else f"{value:.6g}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _lineages(manifest: Manifest) -> list[Lineage]:
    return [lineage for lineage in (manifest.lineage, manifest.proposal_lineage) if lineage is not None]


def _synthetic(lineage: Lineage) -> bool:
    return any(entry.get("kind") == "synth" for entry in lineage.recipe.get("data", {}).get("train", []))


def _started(lineage: Lineage) -> bool:
    model = lineage.recipe.get("model", {})
    sections = [section for section in model.values() if isinstance(section, dict)]
    return any(section.get("weights") for section in sections) or any((lineage.recipe.get("start") or {}).values())


def _folder(name: str) -> Path | None:
    try:
        return find_dataset(name)
    except DatasetError:
        return None
