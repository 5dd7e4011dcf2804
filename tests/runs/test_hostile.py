"""Nothing that lies in a run's folder runs, hangs or takes all memory: it is refused in a sentence that names the file.

Each payload would create a file, `sprung`, in the working directory.
"""

import contextlib
import io
import json
import os
import pickle
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet
import pytest
import torch

from robust.experiment.attack import attack_runs
from robust.experiment.execute import execute
from robust.experiment.experiment import Experiment
from robust.experiment.prepare import reopen
from robust.experiment.search_path import choice_folders
from robust.experiment.specs import model_overrides
from robust.measure import TEST_KEY
from robust.runs import VERSION, RunFolder, State, find_runs, formats, logged, read_status
from robust.runs.config import Config, check_targets, leaves

TOUCH = "{_target_: os.system, command: touch sprung}"
EVIL = "from pathlib import Path\nPath('sprung').touch()\ndef attack(): pass\n"
CONFIGS = {
    "a source": f"data: {{source: {TOUCH}}}",
    "in a list": f"technique: {{objective: {{_target_: robust.learn.Trades, beta: [1, [{TOUCH}]]}}}}",
    "in a mapping in a list": f"technique: {{share: [{{steps: {TOUCH}}}]}}",
    "positional": "model: {_target_: builtins.exec, _args_: [\"open('sprung', 'w')\"], _partial_: false}",
    "partial": "logger: {_target_: pathlib.Path.touch, _partial_: true, self: sprung}",
    "imported by a part of ours": "logger: {_target_: robust.track.wandb.os.system, command: touch sprung}",
    "a hub": "model: {_target_: robust.models.pretrained.torch.hub.load, repo_or_dir: ., source: local, model: a}",
    "a maker of networks": "model: {_target_: robust.models.make_network, architecture: {}, named: [os.system]}",
    "of ours that writes": "data: {source: {_target_: robust.data.store.store, folder: sprung}}",
    "a search": "attack: {_target_: robust.attack.AttackPlan, name: a, search: evil.attack}",
    "a search in a list": "attack: {several: {a: [{search: evil.attack}]}}",
    "a search elsewhere": "data: {source: {_target_: robust.attack.AttackPlan, name: a, search: evil.attack}}",
    "a network": "task: {network: os.system}",
    "several targets": "model: {_target_: [os.system]}",
    "a name with blanks": "model: {_target_: 'os.system '}",
    "made by a resolver": "data: {source: {_target_: robust.data.digits, size: '${oc.create:\"" + TOUCH + "\"}'}}",
    "decoded": "data: {source: '${oc.decode:\"" + TOUCH + "\"}'}",
    "of the environment": "data: {name: '${oc.env:HOME}'}",
    "of Hydra": "data: {name: '${hydra:runtime.cwd}'}",
    "of another key": "data: {name: ${..x}}\nx: {_target_: os.system}",
    "applied": "data: !!python/object/apply:os.system ['touch sprung']",
    "applied as a key": "? !!python/object/apply:os.system ['touch sprung']\n: 1",
    "new": "data: !!python/object/new:os.system ['touch sprung']",
    "a name": "data: !!python/name:os.system",
    "a tag of ours": "data: !robust/object {}",
    "bytes": "data: !!binary AAAA",
    "laughs": "a0: &a0 [l,l,l,l,l,l,l,l,l]\n"
    + "".join(f"a{n + 1}: &a{n + 1} [{','.join([f'*a{n}'] * 9)}]\n" for n in range(9)),
    "of itself": "data: &a [*a]",
    "deep": "data: " + "[" * 10_000 + "]" * 10_000,
    "deep mappings": "{a: " * 10_000 + "1" + "}" * 10_000,
    "deep blocks": "".join(f"{' ' * n}a:\n" for n in range(1_000)),
    "large": "#" * 2_000_000,
    "a long number": f"seed: {'1' * 5_000}",
    "a list": "- 1\n",
    "a word": "word",
    "nothing": "",
    "no text": b"\x80\x81\x00",
    "twice": "a: 1\n<<: 1\n",
    "keys that are lists": "? [1]\n: 2\n",
    "cut": "data: {source: {_target_: robust.da",
}


class Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("sprung"),)


def zipped(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return file.getvalue()


def npz(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def npy(shape: tuple[int, ...], kind: str, content: bytes = b"") -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"shape": shape, "fortran_order": False, "descr": kind})
    return file.getvalue() + content


def parquet(metadata: dict[bytes, bytes] | None = None, of_field: dict[bytes, bytes] | None = None) -> bytes:
    """A table of attacks with odd metadata, of itself or of its columns."""
    columns = {"attack": "a", "settings": "{}", "image": 1, "label": 1, "target": 1, "threshold": 0.5, "success": True}
    table = pyarrow.table({name: [value] for name, value in columns.items()})
    fields = [one.with_metadata(of_field) for one in table.schema]
    table, file = table.cast(pyarrow.schema(fields, metadata=metadata)), io.BytesIO()
    pyarrow.parquet.write_table(table, file, store_schema=True)
    return file.getvalue()


def checkpoint(content: Any) -> bytes:
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


IDENTITY = ("data", "model", "technique", "perturbation", "level", "seed", "digest", "kind")
SAMPLES = ("names", "levels", "images", "labels", "predicted", "classes")
PICKLE = pickle.dumps(Trap())


def read_views(run: RunFolder) -> Any:
    return run.read_extra_arrays("views.npz", {"queries": 3})


def read_stages(run: RunFolder) -> Any:
    return run.read_extra_table("stages.parquet", ["image"])


FILES: dict[str, tuple[str, bytes | str, Callable[[RunFolder], Any]]] = {
    "objects in arrays": ("samples.npz", npz(**dict.fromkeys(SAMPLES, np.array([Trap()]))), RunFolder.read_samples),
    "a pickle as arrays": ("samples.npz", pickle.dumps(Trap()), RunFolder.read_samples),
    "a pickle in an archive": ("views.npz", zipped(queries=pickle.dumps(Trap())), read_views),
    "arrays without end": (
        "samples.npz",
        zipped(**dict.fromkeys(SAMPLES, npy((10**13,), "<f8", b"12345678"))),
        RunFolder.read_samples,
    ),
    "a type of a million bytes": ("samples.npz", zipped(names=npy((1,), "<U1000000000")), RunFolder.read_samples),
    "a head that is code": (
        "samples.npz",
        zipped(names=b"\x93NUMPY\x01\x00\x22\x00__import__('os').system('touch s')"),
        RunFolder.read_samples,
    ),
    "other arrays": ("samples.npz", npz(a=np.zeros(3)), RunFolder.read_samples),
    "arrays of other shapes": ("samples.npz", npz(**dict.fromkeys(SAMPLES, np.zeros(3))), RunFolder.read_samples),
    "no archive": ("samples.npz", b"PK\x03\x04 half", RunFolder.read_samples),
    "a pickle as a model": ("model.ckpt", pickle.dumps({"architecture": Trap()}, protocol=2), RunFolder.load_model),
    "code in a model": ("model.ckpt", checkpoint({"architecture": Trap(), "state_dict": {}}), RunFolder.load_model),
    "a model of lists": ("model.ckpt", checkpoint({"architecture": [1], "state_dict": [2]}), RunFolder.load_model),
    "a model of words": ("model.ckpt", checkpoint("word"), RunFolder.load_model),
    "no table": ("attacks.parquet", b"PAR1 half", RunFolder.read_attacks),
    "another table": ("stages.parquet", pd.DataFrame({"a": [1]}).to_parquet(), read_stages),
    "predictions that are numbers": (
        "predictions.parquet",
        pd.DataFrame(1, columns=[*TEST_KEY, "label", "predicted"], index=[0]).to_parquet(),
        RunFolder.read_predictions,
    ),
    "rows that are binary": ("rows.csv", b"\x00\xff\xfe\n", RunFolder.read_rows),
    "rows that are cut": ("rows.csv", "run,data\n1,", RunFolder.read_rows),
    "rows of other columns": ("rows.csv", "a,b\n1,2\n", RunFolder.read_rows),
    "more cells than columns": ("metrics.csv", "epoch\n1\n1,2,3\n", RunFolder.read_metrics),
    "a metric that is a word": ("metrics.csv", "epoch\none\n", RunFolder.read_metrics),
    "an empty table": ("confusion.csv", "", RunFolder.read_confusion),
    "a record that is a list": ("status.json", "[]", RunFolder.read_record),
    "a record of nothing": ("status.json", "{}", RunFolder.read_record),
    "a record that is deep": ("status.json", "[" * 100_000, RunFolder.read_record),
    "a record of a long number": ("status.json", '{"state": ' + "1" * 5_000 + "}", RunFolder.read_record),
    "a record of another state": ("status.json", '{"state": "running"}', RunFolder.read_record),
    "sessions that are words": ("status.json", '{"state": "done", "sessions": ["a"]}', RunFolder.read_record),
    "durations that are words": ("status.json", '{"state": "done", "durations_s": {"a": "b"}}', RunFolder.read_record),
    "durations that are a list": ("status.json", '{"state": "done", "durations_s": []}', RunFolder.read_record),
    "a time that is none": ("status.json", '{"state": "done", "finished": "yesterday"}', RunFolder.read_record),
    "half an identity": (
        "status.json",
        json.dumps({"state": "done", "identity": {"version": VERSION}}),
        RunFolder.identity,
    ),
    "an identity of lists": (
        "status.json",
        json.dumps({"state": "done", "identity": {"version": VERSION, **dict.fromkeys(IDENTITY, 0)}}),
        RunFolder.identity,
    ),
    "a summary that is a list": ("summary.json", "[]", RunFolder.read_summary),
    "a summary without conditions": ("summary.json", "{}", RunFolder.read_summary),
    "sums that are a list": ("sums.json", "[]", RunFolder.read_rows),
    "sums of lists": ("sums.json", '{"run": "a", "files": {"rows.csv": []}, "sum": "b"}', RunFolder.read_rows),
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, and a working directory beside it whose modules can be imported."""
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "evil.py").write_text(EVIL)
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.syspath_prepend(str(tmp_path / "here"))
    (tmp_path / "run").mkdir()
    return tmp_path / "run"


def put(path: Path, content: bytes | str) -> None:
    path.write_bytes(content.encode() if isinstance(content, str) else content)


@pytest.mark.parametrize("what", CONFIGS)
def test_a_configuration_calls_nothing_and_ends(folder: Path, what: str) -> None:
    put(folder / "config.yaml", CONFIGS[what])
    with pytest.raises(ValueError, match=r"^\S*config.yaml (is damaged|names|has a value)"):
        RunFolder(folder).read_config()
    assert os.listdir() == ["evil.py"]


@pytest.mark.parametrize("what", FILES)
def test_any_content_of_any_file_is_refused_by_name(folder: Path, what: str) -> None:
    name, content, read = FILES[what]
    put(folder / name, content)
    with pytest.raises(ValueError, match=rf"{name} is damaged") as error:
        read(RunFolder(folder))
    assert str(folder) in str(error.value)
    assert len(str(error.value)) < 800
    assert os.listdir() == ["evil.py"]


@pytest.mark.parametrize("name", ["config.yaml", "status.json", "rows.csv", "sums.json", "samples.npz", "model.ckpt"])
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_not_waited_for(folder: Path, name: str, make: Callable[[Path], None]) -> None:
    make(folder / name)
    files = RunFolder(folder)
    for read in (files.read_config, files.read_record, files.read_rows, files.read_samples, files.load_model):
        with contextlib.suppress(ValueError, OSError):
            assert read() is None


@pytest.mark.parametrize(
    ("content", "readable"),
    [
        (parquet({b"pandas": b'{"index_columns": [{"kind": "range", "start": 0, "stop": 1000000000000}]}'}), False),
        (parquet({b"pandas": b"["}), False),
        (parquet({b"ARROW:schema": b"AAAA"}), False),
        (
            parquet(
                of_field={b"ARROW:extension:name": b"arrow.py_extension_type", b"ARROW:extension:metadata": PICKLE}
            ),
            True,
        ),
    ],
)
def test_odd_metadata_of_a_table_does_nothing(folder: Path, content: bytes, readable: bool) -> None:
    put(folder / "attacks.parquet", content)
    with contextlib.nullcontext() if readable else pytest.raises(ValueError, match=r"attacks.parquet is damaged"):
        assert RunFolder(folder).read_attacks()["attack"].to_list() == ["a"]
    assert os.listdir() == ["evil.py"]


def test_an_archive_that_would_fill_the_memory_is_not_unpacked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "_MOST_ARRAYS", 1_000_000)
    put(folder / "samples.npz", npz(**dict.fromkeys(SAMPLES, np.zeros(200_000))))
    monkeypatch.setattr(np, "load", None)
    with pytest.raises(ValueError, match=r"samples.npz is damaged \(its arrays would take 9600000 bytes"):
        RunFolder(folder).read_samples()


def test_a_file_of_100_mb_is_not_read(folder: Path) -> None:
    for name, read in {"config.yaml": RunFolder.read_config, "status.json": RunFolder.read_record}.items():
        with (folder / name).open("wb") as file:
            file.truncate(100_000_000)
        with pytest.raises(ValueError, match=rf"{name} is damaged \(it holds 100000000 bytes"):
            read(RunFolder(folder))


def test_all_that_our_own_choices_name_may_stand_in_a_runs_folder() -> None:
    choices = [
        Config.of(formats.yaml.safe_load(file.read_text())) for one in choice_folders() for file in one.rglob("*.yaml")
    ]
    named = [
        {name: value}
        for choice in choices
        for name, value in leaves(choice or {})
        if name.rpartition(".")[2] in ("_target_", "search") and "${" not in str(value) and "hydra" not in str(value)
    ]
    assert len(named) > 60
    for one in named:
        check_targets(Config.of(one), Path("config.yaml"))


def test_a_network_of_anybodys_may_be_read_of_and_is_not_made(
    make_run: Callable[..., Experiment], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run("technique=natural", "trainer.max_epochs=1", "evaluation=natural")
    assert execute(run).state is State.DONE
    config = run.files.read_config().changed({"model.network": {"_target_": "antigravity:fly"}})
    (run.folder / "config.yaml").write_text(json.dumps(config.plain()))
    (run.folder / "sums.json").unlink()
    assert run.files.read_config().model.network["_target_"] == "antigravity:fly"
    for make in (lambda: reopen(run.folder), lambda: model_overrides(str(run.folder))):
        with pytest.raises(ValueError, match=r"names antigravity:fly .*is not called"):
            make()
    assert "antigravity" not in sys.modules


def test_no_command_calls_what_the_folder_of_a_run_names(
    make_run: Callable[..., Experiment], folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = make_run("technique=natural", "trainer.max_epochs=1", "evaluation=natural")
    assert execute(run).state is State.DONE
    config = (run.folder / "config.yaml").read_text()
    (run.folder / "sums.json").unlink()
    for hostile in (
        config.replace("robust.data.digits", "os.system\n    command: touch sprung"),
        config.replace("robust.models.ConvNet", "robust.track.wandb.os.system\n  command: touch sprung"),
        config + "more:\n- {_target_: os.system, command: touch sprung}\n",
    ):
        assert hostile != config
        (run.folder / "config.yaml").write_text(hostile)
        commands: list[Callable[[], object]] = [
            lambda: reopen(run.folder),
            lambda: make_run("technique=transfer", f"technique.start={run.folder}"),
            lambda: attack_runs([str(run.folder)], ["attack=fgsm"]),
        ]
        for command in commands:
            with pytest.raises(ValueError, match=r"config.yaml names \S*os.system"):
                command()
    assert os.listdir() == ["evil.py"]
    assert [path.name for path in find_runs([run.folder])] == [run.folder.name]


def test_what_a_run_writes_replaces_links_and_does_not_follow_them(
    make_run: Callable[..., Experiment], tmp_path: Path
) -> None:
    run, victim = make_run("technique=natural", "evaluation=natural", "trainer.checkpoint_every_s=0"), tmp_path / "mine"
    run.folder.mkdir(parents=True)
    victim.write_text("mine")
    names = ("log.txt", "metrics.csv", "rows.csv", "summary.json", "predictions.parquet", ".last.ckpt.partial")
    for name in names:
        (run.folder / name).symlink_to(victim)
    assert execute(run).state is State.DONE, read_status(run.folder).reason
    assert victim.read_text() == "mine"
    assert not any((run.folder / name).is_symlink() for name in names)


def test_a_log_that_is_a_pipe_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "log.txt")
    with logged(folder / "log.txt"):
        pass
    assert (folder / "log.txt").is_file()
    shutil.rmtree(folder)
