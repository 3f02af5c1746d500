from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from fissura.config import Config, load_config, parse_config
from fissura.errors import ConfigError


class Circle(Config):
    kind: Literal["circle"] = "circle"
    radius_px: int = 3


class Square(Config):
    kind: Literal["square"] = "square"
    side_px: int = 3


class Trainer(Config):
    epochs: int = Field(5, ge=1)
    learning_rate: float = 1e-3


class Run(Config):
    name: str
    trainer: Trainer = Trainer()
    backup: Trainer | None = None
    stages: tuple[Trainer, ...] = ()
    named: dict[str, Trainer] = Field(default_factory=dict)
    shape: Annotated[Circle | Square, Field(discriminator="kind")] = Circle()


def load(folder: Path, text: str, **overrides: object) -> Run:
    path = folder / "run.yaml"
    path.write_text(text, encoding="utf-8")
    return load_config(Run, path, overrides)


def refused(folder: Path, text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load(folder, text)
    return caught.value


def test_reads_nested_values(tmp_path: Path) -> None:
    run = load(tmp_path, "name: a\ntrainer:\n  epochs: 7\nshape: {kind: square, side_px: 9}\n")
    assert (run.trainer.epochs, run.shape) == (7, Square(side_px=9))


@pytest.mark.parametrize(
    ("text", "key", "line", "nearest"),
    [
        ("name: a\ntrainr: {}\n", "trainr", 2, "trainer"),
        ("name: a\ntrainer:\n  epochs: 2\n  epoch: 3\n", "trainer.epoch", 4, "epochs"),
        ("name: a\nbackup:\n  learningrate: 3\n", "backup.learningrate", 3, "learning_rate"),
        ("name: a\nstages:\n  - epochs: 2\n  - epochz: 3\n", "stages.1.epochz", 4, "epochs"),
        ("name: a\nnamed:\n  first:\n    epoch: 3\n", "named.first.epoch", 4, "epochs"),
        ("name: a\nshape:\n  kind: square\n  side: 3\n", "shape.side", 4, "side_px"),
    ],
)
def test_an_unknown_key_is_named_with_its_line_and_the_nearest(
    tmp_path: Path, text: str, key: str, line: int, nearest: str
) -> None:
    error = refused(tmp_path, text)
    assert f"line {line}: unknown key {key!r}" in error.found
    assert error.fix == f"did you mean {nearest!r}?"
    assert nearest in error.expected


def test_a_key_like_no_other_is_to_be_removed(tmp_path: Path) -> None:
    assert refused(tmp_path, "name: a\nqqqqqq: 1\n").fix == "remove it"


def test_an_unknown_key_comes_before_the_missing_one_it_stands_for(tmp_path: Path) -> None:
    error = refused(tmp_path, "nam: a\n")
    assert "unknown key 'nam'" in error.found
    assert error.fix == "did you mean 'name'?"


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    assert "name: Field required" in refused(tmp_path, "trainer: {}\n").found


@pytest.mark.parametrize("value", ["0", "many", "1.5", ".nan"])
def test_a_wrong_value_is_shown_with_its_line(tmp_path: Path, value: str) -> None:
    found = refused(tmp_path, f"name: a\ntrainer:\n  epochs: {value}\n").found
    assert "line 3: trainer.epochs:" in found
    assert "(found " in found


def test_a_key_that_stands_twice_is_refused_with_both_lines(tmp_path: Path) -> None:
    found = refused(tmp_path, "name: a\ntrainer:\n  epochs: 1\n  learning_rate: 1\n  epochs: 2\n").found
    assert "line 5: key 'trainer.epochs' stands on line 3 already" in found


def test_overrides_win_and_make_sections(tmp_path: Path) -> None:
    run = load(tmp_path, "name: a\n", **{"trainer.epochs": 9, "backup.epochs": 2})
    assert run.trainer.epochs == 9
    assert run.backup is not None
    assert run.backup.epochs == 2


@pytest.mark.parametrize(("key", "found"), [("trainer.epoch", "unknown key"), ("name.first", "cannot be set")])
def test_a_wrong_override_is_refused(tmp_path: Path, key: str, found: str) -> None:
    with pytest.raises(ConfigError, match=found):
        load(tmp_path, "name: a\n", **{key: 1})


@pytest.mark.parametrize(
    "text",
    [
        "name: [",
        "- a\n- b\n",
        "just words",
        "\x00",
        "name: !!python/object:os.system {}\n",
        "name: 2024-13-45\n",
        f"trainer: {{epochs: {'1' * 5000}}}\n",
        "name: &loop [*loop]\n",
        "{[1, 2]: 3}\n",
        "1: 2\n",
        "name: a\ntrainer: 7\n",
        "name: a\nshape: {kind: triangle}\n",
        "name: a\nshape: {side_px: 3}\n",
    ],
)
def test_broken_files_are_refused_without_another_exception(tmp_path: Path, text: str) -> None:
    assert "run.yaml" in refused(tmp_path, text).found


def test_a_missing_or_binary_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x01")
    for name in ("nowhere.yaml", "binary.yaml", "."):
        with pytest.raises(ConfigError, match="cannot be read"):
            load_config(Run, tmp_path / name)


def test_an_empty_file_is_an_empty_mapping(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("# nothing but a comment\n")
    assert load_config(Trainer, tmp_path / "empty.yaml") == Trainer()


@given(st.text(max_size=20))
def test_any_unknown_key_is_an_error_that_names_it(key: str) -> None:
    if key in Trainer.model_fields:
        return
    with pytest.raises(ConfigError) as caught:
        parse_config(Trainer, {key: 1}, origin="test")
    assert f"unknown key {key!r}" in caught.value.found


TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(sorted(Run.model_fields)) | st.text(max_size=8), TREES, max_size=4))
def test_whatever_the_values_either_a_config_or_a_config_error(values: dict[str, object]) -> None:
    try:
        run = parse_config(Run, values, origin="test")
    except ConfigError:
        return
    assert parse_config(Run, yaml.safe_load(yaml.safe_dump(run.model_dump())), origin="again") == run
