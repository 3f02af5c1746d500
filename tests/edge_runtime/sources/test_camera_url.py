from __future__ import annotations

import logging
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.sources import open_source
from edge_runtime.sources.camera.url import (
    check_url,
    secrets_of,
    split_options,
    take_out,
    with_password,
    without_secrets,
)
from fissura.errors import ConfigError

passwords = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20)
OURS = {"timeout", "retry"}


@given(passwords)
def test_a_password_from_elsewhere_is_found_again_and_never_shown(password: str) -> None:
    url = with_password("rtsp://guard@camera:8554/live?channel=1", password)
    check_url(url)
    parts = urlsplit(url)
    assert unquote(parts.password or "") == password
    assert (parts.hostname, parts.port, parts.username, parts.query) == ("camera", 8554, "guard", "channel=1")
    assert without_secrets(url) == "rtsp://camera:8554/live?channel=1"
    assert {password, quote(password, safe="")} == set(secrets_of(url))


@given(st.lists(st.tuples(st.text("abcxyz%2F", min_size=1), st.text("0189+%20.:", max_size=5))))
def test_the_cameras_own_parameters_stay_as_they_are(pairs: list[tuple[str, str]]) -> None:
    theirs = [f"{key}={value}" for key, value in pairs]
    uri = "rtsp://cam/live?" + "&".join(["timeout=3", *theirs, "retry=false"])
    url, options = split_options(uri, OURS)
    assert options == {"timeout": "3", "retry": "false"}
    assert url == "rtsp://cam/live" + ("?" + "&".join(theirs) if theirs else "")


def test_a_parameter_that_is_spelt_like_ours_can_be_passed_on() -> None:
    assert split_options("http://cam/?%74imeout=60&a=1&a=2", OURS) == ("http://cam/?%74imeout=60&a=1&a=2", {})


def test_one_of_ours_twice_is_refused_and_a_slip_is_noticed(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ConfigError, match="stands twice"):
        split_options("rtsp://cam/?retry=1&retry=2", OURS)
    with caplog.at_level(logging.WARNING):
        assert split_options("rtsp://cam/?timeot=3", OURS)[1] == {}
    assert "'timeot' goes to the camera" in caplog.text and "'timeout'" in caplog.text


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("rtsp://u:p@h/live", "rtsp://h/live"),
        ("rtsp://u:p@ss@h/live", "rtsp://h/live"),
        ("rtsp://u:p/w@h/live", "rtsp://h/live"),
        ("rtsp://u:p?w@h/live", "rtsp://h/live"),
        ("rtsp://h/user=u&password=p&channel=1", "rtsp://h/user=u&password=***&channel=1"),
        ("http://h/?authToken=p&x=1", "http://h/?authToken=***&x=1"),
        (
            "http://h/?p=a&page=1&PW=b&Pwd=c&pass=d&KEY=e&auth=f",
            "http://h/?p=***&page=1&PW=***&Pwd=***&pass=***&KEY=***&auth=***",
        ),
        ("http://h/?%74oken=p&x=1", "http://h/?%74oken=***&x=1"),
        ("http://h/?token=a/b?c=d==&x=1", "http://h/?token=***&x=1"),
        ("rtsp://h/user=u;pwd=p/live", "rtsp://h/user=u;pwd=***/live"),
        ("rtsp://u:p\nq@h/live", "rtsp://h/live"),
    ],
)
def test_what_is_shown(uri: str, shown: str) -> None:
    assert without_secrets(uri) == shown


def test_secrets_are_taken_out_of_any_text() -> None:
    secrets = secrets_of("http://u:b%5Cd%27s@h/?token=T0K%20EN&p=1")
    text = "no 'http://h/?token=T0K%20EN&p=1', T0K EN, b%5Cd%27s, b\\d's nor " + repr("b\\d's") + " [Errno 111]"
    assert take_out(secrets, text) == "no 'http://h/?token=***&p=***', ***, ***, *** nor \"***\" [Errno 111]"
    assert take_out([], text) == text


@pytest.mark.parametrize(
    "uri",
    [
        "rtsp://u:S3cr3t/w@h/live",
        "rtsp://u:S3cr3t?w@h/live",
        "rtsp://u:S3cr3t#w@h/live",
        "rtsp://u:S3cr3t@@h/live",
        "rtsp://u:S3cr3t@h:port/live",
        "rtsp://u:S3cr3t@",
        "rtsp://u:S3cr3t\n@h/",
        "http://h/a b?token=S3cr3t",
        "http://h/a?token=S3cr3t b",
        "http://h/a?p=S3cr3t&q=\x1b[2J",
        "http://h/a\u00a0b?token=S3cr3t",
        "rtsp:u:S3cr3t@h",
        "rtsp://u:S3cr3t@h/?timeout=soon",
        "rtsp://u:S3cr3t@h/?timeout=1&timeout=2",
        "rtps://u:S3cr3t@h/",
        "rtsp://u:S3cr3t@h/?password_file=/nowhere",
        "rtsp://u@h/?password_file=/nowhere",
        "rtsp://h/?password_file=/nowhere",
    ],
)
def test_an_address_that_is_wrong_is_refused_without_its_password(uri: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_source(uri)
    assert "S3cr3t" not in str(caught.value)


def test_an_empty_password_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(ConfigError, match="empty first line"):
        open_source(f"rtsp://u@h/?password_file={tmp_path / 'empty'}")
