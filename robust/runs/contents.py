"""What stands in each finished file of a run: read, compared with its sum and checked; and made ready to be written."""

import io
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pandas as pd

from robust.runs import formats, sums
from robust.runs.config import Config, check_targets, leaves
from robust.runs.formats import DamagedError
from robust.values.secrets import MASK, masked

if TYPE_CHECKING:
    from robust.measure import Samples

_log = logging.getLogger(__name__)
_WORDS = ("run", "data", "model", "technique", "train_perturbation", "test_perturbation", "kind", "reference")
_ROWS = (*_WORDS, "train_level", "seed", "test_level", "trial", "n", "accuracy", "evaluation_seed")
_TESTS = ("test_perturbation", "test_level", "trial", "evaluation_seed", "label", "predicted")
_BINS = ("bin_counts", "bin_right", "bin_confidence")
_ATTACKS = ("attack", "settings", "image", "label", "target", "threshold", "success")
_IMAGES = ("original", "adversarial")
_PUBLISHED = ("run", "set", "corruption", "severity", "images", "n", "accuracy", "low", "high", "label", "predicted")
_STABILITY = ("run", "sequence", "evaluation_seed", "frames", "n", "flip_probability", "low", "high", "flips")
_SAMPLES = {"names": 1, "levels": 1, "images": 5, "labels": 1, "predicted": 2, "classes": 1}
_SETTINGS = ("data", "model", "perturb", "technique", "task", "optimizer", "trainer", "evaluation", "attack", "logger")
#: empty where a model gives no logits
_CALIBRATION = ("expected_calibration_error", "rms_calibration_error", "brier_score", "nll", "aurc")
_MAY_LACK = {name: [""] for name in (*_CALIBRATION, "aurra")}
_ENDINGS = ("", "narrow", "above", "below")  # of conditions; likewise
_UNTIL = ("until_low", "until_high", "until_images", "until_trials")  # there where one ended early
_EXPOSURES = ("", "seen", "family", "far", "unknown")  # those of `robust.measure`, which takes long to import
_LACKING = {**_MAY_LACK, **{name: [""] for name in _UNTIL}}
_AT_ONCE = 500  # files of rows
_Read = TypeVar("_Read")


def if_sound(read: Callable[[], _Read]) -> _Read | None:
    """What is read, or None where it is damaged: it is measured again, which is said. Damaged sums say of nothing
    whether it is."""
    try:
        return read()
    except DamagedError as error:
        if error.path.name == sums.SUMS:
            raise
        sums.say_once(f"{error.path} is damaged ({error.why}), and is measured again.")
        return None


def read_config(path: Path) -> Config:
    """A run's configuration, to be read: before anything is made of it, `check_targets` looks at it again. Raises
    OSError where there is none, ValueError where it would call what was not named."""
    sums.check(path)
    config: Config = Config.of(formats.read_yaml(path))
    check_targets(config, path, reads=True)
    if missing := [name for name in _SETTINGS if not isinstance(config.get(name), Config)]:
        raise DamagedError(path, f"it has no settings of `{missing[0]}`")
    return config


def config_text(config: Config) -> str:
    """A run's configuration as it is written: less secrets, and the log says which."""
    written = masked(config.plain())
    if hidden := [name for name, value in leaves(written) if value == MASK]:
        _log.info("masked in the configuration: %s", ", ".join(hidden))
    return formats.yaml_text(written)


def read_rows(path: Path) -> pd.DataFrame:
    """Rows of tests. Perturbation "none" is a word, not a missing value, and a hash of digits is no number."""
    sums.check(path)
    return _parse_rows(path, formats.read_text(path))


def read_many_rows(paths: Sequence[Path]) -> pd.DataFrame:
    """The same of many files, the index of a row says of which. They are parsed together, which is ten times as fast;
    where something is wrong one by one, to name the file."""
    chunks = [range(start, min(start + _AT_ONCE, len(paths))) for start in range(0, len(paths), _AT_ONCE)]
    return pd.concat(table for places in chunks for table in _read_together(paths, places)).sort_index(kind="stable")


def _read_together(paths: Sequence[Path], places: Sequence[int]) -> list[pd.DataFrame]:
    """The rows of the files at these places, those with the same columns in one table."""
    alike: dict[str, dict[int, str]] = {}
    for place in places:
        sums.check(paths[place])
        text = formats.read_text(paths[place])
        alike.setdefault(text.partition("\n")[0], {})[place] = text
    try:
        return [_parse_together(paths, texts, skipped=len(head) + 1) for head, texts in alike.items()]
    except DamagedError:
        tables = {place: read_rows(paths[place]) for place in places}
        return [rows.set_axis([place] * len(rows)) for place, rows in tables.items()]


def _parse_together(paths: Sequence[Path], texts: Mapping[int, str], *, skipped: int) -> pd.DataFrame:
    """The rows of files that begin with the same line, of so many characters. Raises DamagedError where a file has no
    rows, or not as many as lines."""
    first, counts = next(iter(texts)), [text.count("\n") - 1 for text in texts.values()]
    joined = "".join(text[skipped * (place != first) :] for place, text in texts.items())
    rows = _parse_rows(paths[first], joined)
    if min(counts) < 1 or sum(counts) != len(rows) or not all(text.endswith("\n") for text in texts.values()):
        raise DamagedError(paths[first], "")
    return rows.set_axis(np.repeat([*texts], counts))


def _parse_rows(path: Path, text: str) -> pd.DataFrame:
    rows = formats.parse_csv(path, text, _ROWS, words=(*_WORDS, "until"), keep_default_na=False, na_values=_LACKING)
    if not rows["accuracy"].between(0, 1).all():
        raise DamagedError(path, "not every accuracy is from 0 to 1")
    rows = with_calibration(rows)
    rows = rows if "exposure" in rows else rows.assign(exposure="")
    if not rows["exposure"].isin(_EXPOSURES).all():
        raise DamagedError(path, f"not every exposure is one of {', '.join(_EXPOSURES[1:])}")
    if "until" in rows:
        _check_until(path, rows)
    return rows


def with_calibration(table: pd.DataFrame) -> pd.DataFrame:
    """A table with all that says how well confidence fits accuracy: empty what was not measured. Older ones have AURRA,
    which is one less AURC."""
    if "aurra" in table:
        table = table.assign(aurc=1 - table["aurra"]).drop(columns="aurra")
    return table.reindex(columns=table.columns.union(_CALIBRATION, sort=False))


def _check_until(path: Path, rows: pd.DataFrame) -> None:
    """Raises DamagedError unless rows say of each condition that ended early what was known."""
    formats.check_columns(path, rows, _UNTIL)
    if not rows["until"].isin(_ENDINGS).all():
        raise DamagedError(path, f"not every `until` is one of {', '.join(_ENDINGS[1:])}")
    known = rows.loc[rows["until"] != "", [*_UNTIL]].apply(pd.to_numeric, errors="coerce")
    between = known["until_low"].ge(0) & known["until_high"].le(1) & known["until_low"].le(known["until_high"])
    if not (between & known["until_images"].ge(1) & known["until_trials"].ge(1)).all():
        raise DamagedError(path, "not every condition that ended early says what was known")


def read_table(path: Path, *, words: Sequence[str] = (), numbers: Sequence[str] = ()) -> pd.DataFrame | None:
    """A table (CSV) with columns of words, and of numbers."""
    if not sums.check(path):
        return None
    options = {"keep_default_na": not words, "na_values": _MAY_LACK}
    return formats.read_csv(path, (*words, *numbers), words=words, **options)


def read_summary(path: Path) -> dict[str, Any]:
    """What rows come to. Raises OSError where there is none."""
    sums.check(path)
    return formats.read_json(path, {"conditions": list})


def read_predictions(path: Path, columns: Sequence[str] | None = None, *, quickly: bool = False) -> pd.DataFrame | None:
    """What tests came to, or some `columns` of that; of a large file the size alone is compared where that is to be
    done `quickly`."""
    if not sums.check(path, quickly=quickly):
        return None
    found = formats.read_parquet(path, columns or _TESTS, columns)
    for name in {"label", "predicted"} & set(found):
        if not all(isinstance(one, np.ndarray) and one.dtype.kind in "iu" for one in found[name]):
            raise DamagedError(path, f"not all of `{name}` are lists of classes")
    if {"label", "predicted"} <= set(found) and not found["label"].map(len).eq(found["predicted"].map(len)).all():
        raise DamagedError(path, "there are not as many labels as predictions")
    return found


def read_whole_tests(path: Path) -> pd.DataFrame | None:
    """TEST_KEY, label and predicted of the tests of all images, so that what stands at one place is of one image."""
    if not sums.check(path):
        return None
    columns = [*_TESTS, *({"images"} & {*formats.parquet_columns(path)})]
    found = read_predictions(path, columns)
    assert found is not None
    return found[found["images"].isna()].drop(columns="images").reset_index(drop=True) if "images" in found else found


def read_confidence(path: Path, bins: Sequence[str] = ()) -> pd.DataFrame | None:
    """The confidence of a network in its tests, counted in these bins, where that was kept."""
    bins = bins or _BINS
    if not sums.check(path) or not {*bins} <= {*formats.parquet_columns(path)}:
        return None
    columns = [*_TESTS[:4], *bins]
    known = formats.read_parquet(path, columns, columns)
    kept = known.dropna(subset=[*bins]).reset_index(drop=True)
    if not all(isinstance(one, np.ndarray) and one.shape == kept[bins[0]][0].shape for one in kept[[*bins]].stack()):
        raise DamagedError(path, "its bins of confidence are not all alike")
    return kept if len(kept) else None


def read_attacks(
    path: Path, columns: Sequence[str] | None = None, *, images: bool = True, quickly: bool = False
) -> pd.DataFrame | None:
    """Attacks, or some `columns` of them, or all but the `images` that were kept."""
    if not sums.check(path, quickly=quickly):
        return None
    if not images:
        columns = [name for name in formats.parquet_columns(path) if name not in _IMAGES]
    found = formats.read_parquet(path, _ATTACKS, columns)
    if not all(map(_is_object, found["settings"].unique())):
        raise DamagedError(path, "not all of `settings` are JSON")
    if wrong := [name for name in ("image", "label", "target") if not pd.api.types.is_integer_dtype(found[name])]:
        raise DamagedError(path, f"not all of `{wrong[0]}` are whole numbers")
    return found


def read_published(path: Path, *, predictions: bool = True) -> pd.DataFrame | None:
    """Tests of published sets, with the predictions of the images that are a data set's own or without."""
    if not sums.check(path):
        return None
    columns = [name for name in formats.parquet_columns(path) if name not in _PUBLISHED[-2:]]
    found = formats.read_parquet(path, _PUBLISHED, None if predictions else columns)
    if not pd.api.types.is_integer_dtype(found["severity"]):
        raise DamagedError(path, "not all of `severity` are whole numbers")
    if not (pd.api.types.is_float_dtype(found["accuracy"]) and found["accuracy"].between(0, 1).all()):
        raise DamagedError(path, "not every accuracy is from 0 to 1")
    return with_calibration(found)


def read_stability(path: Path) -> pd.DataFrame | None:
    """Tests under sequences of frames, with how many of each image's frames flip."""
    if not sums.check(path):
        return None
    found = formats.read_parquet(path, _STABILITY)
    frames, flips = found["frames"], found["flips"]
    if not all(isinstance(one, np.ndarray) and one.dtype.kind in "iu" and one.size for one in flips):
        raise DamagedError(path, "not all of `flips` are lists of counts")
    if not (flips.map(len).eq(found["n"]) & flips.map(np.max).lt(frames) & flips.map(np.min).ge(0)).all():
        raise DamagedError(path, "its `flips` are not of n images with so many frames")
    return found


def read_parquet(path: Path, columns: Sequence[str]) -> pd.DataFrame | None:
    """A table that has these columns."""
    return formats.read_parquet(path, columns) if sums.check(path) else None


def read_arrays(path: Path, dimensions: Mapping[str, int]) -> dict[str, np.ndarray] | None:
    """These arrays, each of so many dimensions."""
    return formats.read_arrays(path, dimensions) if sums.check(path) else None


def read_samples(path: Path) -> "Samples | None":
    """A few test images as a network saw them."""
    from robust.measure import Samples

    if not sums.check(path):
        return None
    kept = Samples(**formats.read_arrays(path, _SAMPLES))
    shape = (len(kept.names), len(kept.labels))
    if not (kept.levels.shape == shape[:1] and kept.images.shape[:2] == kept.predicted.shape == shape):
        raise DamagedError(path, "its arrays are not of the same images and conditions")
    if not all(_name_classes(one, kept.classes) for one in (kept.labels, kept.predicted)):
        raise DamagedError(path, "not all of its labels are of its classes")
    return kept


def as_bytes(path: Path, content: Any) -> bytes:
    """A text, a table, or the fields of a dataclass, which are arrays, as the file's suffix says."""
    if isinstance(content, str | bytes):
        return content.encode() if isinstance(content, str) else content
    if isinstance(content, pd.DataFrame):
        if path.suffix == ".csv":
            return content.to_csv(index=False).encode()
        return bytes(content.to_parquet(index=False, compression="zstd"))
    file = io.BytesIO()
    np.savez_compressed(file, **vars(content))
    return file.getvalue()


def _is_object(text: object) -> bool:
    try:
        return isinstance(json.loads(str(text)), dict)
    except (ValueError, RecursionError):
        return False


def _name_classes(labels: np.ndarray, classes: np.ndarray) -> bool:
    return labels.dtype.kind in "iu" and (not labels.size or 0 <= labels.min() <= labels.max() < len(classes))
