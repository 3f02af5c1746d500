"""The commands as they are typed: what they say, and how they refuse."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from deploy.fleet.home import VARIABLE as FLEET
from deploy.fleet.home import FleetHome
from deploy.fleet.repository.passphrase import VARIABLE
from fissura.bundle import MANIFEST_NAME
from fissura.cli import main
from fissura.files import sha256
from fissura.release import Channel, Release
from tests.deploy.fleet.repository.fleets import MODEL, PASSPHRASE, Device, another, open_repository, served

Lines = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, PASSPHRASE)


def fleet(*words: object) -> int:
    return main(["fleet", *map(str, words)])


def test_from_nothing_to_a_release_on_a_device(bundle: Path, tmp_path: Path, capsys: Lines) -> None:
    home = FleetHome(tmp_path / "roads")
    where = ("--fleet", home.root)
    assert fleet("init", home.root, "--name", "roads", "--url", "https://models.example.org") == 0
    out = capsys.readouterr().out
    assert str(home.metadata / "1.root.json") in out
    assert "keys/root-*.pem" in out

    assert fleet("publish", bundle, "--hardware", "x86_64", "jetson-*", "--tensorrt", "10.3..11", *where) == 0
    assert f"published release 1 of {MODEL}" in capsys.readouterr().out
    assert fleet("promote", MODEL, 1, "--channel", "stable", *where) == 0
    assert f"channel stable: release 1 of {MODEL} for 100 % of devices" in capsys.readouterr().out
    second = another(bundle, tmp_path / "2", 2)
    assert fleet("publish", second, "--notes", "finer cracks", "--oldest-fissura", "0.1.0", *where) == 0
    assert fleet("promote", MODEL, 2, "--channel", "stable", "--percent", 10, *where) == 0
    assert "the others run release 1" in capsys.readouterr().out
    with served(home) as url:
        device = Device(home, url, tmp_path / "device")
        release = device.fetch(MODEL, 1)
        assert release is not None
        assert release.hardware == ("x86_64", "jetson-*")
        assert release.tensorrt is not None
        assert (release.tensorrt.oldest, release.tensorrt.newest) == ("10.3", "11")
        assert fleet("revoke", MODEL, 2, *where) == 0
        assert "release 2 of darker-than-around is revoked, release 1 goes to 100 %" in capsys.readouterr().out
        assert device.channel() == Channel(channel="stable", model=MODEL, release=1, revoked=(2,))
        assert fleet("rotate-keys", "timestamp", *where) == 0
        assert "timestamp-2.pem" in capsys.readouterr().out
        assert fleet("refresh", *where) == 0
        assert "nothing, all holds" in capsys.readouterr().out
        assert device.channel() == Channel(channel="stable", model=MODEL, release=1, revoked=(2,))


def test_every_command_speaks_json(
    bundle: Path, tmp_path: Path, capsys: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(*words: object) -> str:
        assert fleet(*words, "--json") == 0
        return capsys.readouterr().out

    home = FleetHome(tmp_path / "roads")
    assert json.loads(answer("init", home.root))["root"] == str(home.metadata / "1.root.json")
    monkeypatch.setenv(FLEET, str(home.root))
    assert Release.model_validate_json(answer("publish", bundle)).release == 1
    assert Channel.model_validate_json(answer("promote", MODEL, 1, "--channel", "stable")).percent == 100
    fleet("publish", another(bundle, tmp_path / "2", 2))
    fleet("promote", MODEL, 2, "--channel", "stable")
    capsys.readouterr()
    assert json.loads(answer("revoke", MODEL, 2))[0]["revoked"] == [2]
    assert json.loads(answer("rotate-keys", "root"))["new"] == ["root-4", "root-5", "root-6"]
    assert json.loads(answer("refresh", "--within", 2))["signed"] == ["timestamp"]


def test_the_passphrase_may_come_from_a_file(home: FleetHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE)
    file = tmp_path / "passphrase"
    file.write_text(f"{PASSPHRASE}\nsecond line\n")
    assert fleet("refresh", "--within", 2, "--fleet", home.root, "--passphrase-file", file) == 0


BAD = {
    "a folder that is full": (["init", "{home}"], "is not empty"),
    "a file as folder": (["init", "{home}/fleet.yaml"], "is a file"),
    "a name with blanks": (["init", "{tmp}/new", "--name", "My Fleet"], "name"),
    "an address of another kind": (["init", "{tmp}/new", "--url", "ftp://example.org"], "url"),
    "a broker of another kind": (["init", "{tmp}/new", "--broker", "localhost"], "broker"),
    "no fleet": (["publish", "{bundle}", "--fleet", "{tmp}"], "no folder of a fleet"),
    "no bundle": (["publish", "{tmp}"], "is no bundle"),
    "a bundle with a changed file": (["publish", "{changed}"], "not the file that was exported"),
    "a bundle without a file": (["publish", "{incomplete}"], "is missing"),
    "a bundle that was published": (["publish", "{bundle}"], "published before, as release 1"),
    "a file name that disks do not take": (["publish", "{named}"], "every file system"),
    "a file named as the release's document": (["publish", "{reserved}"], "release's own document"),
    "a graph that is none": (["publish", "{garbage}"], "is no ONNX graph"),
    "no range": (["publish", "{second}", "--tensorrt", "10.3"], "no range of versions"),
    "no version in a range": (["publish", "{second}", "--tensorrt", "ten..11"], "no range of versions"),
    "no version": (["publish", "{second}", "--oldest-fissura", "1"], "oldest_fissura"),
    "notes like a book": (["publish", "{second}", "--notes", "x" * 10_001], "notes"),
    "a model that is none": (["promote", "other", "1", "--channel", "stable"], "no release 1 of other"),
    "a release that is none": (["promote", MODEL, "7", "--channel", "stable"], "no release 7"),
    "a channel that cannot be": (["promote", MODEL, "1", "--channel", "../x"], "no name of a channel"),
    "more than all": (["promote", MODEL, "1", "--channel", "stable", "--percent", "101"], "percent"),
    "a fallback that is none": (["promote", MODEL, "1", "--channel", "stable", "--fallback", "9"], "no release 9"),
    "nothing to take back": (["revoke", MODEL, "7"], "no release 7"),
    "nothing left": (["revoke", MODEL, "1"], "nothing to fall back to"),
    "more signatures than keys": (["rotate-keys", "root", "--count", "2", "--threshold", "3"], "cannot need"),
    "no passphrase file": (["refresh", "--passphrase-file", "{tmp}/none"], "cannot be read"),
    "an empty passphrase file": (["refresh", "--passphrase-file", "{empty}"], "holds no passphrase"),
    "another passphrase": (["refresh", "--within", "2", "--passphrase-file", "{wrong}"], "does not open"),
    "another passphrase, nothing due": (["refresh", "--passphrase-file", "{wrong}"], "does not open"),
    "a time that has gone by": (["refresh", "--within", "-1"], "0 or more days"),
    "no time": (["refresh", "--within", "nan"], "0 or more days"),
    "no folder of keys": (["refresh", "--keys", "{tmp}/stick"], "is no folder"),
}


@pytest.fixture
def scene(home: FleetHome, bundle: Path, tmp_path: Path) -> dict[str, Path]:
    repository = open_repository(home)
    repository.publish(bundle)
    repository.promote(MODEL, 1, "stable")
    made = {
        "home": home.root,
        "bundle": bundle,
        "tmp": tmp_path / "empty",
        "second": another(bundle, tmp_path / "s", 2),
    }
    made["tmp"].mkdir()
    for name, text in (("empty", ""), ("wrong", "another passphrase\n")):
        made[name] = tmp_path / f"{name}.txt"
        made[name].write_text(text)
    for name in ("changed", "incomplete"):
        made[name] = another(bundle, tmp_path / name, 3)
    (made["changed"] / "fused.onnx").write_bytes((bundle / "fused.onnx").read_bytes()[:-1] + b"x")
    (made["incomplete"] / "fused.onnx").unlink()
    for name, file, data in (
        ("named", "a b.txt", b"text"),
        ("reserved", "release.json", b"{}"),
        ("garbage", "extra.onnx", b"text"),
    ):
        made[name] = with_file(another(bundle, tmp_path / name, 4), file, data)
    return made


def with_file(bundle: Path, name: str, data: bytes) -> Path:
    (bundle / name).write_bytes(data)
    manifest = json.loads((bundle / MANIFEST_NAME).read_text())
    manifest["files"][name] = {"sha256": sha256(bundle / name), "size_bytes": len(data)}
    (bundle / MANIFEST_NAME).write_text(json.dumps(manifest))
    return bundle


@pytest.mark.parametrize("case", BAD)
def test_bad_input_ends_with_code_2_and_changes_nothing(scene: dict[str, Path], capsys: Lines, case: str) -> None:
    words, found = BAD[case]
    words = [word.format(**scene) for word in words]
    if words[0] != "init" and "--fleet" not in words:
        words += ["--fleet", str(scene["home"])]
    before = contents(scene["home"])
    assert fleet(*words) == 2
    message = capsys.readouterr().err
    assert message.startswith("fissura fleet: error: ")
    assert found in message
    assert "Traceback" not in message
    assert contents(scene["home"]) == before
    assert not list(scene["tmp"].iterdir())


def test_a_key_that_is_missing_is_told(home: FleetHome, bundle: Path, capsys: Lines) -> None:
    (home.keys / "targets.pem").unlink()
    assert fleet("publish", bundle, "--fleet", home.root) == 2
    message = capsys.readouterr().err
    assert f"bring them back into {home.keys}" in message
    assert "--keys" not in message  # which publish does not know
    assert fleet("refresh", "--fleet", home.root) == 0  # it is not needed yet


def test_a_folder_that_cannot_be_written_says_what_to_do(home: FleetHome, bundle: Path, capsys: Lines) -> None:
    (home.root / "copier.lock").unlink(missing_ok=True)
    (home.root / "copier.lock").mkdir()
    assert fleet("publish", bundle, "--fleet", home.root) == 2
    assert "make room or get the permission" in capsys.readouterr().err


def test_no_passphrase_is_told(home: FleetHome, capsys: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE)
    assert fleet("refresh", "--fleet", home.root) == 2
    assert "--passphrase-file" in capsys.readouterr().err


@pytest.mark.parametrize(("damage", "found"), [("cut", "is damaged"), ("gone", "cannot be read")])
@pytest.mark.parametrize("name", ["timestamp.json", "1.root.json", "1.snapshot.json", "1.targets.json"])
def test_damaged_metadata_is_told(home: FleetHome, capsys: Lines, name: str, damage: str, found: str) -> None:
    path = home.metadata / name
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:100])
    else:
        path.unlink()
    assert fleet("refresh", "--fleet", home.root) == 2
    message = capsys.readouterr().err
    assert found in message
    assert name.split(".")[-2] in message
    assert "from a copy" in message


def test_a_key_of_another_fleet_is_told(home: FleetHome, tmp_path: Path, capsys: Lines) -> None:
    assert fleet("init", tmp_path / "other") == 0
    shutil.copy(tmp_path / "other" / "keys" / "timestamp.pem", home.keys / "timestamp.pem")
    assert fleet("refresh", "--within", 2, "--fleet", home.root) == 2
    assert "another key than the repository's 'timestamp'" in capsys.readouterr().err


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"}
