"""Baselines by their text on the command line."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from fissura.dataset import data_folder, find_dataset, load_dataset, read_sample
from fissura.errors import ConfigError, DatasetError, FissuraError, UsageError
from fissura.imaging.images import Mask, RgbImage
from fissura.metrics.ods import Ods
from train.baselines import BASELINES, open_baseline
from train.baselines.canny import Canny, CannyConfig
from train.baselines.spec import BaselineSpec, parse_spec

DATA = data_folder()
CFD = None if DATA is None else DATA / "cfd"


@pytest.fixture
def folder(tmp_path: Path, pavements: list[tuple[RgbImage, Mask]]) -> Path:
    """A data set of five images, all in its training list."""
    for part in ("images", "masks"):
        (tmp_path / part).mkdir()
    for index, (image, mask) in enumerate(pavements[:5]):
        cv2.imwrite(str(tmp_path / "images" / f"{index}.png"), image[..., ::-1])
        cv2.imwrite(str(tmp_path / "masks" / f"{index}.png"), mask.astype(np.uint8) * 255)
    (tmp_path / "train.txt").write_text("\n".join("01234"))
    return tmp_path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("baseline:canny", BaselineSpec("canny", None, (), {})),
        ("canny", BaselineSpec("canny", None, (), {})),
        ("baseline:canny:sigma_px=2,low=0.3", BaselineSpec("canny", None, (), {"sigma_px": "2", "low": "0.3"})),
        ("baseline:canny:cfd", BaselineSpec("canny", "cfd", (), {})),
        ("baseline:canny:./a b/c:drop=1+2,low=1", BaselineSpec("canny", "./a b/c", ("1", "2"), {"low": "1"})),
        ("baseline:canny:C:/sets/cfd", BaselineSpec("canny", "C:/sets/cfd", (), {})),
    ],
)
def test_parse(text: str, expected: BaselineSpec) -> None:
    assert parse_spec(text) == expected


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("baseline:", UsageError, "names no baseline"),
        ("baseline:canny:", UsageError, "names no baseline"),
        ("baseline:cany", UsageError, "did you mean 'canny'"),
        ("baseline:sobel", UsageError, "one of: canny, local_threshold"),
        ("baseline:canny:sigma=2", ConfigError, "did you mean 'sigma_px'"),
        ("baseline:canny:low=2", ConfigError, "less than or equal to 1"),
        ("baseline:canny:low=x", ConfigError, "low"),
        ("baseline:canny:low=nan", ConfigError, "low"),
        ("baseline:canny:low=1,low=2", UsageError, "twice"),
        ("baseline:canny:low=1,", UsageError, "OPTION=VALUE"),
        ("baseline:canny:drop=042", UsageError, "no data set"),
        ("baseline:structured_forest", UsageError, "baseline:structured_forest:DATA"),
        ("baseline:structured_forest:nowhere", DatasetError, "no data set 'nowhere'"),
    ],
)
def test_mistakes_are_named(text: str, error: type[FissuraError], says: str) -> None:
    with pytest.raises(error) as raised:
        open_baseline(text)
    assert says in str(raised.value)


def test_options_reach_the_baseline(pavements: list[tuple[RgbImage, Mask]]) -> None:
    image, _ = pavements[0]
    probability = open_baseline("baseline:canny:sigma_px=1,levels=9")(image)
    assert np.array_equal(probability, Canny(CannyConfig(sigma_px=1, levels=9)).score(image))


@pytest.mark.parametrize("name", BASELINES)
def test_fits_on_a_training_list(
    name: str, folder: Path, pavements: list[tuple[RgbImage, Mask]], capsys: pytest.CaptureFixture[str]
) -> None:
    options = ":trees=2,lookups=40,comparisons=40,patches_per_image=100" if name == "structured_forest" else ""
    probability = open_baseline(f"baseline:{name}:{folder}{options}")(pavements[6][0])
    told = capsys.readouterr().err
    assert told.startswith(f"{name}: fitted on 5 images of {folder.name}/train in ")
    predicted, mask = probability >= 0.5, pavements[6][1]
    assert mask[predicted].mean() > 2 * mask.mean()


def test_dropped_images_are_not_fitted_on(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    open_baseline(f"baseline:canny:{folder}:drop=0+3")
    assert "fitted on 3 images" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(CFD is None or not CFD.is_dir(), reason="FISSURA_DATA names no folder that holds `cfd`")
def test_forest_on_cfd() -> None:
    probability, scores = open_baseline("baseline:structured_forest:cfd:drop=042"), Ods(tolerance_px=2)
    for sample in load_dataset(find_dataset("cfd"), "test").samples:
        image, mask = read_sample(sample)
        scores.add(probability(image), mask)
    assert scores.result().f1 > 0.75
