from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fissura.dataset import (
    DATA_VARIABLE,
    data_folder,
    draw_split,
    find_dataset,
    find_datasets,
    find_images,
    list_files,
    list_images,
    load_dataset,
    read_sample,
)
from fissura.errors import DatasetError, ImageError
from fissura.imaging.images import write_rgb

CRACK = np.zeros((12, 16), np.uint8)
CRACK[5] = 255


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Ten images with masks, without list files."""
    for number in range(10):
        image = np.full((12, 16, 3), 20 * number, np.uint8)
        write_rgb(tmp_path / "set" / "images" / f"{number:02}.png", image)
        write_rgb(tmp_path / "set" / "masks" / f"{number:02}.png", CRACK)
    return tmp_path / "set"


def ids(root: Path, split: str, **options: object) -> list[str]:
    return [sample.id for sample in load_dataset(root, split, **options).samples]  # type: ignore[arg-type]


def test_the_drawn_split_divides_all_images_and_follows_the_seed(root: Path) -> None:
    train, test = ids(root, "train", seed=1), ids(root, "test", seed=1)
    assert sorted(train + test) == ids(root, "all")
    assert len(test) == 2
    assert (train, test) == (ids(root, "train", seed=1), ids(root, "test", seed=1))
    assert any(ids(root, "test", seed=seed) != test for seed in range(2, 8))


def test_a_drawn_split_is_a_fifth_and_one_image_is_for_training() -> None:
    assert draw_split(["only"], 3) == (["only"], [])
    for count, tests in ((2, 1), (7, 1), (10, 2)):
        train, test = draw_split([str(number) for number in range(count)], 3)
        assert (len(train), len(test)) == (count - tests, tests)


@pytest.mark.parametrize("file", ["train.txt", "val.txt"])
def test_a_byte_order_mark_is_not_part_of_the_first_id(root: Path, file: str) -> None:
    (root / file).write_bytes(b"\xef\xbb\xbf03\r\n01\r\n")
    assert ids(root, file.removesuffix(".txt")) == ["03", "01"]


def test_notes_are_no_list(root: Path) -> None:
    (root / "val.txt").write_text("03\n")
    (root / "LICENCE.txt").write_text("as you like\n")
    (root / "notes.txt").write_bytes(b"\xff\xfe binary")
    (root / "old.txt").mkdir()
    assert list(list_files(root, set(ids(root, "all")))) == ["val"]
    with pytest.raises(DatasetError) as caught:
        load_dataset(root, "vall")
    assert caught.value.expected == "one of: all, train, test, val"
    with pytest.raises(DatasetError, match="'as you like' of split 'LICENCE' has no image"):
        load_dataset(root, "LICENCE")  # it was named: so it is read


def test_hidden_files_and_other_files_are_no_images(root: Path) -> None:
    (root / "images" / ".03.png").write_bytes(b"")
    (root / "images" / "03.md").write_bytes(b"")
    assert [path.stem for path in list_images(root / "images")] == ids(root, "all")
    assert list_images(root / "nowhere") == []
    (root.parent / "other").mkdir()
    assert find_datasets(root.parent) == [root]


def test_list_files_are_the_split_in_their_order(root: Path) -> None:
    (root / "train.txt").write_text("03\n01\n\n 02 \n")
    (root / "test.txt").write_text("07\n")
    (root / "test_clean.txt").write_text("07\n")
    assert ids(root, "train") == ["03", "01", "02"]
    assert ids(root, "train", drop=("01",)) == ["03", "02"]
    assert ids(root, "test_clean") == ["07"]
    with pytest.raises(DatasetError, match="no split 'val'") as caught:
        load_dataset(root, "val")
    assert "test_clean" in caught.value.expected


@pytest.mark.parametrize(("folder", "lacking"), [("images", "image"), ("masks", "mask")])
def test_an_id_without_its_files_is_named(root: Path, folder: str, lacking: str) -> None:
    (root / "train.txt").write_text("03\n04\n")
    (root / folder / "04.png").unlink()
    with pytest.raises(DatasetError, match=f"'04' of split 'train' has no {lacking}"):
        load_dataset(root, "train")


def test_an_empty_split_is_refused(root: Path) -> None:
    (root / "train.txt").write_text("\n")
    with pytest.raises(DatasetError, match="is empty"):
        load_dataset(root, "train")


def test_a_list_that_is_no_text_is_refused(root: Path) -> None:
    (root / "train.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DatasetError, match=r"train\.txt cannot be read"):
        load_dataset(root, "train")


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="holds no images"):
        find_images(tmp_path)


def test_two_images_of_one_id_are_refused(root: Path) -> None:
    write_rgb(root / "images" / "03.jpg", np.zeros((12, 16, 3), np.uint8))
    with pytest.raises(DatasetError, match=r"03\.jpg and 03\.png"):
        find_images(root)


def test_a_mask_of_another_size_is_refused(root: Path) -> None:
    write_rgb(root / "masks" / "03.png", CRACK[:, :8])
    samples = {sample.id: sample for sample in load_dataset(root, "all").samples}
    with pytest.raises(ImageError, match="8x12") as caught:
        read_sample(samples["03"])
    assert "16x12" in caught.value.expected
    image, mask = read_sample(samples["04"])
    assert image.shape == (12, 16, 3)
    assert mask.sum() == 16


def test_the_fingerprint_follows_contents_names_and_order(root: Path) -> None:
    (root / "train.txt").write_text("01\n02\n")
    before = load_dataset(root, "train").fingerprint()
    assert load_dataset(root, "train").fingerprint() == before
    (root / "train.txt").write_text("02\n01\n")
    assert load_dataset(root, "train").fingerprint() != before
    (root / "train.txt").write_text("01\n02\n")
    write_rgb(root / "masks" / "02.png", 255 - CRACK)
    assert load_dataset(root, "train").fingerprint() != before


def test_a_set_is_found_by_path_or_by_name(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DATA_VARIABLE, str(root.parent))
    assert find_dataset("set") == root
    assert find_dataset(str(root)) == root
    with pytest.raises(DatasetError, match="'sett'") as caught:
        find_dataset("sett")
    assert caught.value.fix == "did you mean 'set'?"


def test_without_a_data_folder_the_variable_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for value in (None, "", str(tmp_path / "nowhere")):
        if value is None:
            monkeypatch.delenv(DATA_VARIABLE, raising=False)
        else:
            monkeypatch.setenv(DATA_VARIABLE, value)
        assert data_folder() is None
        with pytest.raises(DatasetError) as caught:
            find_dataset("cfd-that-is-not-here")
        assert DATA_VARIABLE in caught.value.fix


def test_other_labels_of_the_same_images(root: Path) -> None:
    for number in range(10):
        write_rgb(root / "outlines" / f"{number:02}.png", 255 - CRACK)
    filled, outlines = load_dataset(root, "all"), load_dataset(root, "all", labels="outlines")
    assert (filled.labels, outlines.labels) == ("masks", "outlines")
    assert [sample.image for sample in outlines.samples] == [sample.image for sample in filled.samples]
    assert not (read_sample(outlines.samples[0])[1] & read_sample(filled.samples[0])[1]).any()
    assert outlines.fingerprint() != filled.fingerprint()


def test_labels_that_are_not_there(root: Path) -> None:
    with pytest.raises(DatasetError, match="no labels 'outlines'"):
        load_dataset(root, "all", labels="outlines")
    (root / "outlines").mkdir()
    with pytest.raises(DatasetError, match=r"'00' .* has no mask in .*outlines"):
        load_dataset(root, "all", labels="outlines")
