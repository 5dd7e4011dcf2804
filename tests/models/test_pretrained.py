"""Others' weights are taken as they are, or refused with the reason."""

import urllib.error
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from torchvision.models import resnet18, resnet34

from robust.experiment.execute import execute
from robust.experiment.experiment import Experiment
from robust.models import ConvNet, ResNet, load_pretrained
from robust.runs import State

SETTINGS = ("model=resnet18", "model.stem_kernel=7", "technique=natural")
SHAPE = (3, 32, 32)


def network(**settings: object) -> ResNet:
    return ResNet(image_shape=SHAPE, num_classes=5, **{"stem_kernel": 7, **settings})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("weights") / "resnet18.pth"
    torch.save(resnet18().state_dict(), path)
    return path


def test_all_but_the_head_is_torchvisions(file: Path) -> None:
    ours = network(stem_stride=2).eval()
    head = ours.head[0].weight.clone()
    load_pretrained(ours, str(file))
    theirs = resnet18()
    theirs.load_state_dict(torch.load(file, weights_only=True))
    theirs.eval().maxpool = torch.nn.Identity()
    theirs.fc = torch.nn.Identity()
    assert torch.equal(ours.head[0].weight, head)
    ours.head = torch.nn.Identity()
    images = torch.rand(2, *SHAPE, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images))


def test_an_older_file_does_not_say_how_long_its_norms_have_counted(file: Path, tmp_path: Path) -> None:
    state = torch.load(file, weights_only=True)
    older = {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}
    assert len(older) == len(state) - 20
    torch.save(older, tmp_path / "older.pth")
    ours, same = network(), network()
    load_pretrained(ours, str(tmp_path / "older.pth"))
    load_pretrained(same, str(file))
    wanted = dict(same.named_parameters())
    parts = [name for name in wanted if not name.startswith(("standardize.", "head."))]
    assert all(torch.equal(ours.get_parameter(name), wanted[name]) for name in parts)


def test_weights_of_another_network_are_named(file: Path, tmp_path: Path) -> None:
    deeper = tmp_path / "resnet34.pth"
    torch.save(resnet34().state_dict(), deeper)
    with pytest.raises(ValueError, match=r"are of another network: layer1\.2\..* and .* more differ"):
        load_pretrained(network(), str(deeper))
    with pytest.raises(ValueError, match=r"are of another network: layer1\.0\.bn2\.0\.bias, .*differ"):
        load_pretrained(network(squeeze=True), str(file))
    with pytest.raises(ValueError, match=r"Set `model.stem_kernel=7`, and take colour images\."):
        load_pretrained(network(stem_kernel=3), str(file))
    with pytest.raises(ValueError, match=r"`weights=imagenet` are those of `model\.width=64`; got 32\."):
        load_pretrained(network(width=32), "imagenet")
    plain = ConvNet(image_shape=SHAPE, num_classes=5, units=[8], kernel_size=3)
    with pytest.raises(ValueError, match="`weights` must be left out with a ConvNet"):
        load_pretrained(plain, str(file))


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "text.pth").write_text("not weights")
    with pytest.raises(ValueError, match=r"text\.pth` cannot be read .*Fetch it again\."):
        load_pretrained(network(), str(tmp_path / "text.pth"))
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(ValueError, match=r"must hold a state_dict, tensors by name; got list\."):
        load_pretrained(network(), str(tmp_path / "list.pth"))


def test_without_a_network_the_file_to_fetch_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no network")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", offline)
    with pytest.raises(FileNotFoundError, match=r"could not be downloaded from https://.*give it: weights=FILE"):
        load_pretrained(network(), "imagenet")


def test_a_run_starts_from_them_and_is_told_by_their_content(
    make_run: Callable[..., Experiment], file: Path, tmp_path: Path
) -> None:
    other = tmp_path / "elsewhere.pth"
    other.write_bytes(file.read_bytes())
    settings = (*SETTINGS, "data=folder", f"data.path={_folder(tmp_path)}", "data.batch_size=4")
    anew, first, second = (make_run(*settings, f"weights={one}") for one in ("null", file, other))
    assert first.identity == second.identity != anew.identity
    weights = torch.load(file, weights_only=True)
    assert torch.equal(first.build_network().state_dict()["stem.0.weight"], weights["conv1.weight"])
    with pytest.raises(FileNotFoundError, match="`weights` must be imagenet or a file of weights; /not/there is not"):
        make_run(*settings, "weights=/not/there")


@pytest.mark.parametrize("weights", ["imagenet", "resnet18.pth"])
def test_a_run_says_what_it_started_from_wherever_it_is_read(
    make_run: Callable[..., Experiment], file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights: str
) -> None:
    monkeypatch.setattr(
        "torchvision.models._api.load_state_dict_from_url", lambda *_, **__: torch.load(file, weights_only=True)
    )
    monkeypatch.chdir(file.parent)
    settings = (*SETTINGS, "data=folder", f"data.path={_folder(tmp_path)}", "data.batch_size=4", "evaluation=none")
    run = make_run(*settings, "trainer.max_epochs=1", f"weights={weights}")
    assert execute(run).state is State.DONE
    said = OmegaConf.load(run.folder / "config.yaml").weights
    assert said == (weights if weights == "imagenet" else str(file))


def _folder(root: Path) -> Path:
    from PIL import Image

    for part in ("train", "test"):
        for name in ("a", "b"):
            (root / "images" / part / name).mkdir(parents=True)
            for number in range(4):
                Image.new("RGB", (32, 32), (40 * number, 9, 9)).save(root / "images" / part / name / f"{number}.png")
    return root / "images"
