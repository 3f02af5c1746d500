from __future__ import annotations

from typing import Any

import pytest

from fissura.config import parse_config
from fissura.errors import ConfigError
from fissura.synth import SynthConfig


@pytest.mark.parametrize(
    "values",
    [
        {"width": 0},
        {"gsd_mm_per_px": 0},
        {"width_mm": [5, 2]},
        {"width_mm": [0, 2]},
        {"cracks": [3, 1]},
        {"cracks": [-1, 1]},
        {"concrete": 1.2},
        {"contrast": [0.5, 1.5]},
        {"jpeg_quality": [50, 101]},
        {"jpeg_quality": [0, 50]},
        {"noise": [-0.1, 0.1]},
    ],
)
def test_out_of_range_is_refused_by_its_key(values: dict[str, Any]) -> None:
    (key,) = values
    with pytest.raises(ConfigError, match=key):
        parse_config(SynthConfig, values, origin="here")


def test_it_survives_json() -> None:
    config = SynthConfig(cracks=(2, 5), width_mm=(1, 2), shadows=0.5)
    assert SynthConfig.model_validate_json(config.model_dump_json()) == config
