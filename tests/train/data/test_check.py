from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from fissura.dataset import DATA_VARIABLE, data_folder
from fissura.errors import DatasetError
from fissura.imaging.images import read_rgb, write_rgb
from tests.train.data.conftest import crack, pavement
from train.data.check import check_dataset


def kinds(root: Path) -> list[tuple[str, str]]:
    return [(problem.kind, problem.file) for problem in check_dataset(root).problems]


def test_a_clean_set_has_no_problems_and_its_figures_are_right(clean_set: Path) -> None:
    write_rgb(clean_set / "masks" / "5.png", np.zeros((96, 128), np.uint8))
    report = check_dataset(clean_set)
    assert report.problems == []
    assert (report.name, report.images, report.splits) == ("clean", 6, {"train": 4, "test": 2})
    assert report.empty_masks == 1
    assert max(report.crack_fraction) == pytest.approx(3 / 128)
    assert min(report.crack_fraction) == 0


@pytest.mark.parametrize("folder", ["images", "masks"])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.8])
def test_truncated_and_empty_files_are_unreadable(clean_set: Path, folder: str, share: float) -> None:
    path = clean_set / folder / "2.png"
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert kinds(clean_set) == [("unreadable", f"{folder}/2.png")]


def test_a_truncated_jpeg_is_unreadable(clean_set: Path) -> None:
    (clean_set / "images" / "2.png").unlink()
    write_rgb(clean_set / "images" / "2.jpg", pavement(2))
    assert kinds(clean_set) == []
    path = clean_set / "images" / "2.jpg"
    path.write_bytes(path.read_bytes()[:-200])
    assert kinds(clean_set) == [("unreadable", "images/2.jpg")]


def test_a_mask_of_another_size_states_both(clean_set: Path) -> None:
    write_rgb(clean_set / "masks" / "1.png", crack(5, 48, 64))
    (problem,) = check_dataset(clean_set).problems
    assert (problem.kind, problem.file) == ("size-mismatch", "masks/1.png")
    assert problem.found == "64x48, but its image is 128x96"


def test_grey_edges_and_ones_for_cracks_are_not_binary(clean_set: Path) -> None:
    write_rgb(clean_set / "masks" / "1.png", cv2.GaussianBlur(crack(35), (0, 0), 1.0))
    write_rgb(clean_set / "masks" / "2.png", crack(45) // 255)
    report = check_dataset(clean_set)
    assert [(problem.kind, problem.file, problem.fix) for problem in report.problems] == [
        ("mask-not-binary", "masks/1.png", "threshold it at 127"),
        ("mask-not-binary", "masks/2.png", "multiply by 255"),
    ]
    assert report.empty_masks == 1  # ones are background to whoever reads above 127


def test_colour_palette_and_lossy_masks_are_named(clean_set: Path) -> None:
    Image.fromarray(crack(30)).convert("RGB").save(clean_set / "masks" / "1.png")
    Image.fromarray(crack(40)).convert("P").save(clean_set / "masks" / "2.png")
    Image.fromarray(crack(50)).save(clean_set / "masks" / "3.jpg")
    (clean_set / "masks" / "3.png").unlink()
    assert kinds(clean_set) == [
        ("mask-channels", "masks/1.png"),
        ("mask-channels", "masks/2.png"),
        ("mask-format", "masks/3.jpg"),
    ]


def test_one_bit_masks_are_fine(clean_set: Path) -> None:
    Image.fromarray(crack(35)).convert("1").save(clean_set / "masks" / "1.png")
    report = check_dataset(clean_set)
    assert report.problems == []
    assert report.crack_fraction[1] == pytest.approx(3 / 128)


def test_images_and_masks_without_partner_are_named(clean_set: Path) -> None:
    (clean_set / "masks" / "3.png").unlink()
    write_rgb(clean_set / "masks" / "9.png", crack(90))
    assert kinds(clean_set) == [("no-mask", "images/3.png"), ("no-image", "masks/9.png")]


def test_two_files_of_one_id_are_named(clean_set: Path) -> None:
    write_rgb(clean_set / "images" / "3.bmp", pavement(33))
    assert kinds(clean_set) == [("id-twice", "images/3.png")]


def test_lists_that_do_not_fit_are_named(clean_set: Path) -> None:
    (clean_set / "train.txt").write_text("0\n1\n1\n7\n5\n")
    report = check_dataset(clean_set)
    assert [(problem.kind, problem.file) for problem in report.problems] == [
        ("listed-twice", "train.txt"),
        ("no-file", "train.txt"),
        ("train-and-test", "images/5.png"),
    ]
    assert report.unlisted == 2


def test_a_list_in_another_encoding_is_unreadable_and_a_byte_order_mark_is_none(clean_set: Path) -> None:
    (clean_set / "train.txt").write_bytes(b"\xef\xbb\xbf0\n1\n2\n3\n")
    assert kinds(clean_set) == []
    (clean_set / "train.txt").write_bytes("0\n1\nstra\xdfe\n".encode("latin-1"))
    report = check_dataset(clean_set)
    assert [(problem.kind, problem.file) for problem in report.problems] == [("unreadable", "train.txt")]
    assert report.splits == {"test": 2}


def test_a_text_file_that_names_no_image_is_no_list(clean_set: Path) -> None:
    (clean_set / "LICENCE.txt").write_text("as you like\n")
    (clean_set / "notes.txt").write_bytes(b"\xff\xfe binary")
    assert check_dataset(clean_set).splits == {"train": 4, "test": 2}


def test_the_same_pixels_on_both_sides_of_the_split(clean_set: Path) -> None:
    write_rgb(clean_set / "images" / "4.png", pavement(1))
    Image.open(clean_set / "images" / "4.png").save(clean_set / "images" / "4.png", compress_level=0)
    assert kinds(clean_set) == [("duplicate-across-split", "images/1.png")]


def test_the_same_pixels_on_one_side_of_the_split(clean_set: Path) -> None:
    shutil.copy(clean_set / "images" / "1.png", clean_set / "images" / "2.png")
    assert kinds(clean_set) == [("duplicate-image", "images/1.png")]


def test_a_recompressed_mirrored_picture_across_the_split(clean_set: Path) -> None:
    (clean_set / "images" / "4.png").unlink()
    changed = np.ascontiguousarray(pavement(1)[:, ::-1] // 2 + 40)
    write_rgb(clean_set / "images" / "4.jpg", changed)
    (problem,) = check_dataset(clean_set).problems
    assert (problem.kind, problem.file) == ("near-duplicate", "images/1.png")
    assert "images/4.jpg" in problem.found


def test_a_mask_that_belongs_to_another_image(clean_set: Path) -> None:
    shutil.copy(clean_set / "masks" / "1.png", clean_set / "masks" / "3.png")
    assert kinds(clean_set) == [("duplicate-mask", "masks/1.png")]


def test_empty_masks_are_no_duplicates_of_each_other(clean_set: Path) -> None:
    for name in ("1", "2"):
        write_rgb(clean_set / "masks" / f"{name}.png", np.zeros((96, 128), np.uint8))
    assert kinds(clean_set) == []


def test_a_folder_without_images_is_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="holds no images"):
        check_dataset(tmp_path)


@pytest.fixture
def data() -> Path:
    folder = data_folder()
    if folder is None:
        pytest.skip(f"{DATA_VARIABLE} names no folder of data sets")
    return folder


def real(data: Path, name: str) -> Path:
    if not (data / name).is_dir():
        pytest.skip(f"{data} holds no {name}")
    return data / name


def test_the_copied_mask_of_cfd_is_found_and_nothing_else(data: Path) -> None:
    (problem,) = check_dataset(real(data, "cfd")).problems
    assert (problem.kind, problem.file) == ("duplicate-mask", "masks/042.png")
    assert "masks/065.png" in problem.found


@pytest.mark.parametrize(
    "name",
    ["non_crack", *(pytest.param(name, marks=pytest.mark.slow) for name in ("uav75", "masonry224", "crack500_256"))],
)
def test_real_sets_without_known_faults_raise_no_false_alarm(data: Path, name: str) -> None:
    assert kinds(real(data, name)) == []


def test_photographs_taken_twice_are_told_from_all_others(data: Path) -> None:
    from train.data.duplicates import describe, similar_pairs

    root = real(data, "cracksc")
    images = sorted((root / "images").iterdir())
    descriptors = [describe(read_rgb(path).mean(axis=2).astype(np.uint8)) for path in images]
    found = {
        (images[one].stem, images[other].stem)
        for one, other, _ in similar_pairs(descriptors, descriptors)
        if one < other
    }
    lines = (root / "repeat_pairs.txt").read_text().splitlines()
    assert found == {tuple(line.split()[:2]) for line in lines if line.strip()}
