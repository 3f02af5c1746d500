from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.engines.tensorrt.plan_header import plan_version, same_version, version_text


@given(st.tuples(*[st.integers(0, 255)] * 4), st.binary())
def test_reads_the_version_from_the_first_28_bytes(version: tuple[int, ...], rest: bytes) -> None:
    assert plan_version(b"ftrt" + bytes(20) + bytes(version) + rest) == version


@pytest.mark.parametrize("head", [b"", b"ftrt" + bytes(23), b"ftrx" + bytes(24), b"\x7fELF" + bytes(40)])
def test_what_is_no_plan_has_no_version(head: bytes) -> None:
    assert plan_version(head) is None


def test_a_library_that_states_three_numbers_fits_by_three() -> None:
    assert same_version((10, 3, 0, 30), (10, 3, 0))
    assert not same_version((10, 3, 0, 30), (10, 3, 1))
    assert not same_version((11, 4, 0, 105), (11, 4, 0, 106))
    assert version_text((10, 3, 0, 30)) == "10.3.0.30"
