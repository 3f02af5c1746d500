from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from fissura.cli import CHECKOUT_ONLY, COMMANDS, main

CHECKOUT = Path(__file__).parents[2]
HEAVY = ("numpy", "cv2", "skimage", "scipy", "pydantic", "yaml", "torch", "lightning", "onnxruntime", "edge_runtime")


def python(*words: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words], cwd=cwd, env=os.environ | environment, capture_output=True, text=True, check=False
    )


def test_help_names_every_command_and_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom fissura.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as end:\n"
        f"    loaded = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "    sys.exit(f'loaded {loaded}' if loaded else end.code)\n"
    )
    done = python("-c", code, cwd=CHECKOUT)
    assert done.returncode == 0, done.stderr
    assert re.findall(r"^    ([a-z]+)\b", done.stdout, re.MULTILINE) == list(COMMANDS)


@pytest.mark.parametrize("name", ["doctor", "verify", "bundle", "data"])
def test_help_of_a_command_loads_no_inference_or_training_library(name: str) -> None:
    code = (
        "import sys\nfrom fissura.cli import main\n"
        f"try:\n    main([{name!r}, '--help'])\nexcept SystemExit as end:\n"
        "    loaded = {'torch', 'lightning', 'tensorrt', 'onnxruntime', 'kornia'} & set(sys.modules)\n"
        "    sys.exit(f'loaded {loaded}' if loaded else end.code)\n"
    )
    done = python("-c", code, cwd=CHECKOUT)
    assert done.returncode == 0, done.stderr


def test_importing_the_runtime_loads_no_training_and_no_vendor_library() -> None:
    code = (
        "import sys, edge_runtime\n"
        "loaded = {'torch', 'lightning', 'tensorrt', 'openvino', 'onnxruntime', 'cv2'} & set(sys.modules)\n"
        "sys.exit(f'loaded {loaded}' if loaded else 0)"
    )
    done = python("-c", code, cwd=CHECKOUT)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("words", [["nosuch"], [], ["bundle"], ["bundle", "inspect"], ["--nosuch"]])
def test_a_wrong_command_line_ends_with_2_and_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    assert "usage: fissura" in capsys.readouterr().err


def test_an_unknown_command_lists_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["trian"])
    message = capsys.readouterr().err
    assert "trian" in message
    assert "train" in message


def test_bad_input_ends_with_2_a_message_and_no_traceback(tmp_path: Path) -> None:
    done = python("-m", "fissura", "bundle", "verify", "nowhere", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("fissura bundle: error: nowhere is no bundle")
    assert "to do:" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_path_without_permission_or_of_the_wrong_kind_is_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").mkdir()
    done = python("-m", "fissura", "bundle", "inspect", ".", cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    pipe = f"'{sys.executable}' -m fissura doctor --json | true"
    done = subprocess.run(pipe, shell=True, capture_output=True, text=True, cwd=CHECKOUT, check=False)
    assert done.stderr == ""


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder that holds what the wheel holds: `fissura` and `edge_runtime`, none of the other rooms."""
    for package in ("fissura", "edge_runtime"):
        (tmp_path / package).symlink_to(CHECKOUT / package)
    return tmp_path


def run_installed(folder: Path, *words: str, without: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run the command as after `pip install fissura`, some packages not being there."""
    code = (
        "import sys\n"
        f"sys.path = [{str(folder)!r}, *(p for p in sys.path if p not in ('', {str(CHECKOUT)!r}))]\n"
        f"sys.modules.update(dict.fromkeys({without!r}))\n"
        "from fissura.cli import main\n"
        f"sys.exit(main({list(words)!r}))\n"
    )
    return python("-c", code, cwd=folder)


@pytest.mark.parametrize("name", [name for name, row in COMMANDS.items() if row.module.split(".")[0] in CHECKOUT_ONLY])
def test_outside_a_checkout_a_command_says_how_to_get_one(installed: Path, name: str) -> None:
    done = run_installed(installed, name, "x")
    assert done.returncode == 2
    assert f"`fissura {name}` is not part of the installed package" in done.stderr
    assert "clone the project's repository" in done.stderr
    assert f"pip install -e '.[{COMMANDS[name].extra}]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_package_names_the_extra_that_brings_it(installed: Path) -> None:
    done = run_installed(installed, "bundle", "inspect", "x", without=("pydantic",))
    assert done.returncode == 2
    assert "needs the Python package 'pydantic'" in done.stderr
    assert "pip install 'fissura[edge]'" in done.stderr


def test_in_a_checkout_a_missing_package_is_installed_there() -> None:
    code = "import sys\nsys.modules['PIL'] = None\nfrom fissura.cli import main\nsys.exit(main(['data', 'check', 'x']))"
    done = python("-c", code, cwd=CHECKOUT)
    assert done.returncode == 2
    assert "in the checkout: pip install -e '.[train]'" in done.stderr


@pytest.mark.skipif(find_spec("hatchling") is None, reason="hatchling is not installed: the wheel cannot be built here")
def test_the_wheel_holds_the_schemas_and_none_of_the_checkouts_rooms(tmp_path: Path) -> None:
    done = python("-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path), cwd=CHECKOUT)
    assert done.returncode == 0, done.stderr
    names = zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist()
    rooms = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert rooms == {"fissura", "edge_runtime"}
    assert {f"fissura/schemas/{name}.json" for name in ("detection", "status", "telemetry")} <= set(names)
    assert "fissura/py.typed" in names


def test_the_help_of_a_form_says_what_it_is_for(capsys: pytest.CaptureFixture[str]) -> None:
    for words, summary in (
        (["fleet", "pause"], "hold a roll-out where it is"),
        (["fleet"], "hold a roll-out where it is"),
    ):
        with pytest.raises(SystemExit):
            main([*words, "--help"])
        assert summary in capsys.readouterr().out
