"""UNet16: paper 004's sizes with either way to enlarge, CSSR's cost, the halo."""

from __future__ import annotations

import pytest
import torch

from fissura.errors import ConfigError
from tests.train.networks.reach import assert_halo_is_exact
from train.networks import NETWORKS, build_network
from train.networks.count import count
from train.networks.dbpn import Dbpn
from train.networks.unet16 import UNet16, Upsampling


@pytest.mark.parametrize(("upsampling", "parameters"), [("pixel_shuffle", 29_500_033), ("deconv", 39_200_065)])
def test_parameter_counts(upsampling: Upsampling, parameters: int) -> None:
    with torch.device("meta"):
        assert count(UNet16(upsampling=upsampling), (16, 16)).parameters == parameters


def test_cost_of_cssr() -> None:
    """Both networks of paper 004 on its images, 112x112 enlarged to 448x448."""
    with torch.device("meta"):
        enlarging, finding = count(Dbpn(), (112, 112)), count(UNet16(), (448, 448))
    assert enlarging.parameters + finding.parameters == 38_302_127
    assert enlarging.gmacs + finding.gmacs == pytest.approx(277.0, abs=0.05)


@pytest.mark.parametrize("upsampling", ["pixel_shuffle", "deconv"])
def test_halo_is_exact(upsampling: Upsampling) -> None:
    assert_halo_is_exact(UNet16((2, 2, 2, 2, 2), upsampling))


@pytest.mark.parametrize("options", [{"widths": [2, 2, 2, 2]}, {"upsampling": "bilinear"}])
def test_wrong_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        build_network(NETWORKS, {"name": "unet16", **options})
