"""`--config run.yaml`: every option is a key of the file, and the command line has the last word."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from edge_runtime.run.arguments import add_options, read_config
from edge_runtime.run.config import CHANGEABLE, OF_THE_MODEL, RunConfig
from fissura.cli import main
from fissura.errors import ConfigError


def read(*words: str) -> RunConfig:
    parser = argparse.ArgumentParser()
    add_options(parser)
    return read_config(parser.parse_args(words))


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "run.yaml"
    path.write_text(text)
    return path


def test_every_option_is_a_key_and_every_key_an_option() -> None:
    parser = argparse.ArgumentParser()
    add_options(parser)
    options = {action.dest for action in parser._actions} - {"help", "config"}
    assert options == {field.alias or name for name, field in RunConfig.model_fields.items()}


def test_file_and_command_line_say_the_same(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        bundle: b
        source: [front=rtsp://cam/1, {uri: "folder:x?fps=2", name: rear, gsd: 2.5, policy: latest}]
        sink: mqtt://h
        threshold: 0.6
        threads: 2
        engine: openvino
        engine_option: {precision: f32}
        json: true
        """,
    )
    from_file = read("--config", str(path))
    assert [(source.name, source.uri, source.gsd) for source in from_file.source] == [
        ("front", "rtsp://cam/1", None),
        ("rear", "folder:x?fps=2", 2.5),
    ]
    assert (from_file.sink, from_file.json_summary) == (("mqtt://h",), True)
    words = "--bundle b --source front=rtsp://cam/1 --sink mqtt://h --threshold 0.6 --threads 2 --engine openvino"
    from_words = read(*words.split(), "--engine-option", "precision=f32", "--json")
    assert from_words == from_file.model_copy(update={"source": from_file.source[:1]})


def test_the_command_line_has_the_last_word(tmp_path: Path) -> None:
    path = write(tmp_path, "bundle: b\nsource: 'synth:'\nsink: jsonl:x\nthreshold: 0.6\n")
    config = read("--config", str(path), "--threshold", "0.7", "--source", "folder:y")
    assert (config.threshold, [source.uri for source in config.source]) == (0.7, ["folder:y"])


def test_an_equals_sign_within_an_address_is_no_name() -> None:
    (source,) = read("--bundle", "b", "--sink", "jsonl:x", "--source", "synth:?seed=1").source
    assert (source.name, source.uri) == (None, "synth:?seed=1")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("bundle: b\nsource: 'synth:'\nsink: jsonl:x\nthreshhold: 1\n", "line 4: unknown key 'threshhold'"),
        (
            "bundle: b\nsource: 'synth:'\nsink: jsonl:x\nthreshold: 2\n",
            "line 4: threshold: Input should be less than 1",
        ),
        ("bundle: b\nsource: [{uri: x, colour: red}]\nsink: jsonl:x\n", "unknown key 'source.0.colour'"),
        ("bundle: b\nsource: []\nsink: jsonl:x\n", "source: "),
        ("source: 'synth:'\nsink: jsonl:x\n", "bundle: Field required"),
        ("- a list\n", "holds a list"),
        ("bundle: [\n", "is no YAML"),
    ],
)
def test_what_is_wrong_with_the_file_is_said_with_its_line(tmp_path: Path, text: str, found: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        read("--config", str(path))
    assert found in str(caught.value) and str(path) in str(caught.value)


def test_what_is_wrong_with_the_command_line_is_not_the_files_fault(tmp_path: Path) -> None:
    path = write(tmp_path, "bundle: b\nsource: 'synth:'\nsink: jsonl:x\n")
    with pytest.raises(ConfigError, match="command line: threads"):
        read("--config", str(path), "--threads", "-1")


def test_what_nothing_says_is_asked_for() -> None:
    with pytest.raises(ConfigError, match="nothing says --bundle or --sink"):
        read("--source", "synth:")


def test_what_a_reload_may_change_is_a_field() -> None:
    assert RunConfig.model_fields.keys() >= CHANGEABLE | OF_THE_MODEL


def test_a_run_by_its_file_alone(
    bundle: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(
        tmp_path,
        f"bundle: {bundle}\nsource: left=folder:{images}\nsink: 'jsonl:{tmp_path / 'x'}'\nthreads: 1\njson: true\n",
    )
    assert main(["run", "--config", str(path)]) == 0
    assert json.loads(capsys.readouterr().out)["detections"] == 10
    sources = {json.loads(line)["frame"]["source"] for line in (tmp_path / "x").read_text().splitlines()}
    assert sources == {"left"}
