from __future__ import annotations

import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from deploy.fleet.authority.authority import Authority
from deploy.fleet.authority.roles import device_name, server_name
from fissura.errors import FleetError

SECRET = "a passphrase that is long"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ca")


def openssl(*words: object) -> str:
    done = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_openssl_takes_a_devices_certificate_for_a_client_and_for_nothing_else(
    authority: Authority, tmp_path: Path
) -> None:
    path = tmp_path / "device.pem"
    path.write_bytes(authority.issue("truck-07", "device", 30, SECRET).certificate)
    check = ["verify", "-x509_strict", "-CAfile", authority.certificate, "-CRLfile", authority.revocation_list]
    assert openssl(*check, "-crl_check", "-purpose", "sslclient", path).endswith("OK\n")
    assert "unsuitable certificate purpose" in openssl(*check, "-purpose", "sslserver", path)
    assert openssl("x509", "-in", path, "-noout", "-subject").split("=", 1)[1].split() == ["CN", "=", "truck-07"]


def test_a_servers_certificate_names_its_hosts_and_is_no_client(authority: Authority, tmp_path: Path) -> None:
    path = tmp_path / "server.pem"
    path.write_bytes(authority.issue("broker.lan", "server", 30, SECRET, hosts=("broker.lan", "10.0.0.5")).certificate)
    check = ["verify", "-x509_strict", "-CAfile", authority.certificate]
    assert openssl(*check, "-purpose", "sslserver", "-verify_hostname", "broker.lan", path).endswith("OK\n")
    assert openssl(*check, "-purpose", "sslserver", "-verify_ip", "10.0.0.5", path).endswith("OK\n")
    assert "hostname mismatch" in openssl(*check, "-verify_hostname", "other.lan", path)
    assert "unsuitable certificate purpose" in openssl(*check, "-purpose", "sslclient", path)


def test_the_key_of_the_authority_is_encrypted_and_private(authority: Authority, tmp_path: Path) -> None:
    authority.issue("truck-07", "device", 30, SECRET)
    key = tmp_path / "ca" / "ca.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    with pytest.raises(TypeError):
        load_pem_private_key(key.read_bytes(), None)
    with pytest.raises(FleetError, match="cannot be opened"):
        authority.issue("truck-08", "device", 30, "another passphrase")
    assert [one.name for one in authority.issued()] == ["truck-07"]


def test_a_name_has_one_valid_certificate_unless_it_is_renewed(authority: Authority) -> None:
    authority.issue("truck-07", "device", 30, SECRET)
    with pytest.raises(FleetError, match="has a certificate until"):
        authority.issue("truck-07", "device", 30, SECRET)
    authority.issue("truck-07", "device", 30, SECRET, renew=True)
    assert [one.is_valid() for one in authority.issued()] == [True, True]
    assert authority.revoke("truck-07", SECRET) == 2
    authority.issue("truck-07", "device", 30, SECRET)  # a new device under the old name
    assert [one.is_valid() for one in authority.issued()] == [False, False, True]


def test_what_is_revoked_stands_on_the_list_and_nothing_else(authority: Authority) -> None:
    kept = x509.load_pem_x509_certificate(authority.issue("truck-01", "device", 30, SECRET).certificate)
    gone = x509.load_pem_x509_certificate(authority.issue("truck-02", "device", 30, SECRET).certificate)
    authority.revoke("truck-02", SECRET)
    crl = x509.load_pem_x509_crl(authority.revocation_list.read_bytes())
    assert crl.get_revoked_certificate_by_serial_number(gone.serial_number) is not None
    assert crl.get_revoked_certificate_by_serial_number(kept.serial_number) is None
    assert crl.next_update_utc is not None
    assert crl.next_update_utc > datetime.now(timezone.utc) + timedelta(days=7000), "it must not lock the fleet out"


def test_each_list_has_a_higher_number(authority: Authority) -> None:
    authority.issue("truck-01", "device", 30, SECRET)
    numbers = []
    for _ in range(3):
        crl = x509.load_pem_x509_crl(authority.revocation_list.read_bytes())
        numbers.append(crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number)
        authority.revoke("truck-01", SECRET)
    assert numbers == sorted(set(numbers))


def test_a_revocation_that_was_cut_short_is_finished_by_the_next_try(authority: Authority) -> None:
    issued = x509.load_pem_x509_certificate(authority.issue("truck-02", "device", 30, SECRET).certificate)
    before = authority.revocation_list.read_bytes()
    authority.revoke("truck-02", SECRET)
    authority.revocation_list.write_bytes(before)  # as if killed between the ledger and the list
    assert authority.revoke("truck-02", SECRET) == 0
    crl = x509.load_pem_x509_crl(authority.revocation_list.read_bytes())
    assert crl.get_revoked_certificate_by_serial_number(issued.serial_number) is not None


def test_nobody_is_revoked_by_a_mistyped_name(authority: Authority) -> None:
    authority.issue("truck-07", "device", 30, SECRET)
    with pytest.raises(FleetError, match="has no certificate"):
        authority.revoke("truck-70", SECRET)


def test_a_lost_key_is_not_replaced_in_silence(authority: Authority, tmp_path: Path) -> None:
    authority.issue("truck-07", "device", 30, SECRET)
    (tmp_path / "ca" / "ca.key").unlink()
    with pytest.raises(FleetError, match="is gone"):
        authority.issue("truck-08", "device", 30, SECRET)


def test_a_damaged_ledger_is_an_error(authority: Authority, tmp_path: Path) -> None:
    authority.issue("truck-07", "device", 30, SECRET)
    (tmp_path / "ca" / "issued.json").write_text("{")
    with pytest.raises(FleetError, match=r"issued\.json cannot be read"):
        authority.issue("truck-08", "device", 30, SECRET)


def test_no_certificate_outlives_the_authority(authority: Authority) -> None:
    with pytest.raises(FleetError, match="longer than"):
        authority.issue("truck-07", "device", 9000, SECRET)
    assert authority.issued() == ()


def test_two_at_a_time_lose_nothing(authority: Authority, tmp_path: Path) -> None:
    names = [f"truck-{number:02d}" for number in range(8)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: Authority(tmp_path / "ca").issue(name, "device", 30, SECRET), names))
    assert sorted(one.name for one in authority.issued()) == names


@pytest.mark.parametrize("serial", ["operator", "Operator", "console"])
def test_no_device_gets_the_name_of_a_role(serial: str) -> None:
    with pytest.raises(FleetError, match="take it for that role"):
        device_name(serial)


@pytest.mark.parametrize("serial", ["", "fleet", "a/b", "+", "#", "a b", "x" * 49])
def test_a_device_has_a_serial_that_can_stand_in_a_topic(serial: str) -> None:
    with pytest.raises(FleetError, match="serial") as caught:
        device_name(serial)
    assert "--serial" not in str(caught.value)  # of `fissura run`, not of `fissura fleet enroll`


@pytest.mark.parametrize("host", ["", "a b", "-x", "ho/st"])
def test_a_server_has_a_host(host: str) -> None:
    with pytest.raises(FleetError, match="is no host"):
        server_name(host)
