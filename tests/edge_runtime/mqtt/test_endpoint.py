from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from edge_runtime.mqtt.endpoint import MqttConfig, parse_broker, read_endpoint
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


NO_NAMES = ["", "[::1", "::1", "a..b", f"{'x' * 64}.org", "h\0", "a b"]
NO_BROKERS = [*NO_NAMES, "h:port", "h:99999", "h:0", "h:", "h/topic", "h#x"]


@pytest.mark.parametrize("text", NO_BROKERS)
def test_an_address_that_is_none(text: str) -> None:
    with pytest.raises(ConfigError, match="broker address"):
        read_endpoint(f"mqtt://{text}", MqttConfig())
    with pytest.raises(ConfigError, match="broker address"):
        parse_broker(text)


@pytest.mark.parametrize("uri", ["mqtt://u:swordfish@[::1", "mqtt://u:sword/fish@h", "mqtt://u:swordfish@h\u2100"])
def test_an_address_that_is_none_does_not_show_the_password(uri: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_endpoint(uri, MqttConfig())
    assert "sword" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("localhost", "localhost", 1883),
        ("mqtt://localhost", "localhost", 1883),
        ("mqtt://10.0.0.7:1900", "10.0.0.7", 1900),
        ("[::1]:1884", "::1", 1884),
        ("[fe80::1%eth0]", "fe80::1%eth0", 1883),
        ("b\u00fccher.example", "b\u00fccher.example", 1883),
    ],
)
def test_the_addresses_of_brokers(text: str, host: str, port: int) -> None:
    assert parse_broker(text) == (host, port)
    endpoint = read_endpoint(f"mqtt://{text.removeprefix('mqtt://')}", MqttConfig())
    assert (endpoint.host, endpoint.port) == (host, port)


@pytest.mark.parametrize("text", ["u@h", "mqtts://h", "http://h:80"])
def test_a_plain_broker_address_has_neither_user_nor_another_scheme(text: str) -> None:
    with pytest.raises(ConfigError, match="broker address") as caught:
        parse_broker(text)
    assert "localhost:1883" in caught.value.expected


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


def test_the_authorities_of_the_system_are_trusted_as_python_has_it() -> None:
    tls = read_endpoint("mqtts://h", MqttConfig()).tls
    assert tls is not None and tls.verify_mode == ssl.CERT_REQUIRED and tls.check_hostname
    assert tls.verify_flags == ssl.create_default_context().verify_flags


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
