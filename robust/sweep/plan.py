"""What a sweep will do: every run checked, what is done, what is left, in which order."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from robust.errors import AbsentKeyError, ValidationError, notify, one_line
from robust.experiment.again import made_again
from robust.experiment.conditions import camera_of, check_used, tested_families
from robust.experiment.experiment import Experiment
from robust.experiment.overrides import parse
from robust.experiment.prepare import Preparation
from robust.experiment.work import attacks_left
from robust.progress import Progress
from robust.runs import State, Status
from robust.runs.config import Config
from robust.values.secrets import masked_word

_MOST_LINES = 60  # of a plan


def plan(jobs: Sequence[list[str]], *, elsewhere: bool = False) -> list[Experiment]:
    """Every run of these overrides once, checked; first the natural runs that the others are compared with.

    Each of these is tested under every family that one of those is. With `elsewhere` they run on other machines. Raises
    ValidationError naming all that is wrong, ValueError where levels are given that no run is tested at.
    """
    preparation = Preparation(elsewhere=elsewhere)
    runs: dict[Path, Experiment] = {}
    families: defaultdict[Path, dict[str, None]] = defaultdict(dict)
    references: dict[Path, Experiment] = {}
    faults: dict[str, None] = {}
    wrong: defaultdict[str, list[str]] = defaultdict(list)  # what is wrong, and with which jobs
    for job, run in _prepared(preparation, jobs):
        if isinstance(run, Exception):
            wrong[one_line(run)].append(" ".join(map(masked_word, job)))
            continue
        other = runs.setdefault(run.folder, run)
        if _tested(other.config) != _tested(run.config):
            both = " and ".join(" ".join(map(masked_word, one)) for one in (other.overrides, job))
            faults[
                f"One run cannot be tested in two ways at once: {both}. Give one command after the other; the second "
                "does what is missing."
            ] = None
        against = run.reference or run
        references.setdefault(against.folder, against)
        families[against.folder].update(dict.fromkeys(tested_families(run.config)))
    for what, mine in wrong.items():
        others = f" and {len(mine) - 1} more" if len(mine) > 1 else ""
        faults[f"{what} [{mine[0]}{others}]" if len(jobs) > 1 else what] = None
    if faults:
        raise ValidationError(*faults)
    first = {}
    for folder, against in references.items():
        asked = runs.get(folder, against)
        wide = f"evaluation.families=[{','.join(families[folder])}]"
        own = [one for one in asked.overrides if not one.startswith("evaluation.families=")]
        first[folder] = preparation.prepare([*own, wide])
    planned = list({**first, **{folder: run for folder, run in runs.items() if folder not in first}}.values())
    check_used(dict.fromkeys(word for job in jobs for word in job), [run.config for run in planned])
    return planned


def _tested(config: Config) -> tuple[object, ...]:
    """What a run's tests and attacks hang on."""
    return config.evaluation, camera_of(config), config.attack


def _prepared(
    preparation: Preparation, jobs: Sequence[list[str]]
) -> Iterator[tuple[list[str], Experiment | Exception]]:
    """Each job, and its run or what is wrong with it. A key that its choices lack is left out of it where those of
    another job have it; a Notice names these keys."""
    found = [_attempt(preparation, job) for job in _told(jobs)]
    had = {_name(word) for _, words, _ in found for word in words}
    for job, (run, words, lacking) in zip(jobs, found, strict=True):
        wrong = next((error for key, error in lacking.items() if key not in had), None)
        yield (job, wrong) if wrong else (words, run)
    if dropped := sorted(had & {key for _, _, lacking in found for key in lacking}):
        notify(f"Only the runs whose choices have such a key take {', '.join(dropped)}.")


def _attempt(
    preparation: Preparation, job: Sequence[str]
) -> tuple[Experiment | Exception, list[str], dict[str, AbsentKeyError]]:
    """The run of a job without the keys that its choices lack, or what else is wrong with it; what is left of the job;
    and what is said of each of these keys."""
    words, lacking = [*job], dict[str, AbsentKeyError]()
    while True:
        try:
            return preparation.prepare(words), words, lacking
        except AbsentKeyError as error:
            left = [word for word in words if _name(word) != error.key]
            if left == words:
                return error, words, lacking
            words, lacking[error.key] = left, error
        except (ValueError, OSError, HydraException, OmegaConfBaseException) as error:
            return error, words, lacking


def _name(word: str) -> str:
    return parse(word).key_or_group


def _told(jobs: Sequence[list[str]]) -> Iterator[list[str]]:
    """The jobs one after the other, with how far that is: a bar in a terminal, elsewhere a line now and then."""
    if len(jobs) > 1:
        Console(stderr=True).print(f"checking {len(jobs):,} runs", highlight=False)
    with Progress("checking", len(jobs), "run") as progress:
        for job in jobs:
            yield job
            progress.add(1)


def print_plan(statuses: Mapping[Experiment, Status]) -> None:
    """Shows how many runs of each kind are in which state, how many attacks are left to make, and what went wrong with
    runs that failed."""
    kinds = _kinds([*statuses])
    runs = [(kind, run, status) for kind, (run, status) in zip(kinds, statuses.items(), strict=True)]
    states = [state for state in State if any(status.state is state for status in statuses.values())]
    title = f"{len(runs)} run{'' if len(runs) == 1 else 's'}"
    table = Table(title=title, box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False, title_justify="left")
    for name in ("data", "trained", "level"):
        table.add_column(name, overflow="fold")
    attacks = {run: attacks_left(run) for _, run, _ in runs}
    attacked = any(attacks.values())
    for heading in ("runs", *states, *(["attacks to make"] if attacked else [])):
        table.add_column(heading, justify="right")
    for kind in dict.fromkeys(kind for kind, _, _ in runs):
        mine = [(run, status) for other, run, status in runs if other == kind]
        levels = sorted({run.identity.level for run, _ in mine if run.perturbation})
        table.add_row(
            *map(Text, kind),
            " to ".join(f"{one:g}" for one in dict.fromkeys([*levels[:1], *levels[-1:]])),
            *_count([status for _, status in mine], states),
            *([_many(attacks[run] for run, _ in mine)] if attacked else []),
        )
    if table.row_count > 1:
        table.add_section()
        last = [_many(attacks.values())] if attacked else []
        table.add_row("all", "", "", *_count(list(statuses.values()), states), *last)
    console = Console()
    console.print(table)
    if again := len(made_again(statuses)):
        console.print(f"of those that are done {again} are made again (force=true)")
    _print_baselines(statuses)
    shown = {run.folder for run in statuses}
    others = {one.folder: one for run in statuses for one in ancestors(run) if one.folder not in shown}
    if others:
        left = sum(one.status().state is not State.DONE for one in others.values())
        console.print(f"and {len(others)} that these start from, of which {left} are left to do")
    for _, run, status in runs:
        if status.state is State.FAILED:
            said = f"failed before: {run.title} (seed {run.identity.seed}): {status.reason}"
            console.print(said, markup=False, soft_wrap=True)


def _print_baselines(runs: Iterable[Experiment]) -> None:
    """Says which natural run each is compared with, where there are several of the same data, model and seed."""
    compared: defaultdict[Path, list[str]] = defaultdict(list)
    references: dict[Path, Experiment] = {}
    for run in runs:
        if run.reference:
            references[run.reference.folder] = run.reference
            compared[run.reference.folder].append(_kind(run))
    alike = Counter((one.identity.data, one.identity.model, one.identity.seed) for one in references.values())
    for folder, kinds in compared.items():
        natural = references[folder]
        if alike[natural.identity.data, natural.identity.model, natural.identity.seed] > 1:
            said = f"compared with {natural.title} [{folder.name}]: {', '.join(dict.fromkeys(kinds))}"
            Console().print(said, markup=False, highlight=False, soft_wrap=True)


def ancestors(run: Experiment) -> Iterator[Experiment]:
    """The runs that it starts from, and those that these start from."""
    for parent in run.parents.values():
        yield parent
        yield from ancestors(parent)


def _kinds(runs: Sequence[Experiment]) -> list[tuple[str, str]]:
    """The line of a plan that each run is counted in: its data, and what it is; with its network, where there are
    several for the data, and with what it sets that not all do, unless lines were too many."""
    shared = set.intersection(*(set(run.settings) for run in runs)) if runs else set()
    networks = Counter(data for data, _ in {(run.identity.data, run.identity.model) for run in runs})
    short = [
        (run.identity.data, f"{_kind(run)} {run.identity.model * (networks[run.identity.data] > 1)}".rstrip())
        for run in runs
    ]
    full = [
        (data, " ".join([kind, *(one for one in run.settings if one not in shared)]))
        for (data, kind), run in zip(short, runs, strict=True)
    ]
    return full if len({*full}) <= _MOST_LINES else short


def _kind(run: Experiment) -> str:
    return f"{run.identity.technique} {run.identity.perturbation}".removesuffix(" none")


def _many(numbers: Iterable[int]) -> str:
    """Their sum; nothing for none."""
    return f"{total:,}" if (total := sum(numbers)) else ""


def _count(statuses: Sequence[Status], states: Sequence[State]) -> list[str]:
    """How many there are, and how many in each state; nothing for none."""
    counts = [sum(status.state is state for status in statuses) for state in states]
    return [str(len(statuses)), *(str(count or "") for count in counts)]
