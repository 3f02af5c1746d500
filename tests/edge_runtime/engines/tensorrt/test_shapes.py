from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.engines.tensorrt.shapes import batch_shape, clamped, fits, padded_side, profile_for
from fissura.bundle import GraphInput

sides = st.integers(1, 300)


@given(sides, sides, sides, sides, st.integers(1, 32), st.integers(1, 64), st.integers(1, 8))
def test_every_image_up_to_the_frame_fits(
    width: int, height: int, inner_width: int, inner_height: int, multiple: int, min_size: int, batch: int
) -> None:
    spec = GraphInput(multiple=multiple, min_size=min_size)
    profile = profile_for(spec, (width, height), batch)
    image = (padded_side(min(inner_height, height), spec), padded_side(min(inner_width, width), spec))
    assert all(side % multiple == 0 and side >= min_size for side in image)
    assert fits(batch_shape(spec, batch, *image), profile)
    assert fits(batch_shape(spec, 1, *image), profile)
    assert not fits(batch_shape(spec, batch + 1, *image), profile)
    assert not fits(batch_shape(spec, 1, image[0], profile.largest[2] + 1), profile)


def test_layouts_and_fixed_axes() -> None:
    planar = profile_for(GraphInput(layout="NCHW", multiple=8), (96, 72), 4)
    assert planar.smallest == (1, 3, 8, 8) and planar.usual == planar.largest == (4, 3, 72, 96)
    assert clamped(planar, (1, 3, None, "w")).largest == (1, 3, 72, 96)
    assert planar.text() == "1x3x8x8 4x3x72x96 4x3x72x96"
