"""`fissura train --tune`: a study that is killed and goes on, what it may choose, and that it leaves the test list."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml

import train.tune
from fissura.cli import main
from fissura.errors import CheckpointError, ConfigError, TrainingError
from fissura.synth import SynthConfig, write_dataset
from train.config import Recipe, load_recipe, with_values
from train.data.sets import open_set
from train.history import Row
from train.holdout import hold_out
from train.search_space import RANGES, search_space
from train.tune import tune

SYNTH = {"kind": "synth", "count": 4, "pavement": {"width": 32, "height": 32}}
RECIPE: dict[str, Any] = {
    "name": "search",
    "epochs": 2,
    "precision": "fp32",
    "data": {"train": [SYNTH], "validation": [{**SYNTH, "seed": 5}], "steps_per_epoch": 2, "workers": 0},
    "model": {"segmentation": {"name": "unet", "widths": [2, 4]}},
    "loss": {"name": "holistic"},
    "tune": {"startup_trials": 2},
}


def recipe(**changes: Any) -> Recipe:
    return Recipe.model_validate({**RECIPE, **changes})


def chosen(folder: Path) -> list[dict[str, float]]:
    study = optuna.load_study(study_name="fissura", storage=f"sqlite:///{folder / 'study.db'}")
    return [trial.params for trial in study.get_trials(states=train.tune.DONE)]


class Killed(BaseException):
    """Stands for a signal that nothing can catch."""


@pytest.mark.slow
def test_a_killed_study_goes_on_as_if_it_had_not_been(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unbroken, killed = tmp_path / "unbroken", tmp_path / "killed"
    result = tune(recipe(), unbroken, unbroken / "study.db", trials=3, progress=False)
    assert len(result.trials) == 3

    whole, rows = train.tune.fit, []

    def cut(*arguments: Any, on_row: Any, **options: Any) -> Row:
        def kill(row: Row) -> None:
            on_row(row)
            rows.append(row)
            if len(rows) == 4:  # the second trial, whose first epoch the resume file holds
                raise Killed

        return whole(*arguments, on_row=kill, **options)

    with monkeypatch.context() as patch:
        patch.setattr(train.tune, "fit", cut)
        with pytest.raises(Killed):
            tune(recipe(), killed, killed / "study.db", trials=3, progress=False)
    assert len(chosen(killed)) == 1
    again = tune(recipe(), killed, killed / "study.db", trials=3, progress=False)
    assert chosen(killed) == chosen(unbroken)
    assert [trial.value for trial in again.trials] == [trial.value for trial in result.trials]
    assert (killed / "best.yaml").read_text() == (unbroken / "best.yaml").read_text()
    assert sorted(path.name for path in (killed / "trials").iterdir()) == ["0000", "0001", "0002"]

    done = tune(recipe(), killed, killed / "study.db", trials=3, progress=False)
    assert len(done.trials) == 3, "a finished study trains nothing more"
    with pytest.raises(CheckpointError, match="recipe differs"):
        tune(recipe(seed=9), killed, killed / "study.db", trials=3, progress=False)


def scores(monkeypatch: pytest.MonkeyPatch, score: Any) -> None:
    """Trials of no time: `score(loss options)` gives the F1 after the epochs, or raises."""

    def fit(recipe: Recipe, folder: Path, *, resume: bool, progress: bool, on_row: Any) -> Row:
        for epoch in range(1, recipe.epochs + 1):
            row = {"epoch": float(epoch), "f1": score(recipe.loss)}
            on_row(row)
        return row

    monkeypatch.setattr(train.tune, "fit", fit)


def test_it_finds_a_better_value_and_prunes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scores(monkeypatch, lambda loss: 1 / (1 + abs(loss["wce"]["beta"] - 1.2)))
    one = recipe(tune={"parameters": {"loss.wce.beta": {"low": 0.1, "high": 2}}, "startup_trials": 4})
    result = tune(one, tmp_path, tmp_path / "study.db", trials=25, progress=False)
    assert result.best.params["loss.wce.beta"] == pytest.approx(1.2, abs=0.15)
    assert {trial.state.name for trial in result.trials} == {"COMPLETE", "PRUNED"}
    best = load_recipe(str(tmp_path / "best.yaml"), {})
    assert best.loss["wce"]["beta"] == result.best.params["loss.wce.beta"]
    assert best.data == one.data, "the best recipe trains on the whole list again"


def test_values_that_diverge_count_as_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def score(loss: dict[str, Any]) -> float:
        if loss["a"] > 3:
            raise TrainingError("the training loss is nan")
        return 0.5

    scores(monkeypatch, score)
    result = tune(recipe(), tmp_path, tmp_path / "study.db", trials=8, progress=False)
    assert {trial.value for trial in result.trials} == {0.0, 0.5}
    assert result.best.value == 0.5


@pytest.mark.parametrize(
    ("loss", "keys"),
    [
        ({"name": "holistic"}, {"loss.a", "loss.b", "loss.wce.beta"}),
        ({"name": "holistic", "wce": {"name": "wce_power"}}, {"loss.a", "loss.b", "loss.wce.beta"}),
        ({"name": "wce_log"}, {"loss.beta"}),
        ({"name": "hybrid_focal_margin"}, {"loss.margin"}),
    ],
)
def test_default_search_space(loss: dict[str, Any], keys: set[str]) -> None:
    space = search_space(recipe().tune, loss)
    assert set(space) == keys
    assert all(space[key] == RANGES[key.rpartition(".")[2]] for key in keys)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": {"name": "bce"}}, "tune.parameters"),
        ({"tune": {"parameters": {"loss.wce.betta": {"low": 0, "high": 1}}}}, "betta"),
        ({"tune": {"parameters": {"optimiser.learning_rate": {"low": -1, "high": 1}}}}, "learning_rate"),
        ({"tune": {"parameters": {"epochs.x": {"low": 0, "high": 1}}}}, "is a value, not a section"),
    ],
)
def test_what_cannot_be_chosen_is_refused_before_the_first_trial(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        tune(recipe(**changes), tmp_path, tmp_path / "study.db", trials=1, progress=False)
    assert not list(tmp_path.iterdir())


def test_trials_are_scored_on_training_images(tmp_path: Path) -> None:
    write_dataset(tmp_path / "set", 10, SynthConfig(width=32, height=32), seed=2)
    (tmp_path / "set" / "train.txt").write_text("".join(f"{i:04d}\n" for i in range(8)))
    (tmp_path / "set" / "test.txt").write_text("0008\n0009\n")
    folder = {"kind": "folder", "path": str(tmp_path / "set"), "repeat": 2}
    data = {**RECIPE["data"], "train": [folder], "validation": [{**folder, "split": "test"}]}
    held = hold_out(recipe(data=data, tune={"holdout": 0.25}))

    def names(sets: Any) -> set[str]:
        return {Path(s.name(i)).stem for s in map(open_set, sets) for i in range(len(s))}

    kept, scored = names(held.data.train), names(held.data.validation)
    assert len(scored) == 2
    assert kept | scored == {f"{i:04d}" for i in range(8)}
    assert not kept & scored
    other = hold_out(recipe(data=data, tune={"holdout": 0.25, "holdout_seed": 3}))
    assert names(other.data.validation) != scored
    plain = recipe(data=data, tune={"holdout": None})
    assert hold_out(plain) == plain


def test_procedural_pavement_is_scored_on_other_frames() -> None:
    held = hold_out(recipe())
    assert held.data.train == recipe().data.train
    assert held.data.validation[0].seed not in (0, 5)  # type: ignore[union-attr]


def test_the_command_prints_the_trials(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "search.yaml"
    path.write_text(yaml.safe_dump(RECIPE))
    words = ["train", str(path), "--out", str(tmp_path / "run"), "--quiet", "--tune", "1"]
    assert main(words) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].split() == ["trial", "state", "F1", "loss.a", "loss.b", "loss.wce.beta"]
    assert shown[1].startswith("0000   complete")
    assert shown[-1] == f"best: {tmp_path / 'run' / 'best.yaml'}"
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["trials"][0]["run"] == "0000"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--tune", "0"], "a number of trials"),
        (["--study", "x.db"], "--study without --tune"),
        (["--tune", "1", "--devices", "2"], "--tune in several processes"),
        (["--devices", "0"], "1 or more"),
    ],
)
def test_impossible_command_lines(
    tmp_path: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "search.yaml"
    path.write_text(yaml.safe_dump(RECIPE))
    assert main(["train", str(path), "--out", str(tmp_path / "run"), *words]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_file_that_is_no_study_is_refused(tmp_path: Path) -> None:
    (tmp_path / "study.db").write_text("no database " * 100)
    with pytest.raises(CheckpointError, match="cannot be used"):
        tune(recipe(), tmp_path, tmp_path / "study.db", trials=1, progress=False)


def test_values_replace_those_of_a_recipe_only() -> None:
    assert with_values(recipe(), {"optimiser.learning_rate": 0.5}).optimiser.learning_rate == 0.5
    with pytest.raises(ConfigError, match="learning_rat"):
        with_values(recipe(), {"optimiser.learning_rat": 0.5})
