from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from fissura.messages import MESSAGES
from fissura.schemas import FOLDER, SCHEMAS, command_schema, message_schema, schema_text
from fissura.update_messages import UPDATE_MESSAGES
from tests.fissura.test_messages import GOLDEN, GOLDEN_FILES, kind_of


def validate(name: str, values: Any) -> None:
    schema = message_schema(name)
    Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(values)


@pytest.mark.parametrize("name", SCHEMAS)
def test_committed_schema_is_the_generated_one(name: str) -> None:
    committed = (FOLDER / f"{name}.json").read_text(encoding="utf-8")
    assert committed == schema_text(name), "run `python -m fissura.schemas`"
    Draft202012Validator.check_schema(json.loads(committed))


@pytest.mark.parametrize("path", GOLDEN_FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_golden_and_generated_messages_fulfil_the_schema(path: Path) -> None:
    name, values = kind_of(path), json.loads(path.read_text(encoding="utf-8"))
    validate(name, values)
    validate(name, json.loads((MESSAGES | UPDATE_MESSAGES)[name].model_validate(values).to_json()))


@pytest.mark.parametrize(
    "change",
    [
        {"schema_version": "2.0"},
        {"uuid": None},
        {"phase": "middle"},
        {"confidence": 2},
        {"mission_id": 7},
        {"frame": {}},
    ],
)
def test_schema_refuses_what_the_model_refuses(change: dict[str, Any]) -> None:
    values = json.loads((GOLDEN / "1.0" / "detection.json").read_text()) | change
    with pytest.raises(ValidationError):
        validate("detection", values)


@pytest.mark.parametrize(
    ("command", "is_one"),
    [
        ({"name": "pause"}, True),
        ({"name": "threshold", "value": None}, True),
        ({"name": "threshold"}, False),
        ({"name": "threshold", "value": 0.4, "vaule": 0.4}, False),
        ({"name": "budget", "milliseconds": 0}, False),
        ({"name": "fly"}, False),
    ],
)
def test_the_schema_of_commands_refuses_what_the_device_refuses(command: dict[str, Any], is_one: bool) -> None:
    assert Draft202012Validator(command_schema()).is_valid(command) == is_one


def test_without_uuid_a_reader_cannot_deduplicate() -> None:
    values = json.loads((GOLDEN / "1.0" / "status-online.json").read_text())
    del values["uuid"]
    with pytest.raises(ValidationError, match="uuid"):
        validate("status", values)


def test_the_module_writes_every_schema(tmp_path: Path) -> None:
    code = "import sys, pathlib, fissura.schemas as s; print(*s.write_schemas(pathlib.Path(sys.argv[1])))"
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert {Path(name).stem for name in done.stdout.split()} == {*MESSAGES, *UPDATE_MESSAGES, "command"}
    assert (tmp_path / "detection.json").read_text() == (FOLDER / "detection.json").read_text()
