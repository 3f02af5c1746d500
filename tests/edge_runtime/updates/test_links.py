from __future__ import annotations

from pathlib import Path

import pytest

from edge_runtime.updates.layout import Layout
from edge_runtime.updates.links import exchange, exchange_back, point


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path)
    layout.make()
    return layout


def numbers(layout: Layout) -> tuple[int | None, int | None]:
    return layout.number("active"), layout.number("previous")


def test_exchange_and_back(layout: Layout) -> None:
    exchange(layout, 7)
    assert numbers(layout) == (7, None)
    exchange(layout, 8)
    exchange(layout, 8)  # after a cut
    assert numbers(layout) == (8, 7)
    assert (layout.root / "active").readlink() == Path("releases/8")
    exchange_back(layout, 8)
    assert numbers(layout) == (7, None)
    exchange_back(layout, 8)  # after a cut: 8 is not active any more
    assert numbers(layout) == (7, None)
    exchange_back(layout, 7)
    assert numbers(layout) == (None, None)


def test_a_cut_between_the_two_links_goes_back_to_where_it_was(layout: Layout) -> None:
    exchange(layout, 7)
    point(layout, "previous", 7)  # and the power fails, before `active` names 8
    exchange_back(layout, 8)
    assert numbers(layout) == (7, None)


@pytest.mark.parametrize("target", ["releases/../../etc", "/releases/7", "releases/x", "releases/", "elsewhere/7"])
def test_a_link_to_elsewhere_is_none(layout: Layout, target: str) -> None:
    (layout.root / "active").symlink_to(target)
    assert layout.number("active") is None
    assert layout.bundle("active") is None


def test_a_link_that_is_a_file_is_none(layout: Layout) -> None:
    (layout.root / "active").write_text("7")
    assert layout.number("active") is None
    exchange(layout, 7)
    assert layout.number("active") == 7
