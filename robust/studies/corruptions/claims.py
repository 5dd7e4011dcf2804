"""What was published, and what was to be reached, of how trainings help against the common corruptions."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from robust.measure.claims import FEWEST_SEEDS, Figure, Subject, decide, read_claims
from robust.measure.conditions import NATURAL
from robust.measure.intervals import student
from robust.runs.settings import setting
from robust.studies.corruptions.gains import gains_of_runs


def corruptions_claims(folders: Sequence[Path], rows: pd.DataFrame) -> pd.DataFrame:
    """A line for each claim about a recipe, that runs of at least three seeds and in one kind of settings follow.

    A recipe is called by its technique; of a natural training with an augmentation beside that of the natural runs that
    others are compared with, by that augmentation, which its folder says; of another with one that most have
    not, by both.
    """
    won = gains_of_runs(rows)
    runs = rows.drop_duplicates("run").set_index("run").reindex(won.index)
    runs["recipe"] = _recipes(runs["technique"], {folder.name: folder for folder in folders})
    subjects = []
    for (data, _), network in runs[runs["recipe"] != NATURAL].groupby(["data", "model"], sort=False):
        recipes = {
            recipe: 100 * won.loc[mine.index].set_axis(mine["seed"])
            for recipe, mine in network.groupby("recipe", sort=False)
            if mine["kind"].nunique() == 1 and len(mine) >= FEWEST_SEEDS
        }
        subjects += [Subject(str(data), _measured(one, recipes), {"recipe": one}) for one in recipes]
    return decide(read_claims(__package__), subjects)


def _recipes(techniques: pd.Series, folders: dict[str, Path]) -> pd.Series:
    """What the recipe of each run, by its name, is called."""
    names = techniques.copy()
    augments = {run: _augment(folders[str(run)]) for run in names.index.intersection([*folders])}
    usual = Counter(augments[run] for run in augments if techniques[run] != NATURAL).most_common(1)
    for run, augment in augments.items():
        if augment and techniques[run] == NATURAL:
            names[run] = augment
        elif usual and augment != usual[0][0]:
            names[run] = f"{techniques[run]} {augment}"
    return names


def _augment(folder: Path) -> str:
    """What the augmentation of a run is called; "" for none, and where that is not known."""
    return setting(folder, "data.augment._target_").rpartition(".")[2].lower()


def _measured(recipe: str, recipes: dict[str, pd.DataFrame]) -> Callable[[str], Figure | None]:
    """What a claim's `figure` names: one of GAINS, in points over natural training, or `GAIN over RECIPE`."""

    def figure(asked: str) -> Figure | None:
        gain, _, other = asked.partition(" over ")
        won = recipes[recipe][f"{gain}_won"]
        if other:
            if other not in recipes:
                return None
            won = won - recipes[other][f"{gain}_won"]
        won = won.dropna()
        return Figure(*student(won), len(won)) if len(won) >= FEWEST_SEEDS else None

    return figure
