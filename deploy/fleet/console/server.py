"""Gives the console out: uvicorn over TLS."""

from __future__ import annotations

import ipaddress
import signal
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import uvicorn
from starlette.applications import Starlette

from deploy.fleet.console.bounded_protocol import BoundedProtocol
from fissura.errors import FleetError, UsageError

MOST_AT_ONCE = 200  # connections; the requests of more are turned away
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"  # of TLS 1.2; those of 1.3 are all good
END_S = 1


@dataclass(frozen=True)
class Place:
    """Where the console listens.

    Attributes:
        host: address or name.
        port: 0: any that is free.
        cert: certificate, PEM; None: no TLS.
        key: of the certificate.
    """

    host: str
    port: int
    cert: Path | None
    key: Path | None


def read_place(listen: str, cert: Path | None, key: Path | None, *, insecure: bool) -> Place:
    """Put the options together.

    Raises:
        UsageError: no address, only half of a certificate, or no TLS on an address that others can reach.
        FleetError: the certificate cannot be used.
    """
    host, colon, port = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isdigit() or int(port) > 65535:
        raise UsageError(f"--listen {listen!r} is not understood", expected="HOST:PORT, for example 0.0.0.0:8443")
    if insecure:
        if cert or key:
            raise UsageError("--insecure-http and a certificate", expected="one of them")
        if not _is_loopback(host):
            raise UsageError(
                f"--insecure-http on {host}: whoever listens in would have the token",
                expected="--listen 127.0.0.1:PORT, or --cert and --key",
            )
        return Place(host, int(port), None, None)
    if cert is None or key is None:
        raise UsageError(
            "the console has no certificate",
            expected="--cert and --key (or --insecure-http, for this machine only)",
            fix="fissura fleet enroll --server HOST",
        )
    for option, path in (("--cert", cert), ("--key", key)):
        if not path.is_file():
            raise FleetError(
                f"{option} {path} is no file", fix="fissura fleet enroll --server HOST says where it puts them"
            )
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key)
    except OSError as error:  # ssl.SSLError is one
        raise FleetError(f"--cert {cert} with --key {key} cannot be used: {error}") from error
    return Place(host, int(port), cert, key)


def serve(app: Starlette, place: Place) -> None:
    """Answer until SIGINT or SIGTERM; ends by an exception then, as uvicorn sends itself the signal once more.

    Raises:
        FleetError: the address is taken, or not ours.
    """
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    try:
        listener = socket.create_server((place.host, place.port), family=family, backlog=128)
    except OSError as error:
        raise FleetError(
            f"{place.host}:{place.port} cannot be listened on: {error.strerror or error}",
            fix="another --listen HOST:PORT",
        ) from error
    config = uvicorn.Config(
        app,
        ssl_certfile=place.cert,
        ssl_keyfile=place.key,
        log_level="warning",
        access_log=False,
        http=BoundedProtocol,
        ssl_ciphers=CIPHERS,
        proxy_headers=False,  # nobody tells us where somebody else comes from
        server_header=False,
        lifespan="off",
        ws="none",
        limit_concurrency=MOST_AT_ONCE,
        timeout_graceful_shutdown=END_S,
    )
    config.load()
    if config.ssl is not None:
        config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
    host = f"[{place.host}]" if ":" in place.host else place.host
    scheme = "http" if place.cert is None else "https"
    print(f"console: {scheme}://{host}:{listener.getsockname()[1]}/", flush=True)
    signal.signal(signal.SIGTERM, _end)
    with listener:
        uvicorn.Server(config).run([listener])


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)  # through the `with` statements that close the listeners


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
