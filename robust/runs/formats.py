"""Files of a run as they are read, whatever lies there: bounded in size, nothing in them is called, and what is not as
it should be raises DamagedError, which names the file."""

import contextlib
import io
import json
import re
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet
import yaml  # type: ignore[import-untyped]

_MIB = 2**20
_MOST_TEXT = 64 * _MIB  # bytes of a table or a record
_MOST_SETTINGS = _MIB  # bytes of a configuration
_DEEPEST = 32  # settings within settings
_MOST_ARRAYS = 2048 * _MIB  # bytes of arrays, once unpacked
_MOST_ROWS = 100_000_000
_UNREADABLE = (
    *(OSError, EOFError, ValueError, KeyError, TypeError, MemoryError, NotImplementedError, RuntimeError, SyntaxError),
    *(AttributeError, zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, OverflowError),
)
_NESTS = (yaml.MappingStartEvent, yaml.SequenceStartEvent)
_UNNESTS = (yaml.MappingEndEvent, yaml.SequenceEndEvent)


class _Settings(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Reads settings as OmegaConf does, six times as fast: `1e-3` is a number, a date is a word."""


_Settings.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in known if not tag.endswith((":float", ":timestamp"))]
    for first, known in _Settings.yaml_implicit_resolvers.items()
}
_NUMBER: Any = (
    "tag:yaml.org,2002:float",
    re.compile(
        r"[-+]?(\d[\d_]*\.[\d_]*([eE][-+]?\d+)?|\d[\d_]*[eE][-+]?\d+|\.\d[\d_]*([eE][-+]\d+)?|\.(inf|Inf|INF))$"
        r"|\.(nan|NaN|NAN)$"
    ),
    list("-+0123456789."),
)
_Settings.add_implicit_resolver(*_NUMBER)


class _Written(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Writes settings as `_Settings` reads them: the word `1e-3` in quotes, and no aliases."""

    def ignore_aliases(self, data: object) -> bool:
        return True


_Written.add_implicit_resolver(*_NUMBER)


class DamagedError(ValueError):
    """A file of a run that does not hold what it should."""

    def __init__(self, path: Path, why: object):
        text = " ".join(str(why).split()).rstrip(".") or type(why).__name__
        self.path, self.why = path, text[:300]
        super().__init__(f"{path} is damaged ({self.why}). Delete it and run again.")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path, self.why)  # from one process to another


def is_file(path: Path) -> bool:
    """Whether a file is there. Raises DamagedError for what is none, such as a folder or a pipe."""
    if path.is_file():
        return True
    if path.exists():
        raise DamagedError(path, "it is no file")
    return False


def read_text(path: Path, *, most: int = _MOST_TEXT) -> str:
    """A text of at most so many bytes, UTF-8."""
    is_file(path)
    if (size := path.stat().st_size) > most:
        raise DamagedError(path, f"it holds {size} bytes, more than the {most} that such a file may")
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise DamagedError(path, error) from error


def read_json(path: Path, needed: Mapping[str, type]) -> dict[str, Any]:
    """An object with values of these types under the keys that are `needed`."""
    text = read_text(path)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DamagedError(path, error) from error
    if not isinstance(content, dict):
        raise DamagedError(path, f"it holds no object, but {type(content).__name__}")
    if wrong := [name for name, kind in needed.items() if not isinstance(content.get(name), kind)]:
        raise DamagedError(path, f"`{wrong[0]}` is not {needed[wrong[0]].__name__}")
    return content


def read_yaml(path: Path) -> dict[str, Any]:
    """Settings as we write them: plain values alone, none that refers to another."""
    text, depth = read_text(path, most=_MOST_SETTINGS), 0
    try:
        for event in yaml.parse(text, Loader=_Settings):
            depth += isinstance(event, _NESTS) - isinstance(event, _UNNESTS)
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                raise DamagedError(path, "it has aliases, which no settings of a run have")
            if getattr(event, "tag", None):
                raise DamagedError(path, f"it has the tag {event.tag}, which no settings of a run have")
            if depth > _DEEPEST:
                raise DamagedError(path, f"its settings are more than {_DEEPEST} deep")
        content = yaml.load(text, Loader=_Settings)  # noqa: S506, it is a safe one
    except (yaml.YAMLError, RecursionError) as error:
        raise DamagedError(path, error) from error
    except ValueError as error:  # such as a number of 5,000 digits
        raise error if isinstance(error, DamagedError) else DamagedError(path, error) from error
    if not isinstance(content, dict) or not content:
        raise DamagedError(path, "it holds no settings")
    return {str(name): value for name, value in content.items()}


def yaml_text(settings: Mapping[str, Any]) -> str:
    """Plain settings as `read_yaml` reads them."""
    options: Any = {"default_flow_style": False, "allow_unicode": True, "sort_keys": False}
    return str(yaml.dump(dict(settings), Dumper=_Written, **options))


def read_csv(path: Path, needed: Collection[str], *, words: Collection[str] = (), **options: Any) -> pd.DataFrame:
    """A table with these columns; `words` are those that hold no numbers, and all others do."""
    return parse_csv(path, read_text(path), needed, words=words, **options)


def parse_csv(
    path: Path, text: str, needed: Collection[str], *, words: Collection[str] = (), **options: Any
) -> pd.DataFrame:
    """The same of the `text` of a file."""
    if text and not text.endswith("\n"):
        raise DamagedError(path, "its last line is cut")
    try:
        table = pd.read_csv(io.StringIO(text), dtype=dict.fromkeys(words, str), low_memory=False, **options)
    except (ValueError, pd.errors.ParserError, OverflowError) as error:
        raise DamagedError(path, error) from error
    check_columns(path, table, needed)
    numbers = [name for name in needed if name not in words]
    if wrong := [
        name for name in numbers if not pd.api.types.is_numeric_dtype(table[name]) or table[name].isna().any()
    ]:
        raise DamagedError(path, f"not all of `{wrong[0]}` are numbers")
    return table


def check_columns(path: Path, table: pd.DataFrame, needed: Collection[str]) -> None:
    """Raises DamagedError for a table without rows, or one that lacks some of these columns."""
    if missing := [name for name in needed if name not in table]:
        raise DamagedError(path, f"no {', '.join(missing)}")
    if not len(table):
        raise DamagedError(path, "it has no rows")


def parquet_columns(path: Path) -> list[str]:
    """The names of the columns of a table; none where there is no file."""
    if not is_file(path):
        return []
    with _parquet(path) as file:
        return list(file.schema_arrow.names)


def read_parquet(path: Path, needed: Collection[str], columns: Sequence[str] | None = None) -> pd.DataFrame:
    """A table that has the columns that are `needed`, or only some `columns` of it."""
    with _parquet(path) as file:
        if missing := sorted({*needed, *(columns or ())} - {*file.schema_arrow.names}):
            raise DamagedError(path, f"no {', '.join(missing)}")
        return file.read(columns, use_threads=False).to_pandas()


@contextlib.contextmanager
def _parquet(path: Path) -> Iterator[Any]:
    """A table, opened once for what it is and for what it holds: half the time of `pandas.read_parquet`."""
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            _check_table(path, file.metadata)
            yield file
    except DamagedError:
        raise
    except (pyarrow.ArrowException, ValueError, TypeError, KeyError, OSError, MemoryError, OverflowError) as error:
        raise DamagedError(path, error) from error


def _check_table(path: Path, about: Any) -> None:
    if about.num_rows > _MOST_ROWS:
        raise DamagedError(path, f"it has {about.num_rows} rows, more than any table of a run")
    if (size := sum(about.row_group(part).total_byte_size for part in range(about.num_row_groups))) > _MOST_ARRAYS:
        raise DamagedError(path, f"it would take {size} bytes")


def read_arrays(path: Path, needed: Mapping[str, int]) -> dict[str, np.ndarray]:
    """The arrays of an archive of NumPy's: these, each of so many dimensions, numbers or words."""
    try:
        with zipfile.ZipFile(path) as archive:
            _check_sizes(dict(_sizes(archive)), needed)
        with np.load(path, allow_pickle=False) as kept:
            arrays = dict(kept)
    except _UNREADABLE as error:
        raise DamagedError(path, error) from error
    if wrong := [name for name, dims in needed.items() if arrays[name].ndim != dims]:
        raise DamagedError(path, f"`{wrong[0]}` has {arrays[wrong[0]].ndim} dimensions, not {needed[wrong[0]]}")
    return arrays


def _check_sizes(sizes: Mapping[str, int], needed: Collection[str]) -> None:
    if set(sizes) != set(needed):
        raise ValueError(f"it holds {', '.join(sorted(sizes))}, not {', '.join(needed)}")
    if sum(sizes.values()) > _MOST_ARRAYS:
        raise ValueError(f"its arrays would take {sum(sizes.values())} bytes")


def _sizes(archive: zipfile.ZipFile) -> Iterator[tuple[str, int]]:
    """The bytes that each array of an archive would take, as its head says. Raises ValueError where that is not what
    the archive holds, or where it is to be unpickled."""
    for member in archive.infolist():
        with archive.open(member) as file:
            major, _ = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
            shape, _, kind = read(file)
            size = int(np.prod(shape, dtype=object)) * kind.itemsize
            if kind.hasobject or size != member.file_size - file.tell():
                raise ValueError(f"{member.filename} is no array of numbers or words")
        yield member.filename.removesuffix(".npy"), size
