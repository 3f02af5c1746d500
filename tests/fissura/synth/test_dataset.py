from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fissura.dataset import load_dataset, read_sample
from fissura.errors import UsageError
from fissura.synth import SynthConfig, render, write_dataset

SMALL = SynthConfig(width=64, height=64)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_round_trip(tmp_path: Path) -> None:
    write_dataset(tmp_path / "set", 10, SMALL, seed=5)
    samples = load_dataset(tmp_path / "set", "all").samples
    assert len(samples) == 10
    for index, sample in enumerate(samples):
        frame, (image, mask) = render(SMALL, 5, index), read_sample(sample)
        assert np.array_equal(image, frame.image)
        assert np.array_equal(mask, frame.mask)


def test_split_is_four_to_one_and_depends_on_the_seed(tmp_path: Path) -> None:
    splits = []
    for seed in (1, 2):
        write_dataset(tmp_path / str(seed), 20, SynthConfig(width=16, height=16), seed)
        train, test = (
            [sample.id for sample in load_dataset(tmp_path / str(seed), split).samples] for split in ("train", "test")
        )
        assert (len(train), len(test)) == (16, 4)
        assert sorted(train + test) == [f"{index:04d}" for index in range(20)]
        splits.append(test)
    assert splits[0] != splits[1]


def test_truth_says_what_render_says(tmp_path: Path) -> None:
    write_dataset(tmp_path / "set", 4, SMALL, seed=5)
    lines = [json.loads(line) for line in (tmp_path / "set" / "truth.jsonl").read_text().splitlines()]
    assert [line["id"] for line in lines] == ["0000", "0001", "0002", "0003"]
    for index, line in enumerate(lines):
        cracks = render(SMALL, 5, index).cracks
        assert line["gsd_mm_per_px"] == SMALL.gsd_mm_per_px
        assert len(line["cracks"]) == len(cracks)
        for stated, crack in zip(line["cracks"], cracks, strict=True):
            assert stated["length_mm"] == pytest.approx(crack.length_mm, abs=1e-3)
            assert stated["mean_width_mm"] == pytest.approx(crack.mean_width_mm, abs=1e-3)
            assert stated["max_width_mm"] == pytest.approx(crack.max_width_mm, abs=1e-3)
            assert np.array(stated["polyline_px"]) == pytest.approx(crack.polyline, abs=1e-3)
            assert stated["widths_mm"] == pytest.approx(crack.widths_mm, abs=1e-3)


def test_one_frame_is_for_training(tmp_path: Path) -> None:
    write_dataset(tmp_path / "set", 1, SMALL, seed=0)
    assert len(load_dataset(tmp_path / "set", "train").samples) == 1
    assert (tmp_path / "set" / "test.txt").read_text() == ""


def test_same_seed_same_bytes(tmp_path: Path) -> None:
    write_dataset(tmp_path / "one", 3, SMALL, seed=7)
    write_dataset(tmp_path / "two", 3, SMALL, seed=7)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_a_failure_half_way_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_dataset(tmp_path / "set", 2, SMALL, seed=1)
    before = contents(tmp_path)

    def full_disk(*_: object, **__: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(json, "dumps", full_disk)  # after the first frame's images
    for folder in ("set", "new"):
        with pytest.raises(OSError, match="No space"):
            write_dataset(tmp_path / folder, 3, SMALL, seed=2)
    assert contents(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_only_a_set_of_its_own_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "wedding.jpg").write_bytes(b"irreplaceable")
    (tmp_path / "thesis").write_bytes(b"ten years of work")
    before = contents(tmp_path)
    for name in ("photos", "thesis"):
        with pytest.raises(UsageError, match=f"{name} is no synthetic data set"):
            write_dataset(tmp_path / name, 2, SMALL, seed=1)
    assert contents(tmp_path) == before
    (tmp_path / "empty").mkdir()
    for count in (2, 1):  # into an empty folder, and over itself
        write_dataset(tmp_path / "empty", count, SMALL, seed=1)
        assert len(load_dataset(tmp_path / "empty", "all").samples) == count


@pytest.mark.parametrize(("count", "seed"), [(0, 0), (-1, 0), (2, -1)])
def test_impossible_requests_leave_nothing(count: int, seed: int, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        write_dataset(tmp_path / "set", count, SMALL, seed)
    assert list(tmp_path.iterdir()) == []
