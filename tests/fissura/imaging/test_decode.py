from __future__ import annotations

import time

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from fissura.errors import ImageError, ModelShapeError
from fissura.imaging.decode import find_cracks
from fissura.imaging.hysteresis import crack_pixels
from fissura.imaging.measure import measure
from fissura.messages import CrackGeometry
from tests.fissura.imaging.shapes import bar, blobs


def lines(height: int, width: int, *rows: tuple[int, int, int]) -> NDArray[np.float32]:
    """A map with level bars of 3 px: middle row, first and last column."""
    image = np.zeros((height, width), np.float32)
    for y, first, last in rows:
        image[y - 1 : y + 2, first : last + 1] = 0.9
    return image


def test_longest_first_with_sizes_in_pixels_and_millimetres() -> None:
    short, long = (10, 10, 42), (30, 10, 112)
    cracks = find_cracks(lines(60, 120, short, long), threshold=0.5, gsd_mm_per_px=0.8)
    assert [round(crack.geometry.length_px) for crack in cracks] == [103, 33]
    geometry = cracks[0].geometry
    assert geometry.length_mm == pytest.approx(0.8 * geometry.length_px)
    assert geometry.mean_width_mm == pytest.approx(0.8 * 3, abs=0.1)
    assert geometry.max_width_mm == pytest.approx(0.8 * 3, abs=0.3)


def test_without_a_gsd_there_are_no_millimetres() -> None:
    geometry = find_cracks(lines(60, 120, (30, 10, 110)), threshold=0.5)[0].geometry
    assert (geometry.length_mm, geometry.mean_width_mm, geometry.max_width_mm) == (None, None, None)


def test_confidence_is_the_mean_over_the_cracks_pixels() -> None:
    probability = np.zeros((20, 60), np.float32)
    probability[10, 5:25] = 0.6
    probability[10, 25:45] = 0.8
    probability[10, 45:50] = 0.4  # below the threshold
    (crack,) = find_cracks(probability, threshold=0.5)
    assert crack.confidence == pytest.approx(0.7)


def test_hysteresis_takes_what_hangs_together_with_something_strong_and_nothing_else() -> None:
    probability = lines(60, 120, (10, 10, 100), (30, 10, 100))
    probability[probability > 0] = 0.4
    probability[9:12, 50:53] = 0.9
    assert find_cracks(probability, threshold=0.8) == []  # the strong part alone is too short
    (crack,) = find_cracks(probability, threshold=0.8, low_threshold=0.3)
    (whole,) = find_cracks(probability[:20], threshold=0.3)
    assert crack == whole
    assert crack.confidence == pytest.approx((0.4 * 264 + 0.9 * 9) / 273)


@settings(deadline=None)
@given(seed=st.integers(0, 10**6), threshold=st.floats(0.2, 0.9), below=st.floats(0, 0.5))
def test_hysteresis_finds_the_components_of_its_mask(seed: int, threshold: float, below: float) -> None:
    noise = cv2.GaussianBlur(np.random.default_rng(seed).random((40, 40)), (0, 0), 1.5)
    probability = ((noise - noise.min()) / np.ptp(noise)).astype(np.float32)
    low = threshold * (1 - below)
    mask = crack_pixels(probability, threshold, low)
    found = find_cracks(probability, threshold=threshold, low_threshold=low, min_length_px=3)
    expected = find_cracks(mask.astype(np.float32), threshold=0.5, min_length_px=3)
    assert [crack.geometry for crack in found] == [crack.geometry for crack in expected]
    if below == 0:
        assert found == find_cracks(probability, threshold=threshold, min_length_px=3)


def test_a_strong_pixel_beyond_the_region_holds_nothing_together() -> None:
    probability = lines(60, 120, (10, 10, 100))
    probability[9:12, :60] = 0.4
    keep = np.zeros((60, 120), bool)
    keep[:, :50] = True
    assert len(find_cracks(probability, threshold=0.8, low_threshold=0.3)) == 1
    assert find_cracks(probability, threshold=0.8, low_threshold=0.3, keep=keep) == []


def test_the_temperature_is_of_the_confidence_alone() -> None:
    probability = lines(60, 120, (10, 10, 100))
    (plain,) = find_cracks(probability, threshold=0.5)
    (cooler,) = find_cracks(probability, threshold=0.5, temperature=2.0)
    assert cooler.geometry == plain.geometry
    assert plain.confidence == pytest.approx(0.9)
    assert cooler.confidence == pytest.approx(0.75)  # odds of 9 become odds of 3


def test_diagonal_neighbours_are_one_crack() -> None:
    assert len(find_cracks(np.eye(40, dtype=np.float32), threshold=0.5)) == 1


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_the_same_scene_at_any_scale_has_the_same_camera_frame_sizes(scale: int) -> None:
    scene = bar(60, 4, 27)
    fine = np.repeat(np.repeat(scene, scale, axis=0), scale, axis=1)
    expected = find_cracks(scene, threshold=0.5)[0].geometry
    (crack,) = find_cracks(fine, threshold=0.5, scale=scale)
    geometry = crack.geometry
    assert geometry.area_px == expected.area_px
    assert geometry.bbox_px == pytest.approx(expected.bbox_px)
    assert geometry.length_px == pytest.approx(expected.length_px, abs=2)
    assert geometry.mean_width_px == pytest.approx(expected.mean_width_px, abs=0.3)
    assert geometry.max_width_px == pytest.approx(expected.max_width_px, abs=0.6)


def test_pixel_centres_map_exactly() -> None:
    probability = np.zeros((40, 80), np.float32)
    probability[7, 12:61] = 1  # map pixels, scale 4
    (crack,) = find_cracks(probability, threshold=0.5, scale=4)
    geometry = crack.geometry
    assert set(geometry.polygon_px) == {((12 + 0.5) / 4 - 0.5, (7 + 0.5) / 4 - 0.5), ((60 + 0.5) / 4 - 0.5, 1.375)}
    assert geometry.bbox_px == (12 / 4 - 0.5, 7 / 4 - 0.5, 49 / 4, 1 / 4)
    assert (geometry.length_px, geometry.mean_width_px, geometry.area_px) == pytest.approx((49 / 4, 1 / 4, 49 / 16))


@settings(deadline=None)
@given(seed=st.integers(0, 10**6))
def test_the_outline_lies_on_the_outermost_pixels(seed: int) -> None:
    image = blobs(seed, 40, 0.2)
    for crack in find_cracks(image.astype(np.float32), threshold=0.5, min_length_px=4):
        points = np.round(crack.geometry.polygon_px).astype(np.int32)
        _, labelled = cv2.connectedComponents(image.view(np.uint8), connectivity=8)
        component = (labelled == labelled[points[0, 1], points[0, 0]]).astype(np.uint8)
        assert component[points[:, 1], points[:, 0]].all()
        assert component.sum() == crack.geometry.area_px
        drawn = cv2.fillPoly(np.zeros_like(component), [points], 1)
        assert not (component & ~cv2.dilate(drawn, np.ones((3, 3), np.uint8))).any()
        x, y, width, height = crack.geometry.bbox_px
        assert (points.min(0) >= (x, y)).all()
        assert (points.max(0) <= (x + width, y + height)).all()


@settings(deadline=None)
@given(seed=st.integers(0, 10**6), share=st.floats(0.05, 0.6))
def test_many_at_once_measure_as_each_alone(seed: int, share: float) -> None:
    image = blobs(seed, 48, share)
    found = find_cracks(image.astype(np.float32), threshold=0.5, min_length_px=3)
    count, labelled = cv2.connectedComponents(image.view(np.uint8), connectivity=8)
    alone = [measure(labelled == number) for number in range(1, count)]
    expected = sorted((size.length_px, size.mean_width_px, size.max_width_px) for size in alone if size.length_px >= 3)
    sizes = sorted((c.geometry.length_px, c.geometry.mean_width_px, c.geometry.max_width_px) for c in found)
    np.testing.assert_allclose(sizes, expected)


def test_what_a_network_encloses_is_not_filled_and_what_lies_inside_is_found() -> None:
    probability = np.zeros((100, 100), np.float32)
    probability[9:92, 9:92] = 1
    probability[12:89, 12:89] = 0
    probability[49:52, 29:72] = 1
    ring, inside = find_cracks(probability, threshold=0.5)
    assert ring.geometry.length_px == pytest.approx(4 * 80, rel=0.03)
    assert ring.geometry.mean_width_px == pytest.approx(3, abs=0.2)
    assert inside.geometry.length_px == pytest.approx(43, abs=1)


def test_each_of_many_nested_cracks_has_its_own_outline() -> None:
    probability = np.zeros((120, 120), np.float32)
    for inset in (0, 10, 20, 30):
        cv2.rectangle(probability, (inset, inset), (119 - inset, 119 - inset), 0.9, 2)
    cracks = find_cracks(probability, threshold=0.5)
    boxes = [crack.geometry.bbox_px for crack in cracks]
    assert boxes == [
        (left - 0.5, left - 0.5, side, side) for left, side in ((0, 120.0), (9, 102.0), (19, 82.0), (29, 62.0))
    ]
    for crack, (left, _, side, _) in zip(cracks, boxes, strict=True):
        x = [point[0] for point in crack.geometry.polygon_px]
        assert (min(x), max(x)) == (left + 0.5, left + side - 0.5)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10**6), scale=st.sampled_from([1, 2]), gsd=st.none() | st.floats(0, 50))
def test_what_comes_out_would_pass_validation_unchanged(seed: int, scale: int, gsd: float | None) -> None:
    probability = blobs(seed, 60, 0.4).astype(np.float32)
    for crack in find_cracks(probability, threshold=0.5, scale=scale, gsd_mm_per_px=gsd, min_length_px=1):
        validated = CrackGeometry.model_validate(crack.geometry.model_dump(exclude_unset=True), strict=True)
        # Corners may be whole numbers, which validation takes for others; all else is of its type already.
        as_validated = crack.geometry.model_copy(update={"polygon_px": validated.polygon_px})
        assert repr(as_validated) == repr(validated)
        assert crack.geometry.model_dump_json() == validated.model_dump_json()
        assert crack.geometry == validated


@pytest.mark.parametrize("gsd", [-1.0, float("nan"), float("inf")])
def test_refuses_a_sampling_distance_that_makes_no_lengths(gsd: float) -> None:
    with pytest.raises(ValidationError):
        find_cracks(lines(60, 120, (30, 10, 110)), threshold=0.5, gsd_mm_per_px=gsd)


def test_a_map_with_gaps_between_its_rows_reads_like_its_copy() -> None:
    wide = np.zeros((60, 200), np.float32)
    wide[:, 30:150] = lines(60, 120, (10, 10, 42), (30, 10, 112)) * np.linspace(0.8, 1, 120, dtype=np.float32)
    view = wide[:, 30:150]
    assert find_cracks(view, threshold=0.5) == find_cracks(view.copy(), threshold=0.5)


def test_keep_cuts_and_drops() -> None:
    probability = lines(60, 200, (10, 10, 190), (40, 10, 190))
    keep = np.zeros((30, 100), bool)
    keep[:15, 50:] = True  # camera pixels; the map has two a pixel
    (crack,) = find_cracks(probability, threshold=0.5, scale=2, keep=keep)
    assert crack.geometry.bbox_px[0] == 49.5
    assert crack.geometry.bbox_px[1] < 15


def test_short_ones_are_left_out_by_camera_frame_length() -> None:
    probability = lines(40, 100, (20, 9, 46))
    assert len(find_cracks(probability, threshold=0.5, min_length_px=37)) == 1
    assert find_cracks(probability, threshold=0.5, min_length_px=39) == []
    assert len(find_cracks(probability, threshold=0.5, scale=2, min_length_px=18)) == 1


def test_nothing_found_in_an_empty_or_undefined_map() -> None:
    assert find_cracks(np.zeros((30, 40), np.float32), threshold=0.5) == []
    assert find_cracks(np.full((30, 40), np.nan, np.float32), threshold=0.5) == []


def test_a_map_that_is_all_crack_is_one_crack() -> None:
    (crack,) = find_cracks(np.ones((120, 160), np.float32), threshold=0.5)
    assert crack.geometry.bbox_px == (-0.5, -0.5, 160, 120)
    assert crack.geometry.area_px == 160 * 120


def test_a_ragged_outline_stays_small_enough_to_send() -> None:
    rng = np.random.default_rng(3)
    probability = cv2.GaussianBlur(rng.random((500, 500)).astype(np.float32), (0, 0), 1.5)
    largest = find_cracks(probability, threshold=0.49)[0].geometry
    assert 100 < len(largest.polygon_px) <= 512
    assert isinstance(largest, CrackGeometry)


def test_refuses_maps_and_masks_that_do_not_fit() -> None:
    with pytest.raises(ModelShapeError):
        find_cracks(np.zeros((1, 10, 10), np.float32), threshold=0.5)
    with pytest.raises(ModelShapeError):
        find_cracks(np.zeros((10, 11), np.float32), threshold=0.5, scale=2)
    with pytest.raises(ImageError, match="10x5"):
        find_cracks(np.zeros((10, 10), np.float32), threshold=0.5, keep=np.ones((5, 10), bool))


def test_thousands_of_speckles_cost_little() -> None:
    rng = np.random.default_rng(0)
    probability = np.zeros((1500, 2000), np.float32)
    for y, x in zip(rng.integers(0, 1496, 8000), rng.integers(0, 1996, 8000), strict=True):
        probability[y : y + 3, x : x + 3] = 1
    taken = []
    for _ in range(4):  # the quickest: other work on the machine only ever adds
        start = time.perf_counter()
        find_cracks(probability, threshold=0.5)
        taken.append(time.perf_counter() - start)
    assert min(taken) < 0.4  # 0.03 s on an idle core; a loop over speckles takes 0.5 s and more
