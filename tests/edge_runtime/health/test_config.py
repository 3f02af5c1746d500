from __future__ import annotations

import pytest

from edge_runtime.health.config import HealthConfig, parse_address
from fissura.config import parse_config
from fissura.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("9770", ("127.0.0.1", 9770)),
        ("0", ("127.0.0.1", 0)),
        ("0.0.0.0:9770", ("0.0.0.0", 9770)),
        ("truck-07.local:80", ("truck-07.local", 80)),
        ("[::1]:65535", ("::1", 65535)),
        ("[fe80::1%eth0]:9770", ("fe80::1%eth0", 9770)),
    ],
)
def test_addresses(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text) == address
    assert HealthConfig(address=text).address == text


def test_a_port_alone_is_a_number_in_yaml() -> None:
    assert parse_config(HealthConfig, {"address": 9770}, origin="run.yaml").address == "9770"
    with pytest.raises(ConfigError):
        parse_config(HealthConfig, {"address": True}, origin="run.yaml")


@pytest.mark.parametrize(
    "text", ["", "port", "65536", "-1", ":9770", "host:", "::1:9770", "a b:1", "1:2:3", "９７７０"]
)
def test_no_addresses(text: str) -> None:
    with pytest.raises(ConfigError, match="health address"):
        parse_address(text)
    with pytest.raises(ConfigError, match=r"run\.yaml: address: .*health address"):
        parse_config(HealthConfig, {"address": text}, origin="run.yaml")


@pytest.mark.parametrize("values", [{"frame_limit_s": 0}, {"processing_limit_s": -1}, {"hot_c": 151}, {"port": 1}])
def test_impossible_values(values: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        parse_config(HealthConfig, values, origin="run.yaml")
