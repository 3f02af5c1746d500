"""Where the broker is and how to prove who we are."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import Field

from edge_runtime.password_file import read_password
from fissura.config import Config
from fissura.errors import ConfigError

PASSWORD_VARIABLE = "FISSURA_MQTT_PASSWORD"
PORT = 1883
TLS_PORT = 8883
Version = Literal["5", "3.1.1"]


class MqttConfig(Config):
    """Options of `mqtt:` and `mqtts:`."""

    version: Version = Field("5", description="MQTT version; 3.1.1 for brokers that do not speak 5")
    keepalive_s: int = Field(
        30, ge=5, le=3600, description="silence after which either side asks whether the other lives"
    )
    username: str | None = Field(None, description="also as mqtt://USERNAME@HOST")
    password_file: Path | None = Field(None, description=f"its first line; else the variable {PASSWORD_VARIABLE}")
    ca: Path | None = Field(None, description="certificate of the authority that signed the broker's, PEM")
    cert: Path | None = Field(None, description="our own certificate, PEM")
    key: Path | None = Field(None, description="private key of our certificate, PEM")


@dataclass(frozen=True)
class Endpoint:
    """A broker. The password is left out of its printed form."""

    host: str
    port: int
    version: Version
    keepalive_s: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.host}:{self.port}"


def read_endpoint(uri: str, config: MqttConfig) -> Endpoint:
    """Put address, options, environment and files together.

    Args:
        uri: ``mqtt://[USERNAME@]HOST[:PORT]`` or ``mqtts://...``; what stands after '?' is in `config` already.
        config: the options.

    Raises:
        ConfigError: a host or a port that is none, a password in the address, or a file that cannot be used.
    """
    try:
        parts = urlsplit(uri)
        if parts.password is not None:
            raise ConfigError(
                "the broker's address holds a password, which every user of this machine can see",
                expected=f"it in the variable {PASSWORD_VARIABLE} or in a file, with --password-file",
            )
        host, port = _host_and_port(parts)
    except ValueError as error:
        raise _not_understood(uri, expected="mqtt://HOST:PORT") from error
    secure = parts.scheme == "mqtts"
    if not secure and (config.ca or config.cert or config.key):
        raise ConfigError(
            f"broker address {uri!r} is unencrypted, but certificates are given", expected=f"mqtts://{host}"
        )
    return Endpoint(
        host=host,
        port=port or (TLS_PORT if secure else PORT),
        version=config.version,
        keepalive_s=config.keepalive_s,
        username=unquote(parts.username) if parts.username else config.username,
        password=_password(config.password_file),
        tls=_tls(config) if secure else None,
    )


def parse_broker(text: str) -> tuple[str, int]:
    """Host and port of a broker without encryption: ``HOST``, ``HOST:PORT``, or either after ``mqtt://``.

    Raises:
        ConfigError: it is none of these.

    Example:
        >>> parse_broker("localhost")
        ('localhost', 1883)
    """
    try:
        parts = urlsplit(f"mqtt://{text.removeprefix('mqtt://')}")
        if "@" in parts.netloc:
            raise ValueError("a user name")
        host, port = _host_and_port(parts)
    except ValueError as error:
        raise _not_understood(text, expected="HOST or HOST:PORT, for example localhost:1883") from error
    return host, port or PORT


def _host_and_port(parts: SplitResult) -> tuple[str, int | None]:
    """Raises `ValueError` for what could never be reached, rather than have the sender try it for ever."""
    host, port = parts.hostname, parts.port
    if not host or not host.isprintable() or " " in host:
        raise ValueError("no host")
    if port == 0 or parts.netloc.endswith(":"):
        raise ValueError("no port")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("more than host and port")
    host.encode("idna")  # as the resolver does: a part of the name may be empty or too long
    return host, port


def _not_understood(address: str, *, expected: str) -> ConfigError:
    _, at, rest = address.rpartition("@")
    shown = f"...@{rest}" if at else address  # a mistyped address may hold a password all the same
    return ConfigError(f"broker address {shown!r} is not understood", expected=expected)


def _password(path: Path | None) -> str | None:
    return os.environ.get(PASSWORD_VARIABLE) if path is None else read_password(path)


def _tls(config: MqttConfig) -> ssl.SSLContext:
    if (config.cert is None) != (config.key is None):
        raise ConfigError("only one of certificate and key is given", expected="both --cert and --key, or neither")
    try:
        context = ssl.create_default_context(cafile=None if config.ca is None else str(config.ca))
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(f"--ca {config.ca} cannot be used: {error}", expected="a certificate in PEM") from error
    if config.ca is not None:
        # From 3.13 on Python refuses an authority that does not state its key usage, as `openssl req -x509` makes one
        # by default. A device must not lose its broker by a newer Python.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if config.cert is not None:
        try:
            context.load_cert_chain(str(config.cert), None if config.key is None else str(config.key))
        except OSError as error:
            raise ConfigError(
                f"--cert {config.cert} with --key {config.key} cannot be used: {error}",
                expected="a certificate and the private key that belongs to it, in PEM",
            ) from error
    return context
