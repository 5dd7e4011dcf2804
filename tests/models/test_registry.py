"""Only networks that somebody registered or named are made; nothing else is imported or called."""

import math
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import robust
from robust.models import ConvNet, Siamese, UnknownNetworkError, make_network
from robust.models.registry import allow, find

GIVEN: dict[str, Any] = {"image_shape": [1, 4, 4], "num_classes": 3}
MODULE = """
import pathlib
from torch import nn

pathlib.Path(__file__).with_suffix(".imported").touch()

class Net(nn.Sequential):
    def __init__(self, *, image_shape, num_classes, widths=(), head=()):
        super().__init__(nn.Flatten(), nn.LazyLinear(num_classes))
        self.widths = widths

class Outer:
    Inner = Net

def make(**settings):
    return Net(**settings)

number = 3
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """A module of one's own that can be imported, and leaves a trace when it is."""
    name = f"own_{abs(hash(request.node.name))}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    return name


def is_imported(tmp_path: Path) -> bool:
    return any(tmp_path.glob("*.imported"))


def registered_by_a_package(folder: Path, value: str) -> None:
    """As pip leaves an installed package's entry points."""
    about = folder / "somebodys-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: somebodys\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[robust.networks]\nnet = {value}\n")


class Mine(nn.Sequential):
    def __init__(self, *, image_shape: tuple[int, int, int], num_classes: int):
        super().__init__(nn.Flatten(), nn.Linear(math.prod(image_shape), num_classes))


def test_ours_are_found_by_name() -> None:
    assert find("robust.models.ConvNet") is ConvNet
    network = make_network(
        {
            "_target_": "robust.models.Siamese",
            "network": {"_target_": "robust.models.ConvNet", "image_shape": [1, 8, 8], "num_classes": 2}
            | {"units": [4], "kernel_size": 3},
            "image_shape": [1, 8, 16],
            "num_classes": 8,
        }
    )
    assert isinstance(network, Siamese)
    assert network(torch.rand(2, 1, 8, 16)).shape == (2, 8)


@pytest.mark.parametrize(
    "name",
    ["os.system", "subprocess.Popen", "torch.nn.Linear", "builtins.exec", "robust.models.convnet.linear_head", ""],
)
def test_what_nobody_named_is_refused(name: str) -> None:
    with pytest.raises(UnknownNetworkError, match=r"robust.register.*robust.load\(run_folder, networks="):
        find(name)


def test_a_network_that_the_command_names_by_a_colon_is_trusted(own: str) -> None:
    allow([f"{own}:Net"])
    assert make_network({"_target_": f"{own}:Net", **GIVEN}) is not None


def test_what_is_refused_is_not_imported(own: str, tmp_path: Path) -> None:
    for architecture in (
        {"_target_": f"{own}.Net", **GIVEN},
        {"_target_": "robust.models.Siamese", "network": {"_target_": f"{own}.Net", **GIVEN}, **GIVEN},
        {"_target_": "robust.models.ConvNet", **GIVEN, "units": [{"_target_": f"{own}.make"}], "kernel_size": 3},
    ):
        with pytest.raises(UnknownNetworkError, match=f"the network {own}"):
            make_network(architecture)
    assert not is_imported(tmp_path)


def test_nothing_is_made_where_a_part_is_refused(own: str, tmp_path: Path) -> None:
    made = []

    def spy(**settings: Any) -> nn.Module:
        made.append(settings)
        return nn.Identity()

    spy.__qualname__ = "spy"
    inner = {"_target_": f"{__name__}.spy"}
    with pytest.raises(UnknownNetworkError, match=r"os\.system"):
        make_network({**inner, "first": inner, "second": {"_target_": "os.system"}}, [spy])
    assert not made


def test_a_registered_network_is_found() -> None:
    with pytest.raises(UnknownNetworkError):
        find(f"{__name__}.Mine")
    assert robust.register(Mine) is Mine
    assert find(f"{__name__}.Mine") is Mine
    assert make_network({"_target_": f"{__name__}.Mine", **GIVEN})(torch.rand(2, 1, 4, 4)).shape == (2, 3)


@pytest.mark.parametrize("path", ["Net", "make", "Outer.Inner"])
def test_a_name_that_the_caller_gives_is_imported(own: str, tmp_path: Path, path: str) -> None:
    with pytest.raises(UnknownNetworkError):
        find(f"{own}.{path}", [f"{own}.Other"])
    assert not is_imported(tmp_path)
    network = make_network({"_target_": f"{own}.{path}", "widths": [1, {"of": [2]}], **GIVEN}, [f"{own}.{path}"])
    assert network.widths == [1, {"of": [2]}]
    assert network(torch.rand(2, 1, 4, 4)).shape == (2, 3)


def test_a_network_is_found_by_every_name_it_can_be_had_by(own: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = __import__(own)
    package = type(sys)("package_of_mine")
    package.Net = module.Net  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "package_of_mine", package)
    assert find("package_of_mine.Net", [module.Net]) is module.Net
    assert find(f"{own}.Net", [module.Net]) is module.Net
    with pytest.raises(UnknownNetworkError):
        find("package_of_mine.Other", [module.Net])


def test_what_the_configuration_names_is_imported_when_it_is_asked_for(own: str, tmp_path: Path) -> None:
    allow([f"{own}.Net", "not_there.Net"])
    assert not is_imported(tmp_path)
    with pytest.raises(UnknownNetworkError):
        find(f"{own}.make")
    assert find(f"{own}.Net").__name__ == "Net"
    with pytest.raises(
        ValueError, match=r"The network not_there\.Net cannot be imported \(No module named 'not_there'\)"
    ):
        find("not_there.Net")


def test_an_installed_package_registers_networks(own: str, tmp_path: Path) -> None:
    with pytest.raises(UnknownNetworkError):
        find(f"{own}.Net")
    registered_by_a_package(tmp_path, f"{own}:Net")
    find("robust.models.ConvNet")
    with pytest.raises(UnknownNetworkError):
        find(f"{own}.make")
    assert not is_imported(tmp_path), "imported only when it is asked for"
    assert find(f"{own}.Net").__name__ == "Net"


def test_what_is_no_network_is_said(own: str) -> None:
    with pytest.raises(ValueError, match=r"`builtins\.dict` must be an nn\.Module, or return one; got dict"):
        make_network({"_target_": "builtins.dict"}, [dict])  # type: ignore[list-item]
    with pytest.raises(ValueError, match=rf"The network {own}\.number must be a class or a function; got 3"):
        find(f"{own}.number", [f"{own}.number"])
    with pytest.raises(ValueError, match="A network must be a class or a function; got 3"):
        robust.register(3)  # type: ignore[type-var]
    with pytest.raises(
        ValueError, match=r"ConvNet cannot be made with image_shape=.*, num_classes=3 \(.*'units' and 'kernel_size'"
    ):
        make_network({"_target_": "robust.models.ConvNet", **GIVEN})
