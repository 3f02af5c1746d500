"""Choosing values of a recipe by trial: a study of Optuna's, kept in an SQLite file."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import yaml
from optuna.exceptions import StorageInternalError
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from fissura.errors import CheckpointError, TrainingError
from fissura.files import write_text
from train.config import Recipe, with_values
from train.fit import fit
from train.history import Row
from train.holdout import hold_out
from train.search_space import search_space, stated

BEST_FILE = "best.yaml"
RECIPE, RUN = "recipe", "run"  # user attributes: of the study and of a trial
SCORE = "f1"
DONE = (TrialState.COMPLETE, TrialState.PRUNED)


@dataclass(frozen=True)
class TuneResult:
    """The finished trials and where the best recipe lies."""

    trials: tuple[FrozenTrial, ...]
    best: FrozenTrial
    best_file: Path

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        trials = [
            {"run": t.user_attrs[RUN], "state": t.state.name.lower(), SCORE: t.value, **t.params} for t in self.trials
        ]
        return {SCORE: self.best.value, "values": self.best.params, "recipe": str(self.best_file), "trials": trials}

    def as_table(self) -> str:
        """One line a trial, the best one marked."""
        keys = list(self.best.params)
        lines = [["trial", "state", "F1", *keys]]
        for trial in self.trials:
            score = "" if trial.value is None else f"{trial.value:.4f}" + (" *" if trial is self.best else "")
            lines.append(
                [trial.user_attrs[RUN], trial.state.name.lower(), score, *(f"{trial.params[key]:.4g}" for key in keys)]
            )
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        rows = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
        return "\n".join([*rows, f"best: {self.best_file}"])


def tune(recipe: Recipe, folder: Path, study_file: Path, *, trials: int, progress: bool) -> TuneResult:
    """Train with values chosen by Optuna until `trials` trials are done; goes on with the study in `study_file`.

    A trial's score is the F1 after its last epoch (`Recipe.evaluation`); one that lies below the median of the earlier
    trials at the same evaluation ends early. A trial that was killed goes on where its last epoch ended. The values
    depend on the seed and the scores so far only: a study that was killed and one that was not choose the same.

    Args:
        recipe: what is trained; its `tune` section says what is chosen.
        folder: gets `trials/` with a run folder each, and `best.yaml`, the recipe with the best values.
        study_file: SQLite file; made when missing.
        trials: of the whole study.
        progress: show progress bars.

    Raises:
        ConfigError: the `tune` section names no value of the recipe, or a range that the recipe does not allow.
        CheckpointError: `study_file` is no study of this recipe.
        DataError, TrainingError: a trial cannot be trained at all; see `fit`.
    """
    recipe = with_values(recipe, {"loss": stated(recipe.loss)})
    space = search_space(recipe.tune, recipe.loss)
    for end in ("low", "high"):  # before the first trial
        with_values(recipe, {key: getattr(span, end) for key, span in space.items()})
    scored = hold_out(recipe)
    study = _open(study_file, recipe)
    while len(study.get_trials(deepcopy=False, states=DONE)) < trials:
        trial = _next_trial(study, recipe)
        values = {key: trial.suggest_float(key, span.low, span.high, log=span.log) for key, span in space.items()}
        run = folder / "trials" / trial.user_attrs[RUN]
        _run(study, trial, with_values(scored, values), run, progress=progress)
    done = tuple(study.get_trials(states=DONE))
    best = max(done, key=_score)
    text = yaml.safe_dump(with_values(recipe, best.params).model_dump(mode="json"), sort_keys=False)
    write_text(folder / BEST_FILE, text)
    return TuneResult(done, best, folder / BEST_FILE)


def _score(trial: FrozenTrial) -> float:
    return trial.value if trial.state is TrialState.COMPLETE and trial.value is not None else -1.0


def _open(path: Path, recipe: Recipe) -> optuna.Study:
    optuna.logging.set_verbosity(logging.WARNING)
    path.parent.mkdir(parents=True, exist_ok=True)
    values = recipe.model_dump(mode="json")
    pruner = optuna.pruners.MedianPruner(n_startup_trials=recipe.tune.startup_trials)
    try:
        study = optuna.create_study(
            storage=f"sqlite:///{path}", study_name="fissura", direction="maximize", pruner=pruner, load_if_exists=True
        )
        stored = study.user_attrs.setdefault(RECIPE, values)
        study.set_user_attr(RECIPE, stored)
    except (SQLAlchemyError, StorageInternalError) as error:
        raise CheckpointError(
            f"{path} cannot be used: {error}",
            expected="a study that `--tune` made",
            fix="choose another --study",
        ) from error
    if stored != values:
        raise CheckpointError(
            f"the recipe differs from that of the study {path}",
            expected="the recipe that the study was started with",
            fix="choose another --out or --study for the changed recipe",
        )
    return study


def _next_trial(study: optuna.Study, recipe: Recipe) -> Trial:
    """A new trial, or the one that was killed with its values and its run folder."""
    done = study.get_trials(deepcopy=False, states=DONE)
    for killed in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.enqueue_trial(killed.params, user_attrs=killed.user_attrs)
        study.tell(killed.number, state=TrialState.FAIL)
    # A sampler anew for each trial: its choice then depends on the scores so far, not on what this process drew.
    seed = int(np.random.SeedSequence([recipe.tune.seed, len(done)]).generate_state(1)[0])
    study.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=recipe.tune.startup_trials)
    trial = study.ask()
    if RUN not in trial.user_attrs:
        trial.set_user_attr(RUN, f"{len(done):04d}")
    return trial


def _run(study: optuna.Study, trial: Trial, recipe: Recipe, folder: Path, *, progress: bool) -> None:
    """Train one trial and tell the study how it ended."""
    scores: list[float] = []

    def report(row: Row) -> None:
        if SCORE in row:
            scores.append(row[SCORE])
            trial.report(row[SCORE], step=len(scores))
            if row["epoch"] < recipe.epochs and trial.should_prune():
                raise optuna.TrialPruned

    try:
        metrics = fit(recipe, folder, resume=True, progress=progress, on_row=report)
    except optuna.TrialPruned:
        study.tell(trial, state=TrialState.PRUNED)
    except TrainingError:  # a loss that is not finite: these values are bad, and the study shall know it
        study.tell(trial, 0.0)
    else:
        study.tell(trial, metrics[SCORE])
