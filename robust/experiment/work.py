"""How much is left to do of a run, in what its price grows with."""

from robust.experiment.experiment import Experiment


def work_left(run: Experiment) -> dict[str, int]:
    """Of each part that a record times: images times epochs of training, images times tests, attacks."""
    train, test = run.splits.train, run.splits.test
    trains = run.learns and not run.files.model.is_file()
    return {
        "train": len(train) * int(run.config.trainer.max_epochs) if trains else 0,
        "measure": len(run.missing_tests()) * len(test),
        "attack": attacks_left(run),
    }


def attacks_left(run: Experiment) -> int:
    """How many attacks, each on an image, are still to be made."""
    return sum(len(attack_plan.chosen(run.splits.test, *pair)) for attack_plan, pair in run.missing_attacks())
