from __future__ import annotations

from pathlib import Path

import pytest

from edge_runtime.mqtt.endpoint import MqttConfig, read_endpoint
from edge_runtime.mqtt.outgoing import backoff_s
from edge_runtime.mqtt.reasons import refusal
from fissura.errors import ConfigError


def test_address_and_defaults() -> None:
    endpoint = read_endpoint("mqtt://truck%2F7@[::1]", MqttConfig())
    assert (endpoint.host, endpoint.port, endpoint.username) == ("::1", 1883, "truck/7")
    assert endpoint.tls is None and endpoint.version == "5"


def test_password_comes_from_the_environment_or_a_file_and_is_never_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FISSURA_MQTT_PASSWORD", "swordfish")
    endpoint = read_endpoint("mqtt://u@h", MqttConfig())
    assert endpoint.password == "swordfish"
    assert "swordfish" not in repr(endpoint) + str(endpoint)
    (tmp_path / "secret").write_text("from file\nsecond line\n")
    assert read_endpoint("mqtt://u@h", MqttConfig(password_file=tmp_path / "secret")).password == "from file"


def test_a_password_in_the_address_is_refused_without_repeating_it() -> None:
    with pytest.raises(ConfigError) as caught:
        read_endpoint("mqtt://u:swordfish@h", MqttConfig())
    assert "swordfish" not in str(caught.value) and "FISSURA_MQTT_PASSWORD" in str(caught.value)


@pytest.mark.parametrize("uri", ["mqtt://", "mqtt://h:port", "mqtt://h:99999", "mqtt://h/topic"])
def test_an_address_that_is_none(uri: str) -> None:
    with pytest.raises(ConfigError, match="broker address"):
        read_endpoint(uri, MqttConfig())


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "junk.pem").write_text("junk")
    (tmp_path / "empty").write_text("")
    junk = tmp_path / "junk.pem"
    for uri, config, found in (
        ("mqtt://h", MqttConfig(ca=junk), "unencrypted"),
        ("mqtts://h", MqttConfig(ca=junk), "--ca"),
        ("mqtts://h", MqttConfig(ca=tmp_path / "none.pem"), "--ca"),
        ("mqtts://h", MqttConfig(cert=junk), "only one"),
        ("mqtts://h", MqttConfig(cert=junk, key=junk), "--cert"),
        ("mqtt://h", MqttConfig(password_file=tmp_path / "empty"), "is empty"),
        ("mqtt://h", MqttConfig(password_file=tmp_path / "none"), "cannot be read"),
    ):
        with pytest.raises(ConfigError, match=found):
            read_endpoint(uri, config)


def test_backoff_grows_to_its_limit_and_is_scattered() -> None:
    for attempt in range(60):
        delays = {backoff_s(attempt, first_s=0.5, longest_s=30) for _ in range(20)}
        ceiling = min(30, 0.5 * 2**attempt)
        assert all(ceiling / 2 <= delay <= ceiling for delay in delays)
        assert len(delays) > 1


def test_only_refusals_that_last_end_the_run() -> None:
    endpoint = read_endpoint("mqtt://h", MqttConfig())
    for code in (0x84, 0x85, 0x86, 0x87, 0x8A):
        error = refusal(endpoint, code, "reason")
        assert error is not None and error.fix
    for code in (0x80, 0x88, 0x89, 0x97, 0x9F):  # unspecified, unavailable, busy, quota, rate
        assert refusal(endpoint, code, "reason") is None
