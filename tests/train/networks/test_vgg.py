"""VGG16's convolutions: size, maps, torchvision's names of the layers."""

from __future__ import annotations

import pytest
import torch

from train.networks.count import count
from train.networks.vgg import REACH, Vgg16

# Places of the convolutions in torchvision's `features`, as its published state dicts have them.
PLAIN = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
NORMALISED = (0, 3, 7, 10, 14, 17, 20, 24, 27, 30, 34, 37, 40)
NARROW = (2, 3, 4, 5, 6)


@pytest.mark.parametrize(("batch_norm", "parameters"), [(False, 14_714_688), (True, 14_723_136)])
def test_parameter_counts(batch_norm: bool, parameters: int) -> None:
    with torch.device("meta"):
        assert count(Vgg16(batch_norm=batch_norm), (16, 16)).parameters == parameters


def test_cost_is_the_published_one() -> None:
    """15.3 billion multiply-accumulates at 224x224 for all of VGG16 (15.47 with its classifier)."""
    with torch.device("meta"):
        assert count(Vgg16(), (224, 224)).gmacs == pytest.approx(15.35, abs=0.005)


def test_maps() -> None:
    maps = Vgg16(NARROW, in_channels=1)(torch.randn(2, 1, 32, 48))
    assert [tuple(x.shape) for x in maps] == [
        (2, width, 32 >> stage, 48 >> stage) for stage, width in enumerate(NARROW)
    ]
    assert all(bool((x >= 0).all()) for x in maps)


def test_dilation_of_the_last_stage_keeps_the_size() -> None:
    last = Vgg16(NARROW, last_dilation=2).stages[-1]
    assert last(torch.randn(1, 5, 6, 7)).shape == (1, 6, 6, 7)


@pytest.mark.parametrize(("batch_norm", "places"), [(False, PLAIN), (True, NORMALISED)])
def test_torchvision_names(batch_norm: bool, places: tuple[int, ...]) -> None:
    encoder = Vgg16(NARROW, batch_norm=batch_norm)
    names = encoder.torchvision_names()
    assert set(names) == set(encoder.state_dict())
    convolutions = [theirs for ours, theirs in names.items() if ours.endswith(".0.weight")]
    assert convolutions == [f"features.{place}.weight" for place in places]
    if batch_norm:
        statistics = [theirs for ours, theirs in names.items() if ours.endswith("running_mean")]
        assert statistics == [f"features.{place + 1}.running_mean" for place in places]


def test_reach_by_hand() -> None:
    assert REACH == 2 * 1 + 2 * 2 + 3 * 4 + 3 * 8 + 3 * 16


def test_wrong_widths_are_refused() -> None:
    with pytest.raises(ValueError, match="5 stages"):
        Vgg16((2, 3, 4))
