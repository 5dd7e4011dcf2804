"""Images that do not fit into memory: decoded once into a file, gone on with where that was left, the same images."""

import importlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from robust.data import ImageSet, PerturbedData, Splits, folder
from robust.data.memory import free_memory
from robust.experiment.prepare import prepare
from robust.perturb import GaussianNoise

DECODE = importlib.import_module("robust.data.decode")
SMALL = 1e-9  # GB


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two classes, ten images each to train on, three to test on."""
    for part, count in (("train", 10), ("test", 3)):
        for label, name in enumerate(("ant", "bee")):
            for number in range(count):
                path = tmp_path / "insects" / part / name / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                chance = np.random.default_rng((len(part), label, number))
                Image.fromarray(chance.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(path)
    return tmp_path / "insects"


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that were decoded, in order."""
    paths, decode_one = [], DECODE._decode_one

    def spy(path: str, *others: object) -> object:
        paths.append(path)
        return decode_one(path, *others)

    monkeypatch.setattr(DECODE, "_decode_one", spy)
    monkeypatch.setattr(DECODE, "_IMAGES_A_JOB", 4)
    return paths


def read(root: Path, memory: float | None = SMALL) -> Splits:
    return folder(path=str(root), size=8, cache_dir=str(root.parent / "cache"), memory=memory)


def test_images_read_from_disk_are_the_same_and_decoded_once(root: Path, decoded: list[str]) -> None:
    on_disk = read(root)
    assert len(decoded) == 26
    again = read(root)
    assert len(decoded) == 26
    in_memory = folder(path=str(root), size=8)
    for part in ("train", "test"):
        ours, theirs, those = (getattr(one, part) for one in (on_disk, again, in_memory))
        assert torch.equal(ours.images, those.images)
        assert torch.equal(theirs.images, those.images)
        assert torch.equal(ours.labels, those.labels)
    assert on_disk.digest == again.digest == in_memory.digest
    sizes = {path.name.rpartition("-")[2]: path.stat().st_size for path in (root.parent / "cache").glob("*.images")}
    assert sizes == {"train.images": 20 * 192, "test.images": 6 * 192}


def test_decoding_that_was_stopped_goes_on_where_it_was(root: Path, decoded: list[str]) -> None:
    bad = root / "test" / "bee" / "2.png"
    content = bad.read_bytes()
    bad.write_bytes(b"none")
    with pytest.raises(ValueError, match=r"bee/2\.png cannot be read"):
        read(root)
    before = len(decoded)
    bad.write_bytes(content)
    (log,) = (root.parent / "cache").glob("*-train.done")
    listed, *lines = log.read_text().splitlines()
    assert read(root).digest == folder(path=str(root), size=8).digest, "another file: all is decoded again"
    assert len(lines) == 5

    decoded.clear()
    (log,) = (root.parent / "cache").glob("*-train.done")
    first, *lines = log.read_text().splitlines()
    log.write_text("\n".join([first, *lines[:2], lines[2][:-3]]))  # killed while it wrote the third
    for file in (root.parent / "cache").glob("*.pt"):
        file.unlink()
    assert read(root).digest == folder(path=str(root), size=8).digest
    assert len(decoded) - 26 == 12, "three of five parts were left"
    assert [json.loads(line)[0] for line in log.read_text().splitlines()[1:]] == [0, 4, 8, 12, 16]
    assert before > 20
    assert first != listed


def test_a_file_that_is_gone_is_made_again(root: Path, decoded: list[str]) -> None:
    digest = read(root).digest
    next((root.parent / "cache").glob("*-test.images")).unlink()
    decoded.clear()
    assert read(root).digest == digest
    assert len(decoded) == 6


def test_without_a_place_or_room_for_it_images_that_do_not_fit_are_refused(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match=r"`data\.cache_dir` must be a folder for decoded images that do not fit into"):
        folder(path=str(root), size=8, memory=SMALL)
    monkeypatch.setattr(DECODE.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 0))  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match=r"`data\.cache_dir` must be a folder with room for 0\.0 GB of decoded images"):
        read(root)


def test_training_and_its_batches_are_the_same_from_disk(root: Path) -> None:
    sets = [read(root), folder(path=str(root), size=8)]
    data = [PerturbedData(one, batch_size=6, perturbation=GaussianNoise(std=0.1), shuffle=True) for one in sets]
    for one in data:
        one.start_epoch(1, 0.5)
    for ours, theirs in zip(*(one.batches(drop_last=False) for one in data), strict=True):
        assert all(torch.equal(ours[name], theirs[name]) for name in ("natural", "labels", "indices"))
    for ours, theirs in zip(*(one.training_images() for one in data), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize(
    ("line", "top", "most", "taken", "cached", "unlimited"),
    [
        ("0::/job/step", "", "max", "current", "inactive_file", "max"),
        ("4:memory:/job/step", "memory", "limit_in_bytes", "usage_in_bytes", "total_inactive_file", str(2**63 - 4096)),
    ],
)
def test_a_control_groups_memory_is_all_there_is(
    tmp_path: Path, line: str, top: str, most: str, taken: str, cached: str, unlimited: str
) -> None:
    group = tmp_path / "sys/fs/cgroup" / top / "job/step"
    group.mkdir(parents=True)
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(f"7:cpu:/job\n{line}\n")
    for name, content in {most: unlimited, taken: "900", "stat": f"anon 500\n{cached} 300"}.items():
        (group / f"memory.{name}").write_text(content)
        (group.parent / f"memory.{name}").write_text(content)
    assert free_memory(tmp_path) > free_memory() / 2
    (group.parent / f"memory.{most}").write_text("1000")
    assert free_memory(tmp_path) == 400


def test_a_part_that_memory_does_not_hold_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    images = ImageSet(torch.zeros(4, 1, 2, 2, dtype=torch.uint8), torch.zeros(4, dtype=torch.int64), ("it",))
    monkeypatch.setattr("robust.data.images._LARGE", 0)
    monkeypatch.setattr("robust.data.images.free_memory", lambda: 8)
    assert len(images[torch.tensor([0, 1])]) == 2
    with pytest.raises(ValueError, match="must fit into memory; got 3 of 4"):
        images[torch.tensor([0, 1, 3])]


def test_a_run_is_the_same_one_on_a_machine_with_less_memory(root: Path, tmp_path: Path) -> None:
    given = ["data=folder", f"data.path={root}", "data.size=8", "technique=natural", f"runs_dir={tmp_path}"]
    runs = [prepare([*given, f"data.memory={one}", f"data.cache_dir={tmp_path / one}"]) for one in ("null", "1e-9")]
    assert list((tmp_path / "1e-9").glob("*.images"))
    assert runs[0].folder == runs[1].folder
    assert torch.equal(runs[0].splits.train.images, runs[1].splits.train.images)
    with pytest.raises(ValueError, match=r"`data\.memory` must be a number > 0, or null; got 0"):
        prepare([*given, "data.memory=0"])
