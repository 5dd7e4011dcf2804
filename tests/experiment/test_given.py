"""Networks that others trained: measured as they are given, attacked, and started from."""

import json
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

import robust
from robust.data import ImageSet, Splits
from robust.experiment.execute import execute
from robust.experiment.given import mapped_classes
from robust.experiment.prepare import prepare
from robust.models import ask
from robust.runs import State

PRETRAINED = ["technique=pretrained", "data=digits", "evaluation=natural"]


def splits_of(*classes, wnids=None):
    images = torch.zeros(len(classes), 1, 4, 4, dtype=torch.uint8)
    part = ImageSet(images, torch.arange(len(classes)), classes)
    return Splits(part, part, wnids=wnids)


@pytest.fixture
def timm_weights(tmp_path):
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    path = tmp_path / "lcnet.pt"
    torch.save(timm.create_model("lcnet_035", num_classes=10, in_chans=1).state_dict(), path)
    return ["model=timm", "model.architecture=lcnet_035", "model.size=data", f"weights={path}"]


def write_onnx(path: Path, *, classes=10, batch="batch", softmax=False):
    """A linear network of digits, 28x28."""
    weight = np.random.default_rng(0).normal(size=(28 * 28, classes)).astype(np.float32)
    nodes = [helper.make_node("Flatten", ["images"], ["flat"]), helper.make_node("MatMul", ["flat", "w"], ["logits"])]
    if softmax:
        nodes.append(helper.make_node("Softmax", ["logits"], ["shares"]))
    last = "shares" if softmax else "logits"
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [batch, 1, 28, 28])],
        [helper.make_tensor_value_info(last, TensorProto.FLOAT, [batch, classes])],
        [numpy_helper.from_array(weight, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path)
    return torch.from_numpy(weight)


def test_a_network_of_timms_is_measured_as_it_is_given(make_run, timm_weights):
    import timm

    run = make_run(*PRETRAINED, *timm_weights)
    assert execute(run).state is State.DONE
    assert not run.files.read_rows().empty
    assert run.reference is None
    network = timm.create_model("lcnet_035", num_classes=10, in_chans=1)
    network.load_state_dict(torch.load(timm_weights[-1].removeprefix("weights="), weights_only=True))
    images = torch.rand(4, 1, 28, 28)
    wanted = network.eval()((images - np.mean([0.485, 0.456, 0.406])) / np.mean([0.229, 0.224, 0.225]))
    assert torch.allclose(robust.load(run.folder)(images), wanted, atol=1e-4)


def test_what_says_how_to_train_makes_it_no_other_run(make_run, timm_weights):
    one, other = (
        make_run(*PRETRAINED, *timm_weights, *more) for more in ([], ["optimizer.lr=0.3", "trainer.max_epochs=9"])
    )
    assert one.folder == other.folder


def test_hardening_and_finetuning_start_from_it(make_run, timm_weights):
    start = ["data=digits", "evaluation=natural", *timm_weights, "technique.start=pretrained"]
    finetuned = make_run("technique=finetune", *start)
    hardened = make_run("technique=incremental", "perturb=noise", *start)
    for run in (finetuned, hardened):
        (parent,) = run.parents.values()
        assert parent.config.technique.name == "pretrained"
    assert execute(finetuned).state is State.DONE
    assert (finetuned.folder / "metrics.csv").is_file()


def test_weights_of_other_classes_are_trained_further_with_a_new_head(make_run, tmp_path):
    timm = pytest.importorskip("timm")
    torch.manual_seed(1)
    others = timm.create_model("lcnet_035", num_classes=7, in_chans=1).state_dict()
    torch.save(others, tmp_path / "seven.pt")
    given = ["data=digits", "evaluation=natural", "model=timm", "model.architecture=lcnet_035", "model.size=data"]
    given.append(f"weights={tmp_path / 'seven.pt'}")
    for technique in (["technique=natural"], ["technique=probe", "technique.start=null"]):
        network = make_run(*technique, *given).build_network().state_dict()
        assert torch.equal(network["network.conv_stem.weight"], others["conv_stem.weight"])
        assert {len(value) for name, value in network.items() if name.startswith("head.")} == {10}
    layers = "technique.trainable=[blocks.5.*,head.*]"
    hardened = make_run("technique=harden", "technique.start=null", layers, "perturb=noise", *given).build_network()
    learning = {name for name, weight in hardened.named_parameters() if weight.requires_grad}
    assert {name.removeprefix("network.")[:8] for name in learning} == {"blocks.5", "head.wei", "head.bia"}
    with pytest.raises(ValueError, match=r"head of 7 outputs where the data has 10 classes.*puts a new head on"):
        make_run("technique=pretrained", *given)


def test_new_weights_are_not_measured_as_if_somebody_had_trained_them(make_run):
    with pytest.raises(ValueError, match=r"has new weights, .* Give trained ones: weights=FILE"):
        make_run(*PRETRAINED, "model=torchvision", "model.architecture=resnet18", "model.channels=rgb")


@pytest.mark.parametrize("batch", ["batch", 3])
def test_an_onnx_file_says_what_onnxruntime_says(make_run, tmp_path, batch):
    import onnxruntime

    path = tmp_path / "net.onnx"
    write_onnx(path, batch=batch)
    run = make_run(*PRETRAINED, "model=onnx", f"model.file={path}")
    assert execute(run).state is State.DONE
    images = torch.rand(3, 1, 28, 28)
    (wanted,) = onnxruntime.InferenceSession(path).run(None, {"images": images.numpy()})
    path.unlink()  # the run holds it
    model = robust.load(run.folder)
    assert np.array_equal(ask(model, images).numpy(), wanted)
    assert ask(model, torch.rand(7, 1, 28, 28)).shape == (7, 10)


def test_attacks_that_need_gradients_are_refused_for_an_onnx_file_and_others_made(make_run, tmp_path):
    path = tmp_path / "net.onnx"
    write_onnx(path)
    onnx_run = [*PRETRAINED, "model=onnx", f"model.file={path}", "attack.images=1"]
    with pytest.raises(ValueError, match=r"`attack=pgd` needs gradients.*attack=one_pixel"):
        make_run(*onnx_run, "attack=pgd")
    run = make_run(*onnx_run, "attack=one_pixel", "attack.population=10", "attack.generations=2")
    assert execute(run).state is State.DONE
    assert len(run.files.read_attacks()) == 10


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (lambda path: None, "there is no"),
        (lambda path: path.write_bytes(b"no network"), "is no ONNX file that onnxruntime can read"),
        (lambda path: write_onnx(path, classes=7), "7 outputs where the data has 10 classes"),
    ],
)
def test_an_onnx_file_that_does_not_do_is_refused_before_anything_starts(make_run, tmp_path, write, said):
    path = tmp_path / "net.onnx"
    write(path)
    with pytest.raises((ValueError, OSError), match=said):
        make_run(*PRETRAINED, "model=onnx", f"model.file={path}")


def test_a_network_of_hugging_faces_is_read_from_its_folder(make_run, tmp_path):
    transformers = pytest.importorskip("transformers")
    config = transformers.ViTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, image_size=28, patch_size=14,
        num_channels=1, num_labels=10,
    )  # fmt: skip
    theirs = transformers.ViTForImageClassification(config).eval()
    folder = tmp_path / "vit"
    theirs.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps({"image_mean": [0.5], "image_std": [0.25], "size": 28}))
    run = make_run(*PRETRAINED, "model=huggingface", f"model.path={folder}")
    assert execute(run).state is State.DONE
    images = torch.rand(3, 1, 28, 28)
    with torch.no_grad():
        wanted = theirs((images - 0.5) / 0.25).logits
        assert torch.allclose(robust.load(run.folder)(images), wanted, atol=1e-5)


def test_a_class_of_ones_own_in_the_working_folder_is_measured_and_loaded_back(tmp_path, monkeypatch, quick):
    (tmp_path / "mynets.py").write_text(
        "import torch\n"
        "class Net(torch.nn.Module):\n"
        "    def __init__(self, width=3):\n"
        "        super().__init__()\n"
        "        self.body = torch.nn.Linear(784, width)\n"
        "        self.out = torch.nn.Linear(width, 10)\n"
        "        self.out.load_state_dict(torch.nn.Linear(width, 10, device='cpu').state_dict())\n"
        "    def forward(self, images):\n"
        "        return self.out(self.body(images.flatten(1)))\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    overrides = ["model=own", "model.path=mynets:Net", "+model.network.width=5", "runs_dir=runs", *quick]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # such as of weights that it loads itself
        run = prepare([*PRETRAINED, *overrides])
    assert execute(run).state is State.DONE
    model = robust.load(run.folder, networks=["mynets:Net"])
    assert model.network.body.out_features == 5
    assert robust.load(run.folder), "this process was told of it"
    monkeypatch.setattr("robust.models.registry._allowed", set())
    with pytest.raises(ValueError, match="not called"):
        robust.load(run.folder)


def test_a_path_to_no_network_is_refused_in_a_sentence(tmp_path, monkeypatch, quick):
    monkeypatch.chdir(tmp_path)
    for path in ("nowhere:Net", "math:pi", "torch.nn:Linear"):
        with pytest.raises(ValueError) as caught:
            prepare([*PRETRAINED, "model=own", f"model.path={path}", *quick])
        assert path.split(":")[1] in str(caught.value)


def test_outputs_are_mapped_to_the_datas_classes_by_name_or_wnid(tmp_path):
    file = tmp_path / "classes.txt"
    file.write_text("goldfish\nn02123045 tabby, tabby cat\nsea lion\nTabby\n")
    assert mapped_classes(str(file), splits_of("tabby", "goldfish")) == (4, [[3], [0]])
    by_number = splits_of("cat", "fish", wnids=("n02123045", "n01443537"))
    file.write_text("n01443537\nn02123045\n")
    assert mapped_classes(str(file), by_number) == (2, [[1], [0]])
    names = tmp_path / "config.json"
    names.write_text(json.dumps({"id2label": {"1": "b", "0": "a"}}))
    assert mapped_classes(str(names), splits_of("b", "a")) == (2, [[1], [0]])


def test_a_class_that_no_output_means_is_named(tmp_path):
    file = tmp_path / "classes.txt"
    file.write_text("cat\ndog\n")
    with pytest.raises(ValueError, match=r"names no output for horse"):
        mapped_classes(str(file), splits_of("cat", "horse"))
    with pytest.raises(FileNotFoundError, match="there is no"):
        mapped_classes(str(tmp_path / "absent.txt"), splits_of("cat", "horse"))


def test_a_network_of_more_classes_answers_for_those_of_the_data_alone(make_run, tmp_path):
    path, file = tmp_path / "net.onnx", tmp_path / "classes.txt"
    weight = write_onnx(path, classes=12)
    file.write_text("\n".join(["other", *(str(one) for one in range(9, -1, -1)), "more"]))
    run = make_run(*PRETRAINED, "model=onnx", f"model.file={path}", f"model.classes={file}")
    assert execute(run).state is State.DONE
    images = torch.rand(4, 1, 28, 28)
    wanted = (images.flatten(1) @ weight)[:, list(range(10, 0, -1))]
    assert torch.allclose(robust.load(run.folder)(images), wanted, atol=1e-4)


def test_probabilities_are_told_from_logits(make_run, tmp_path):
    path = tmp_path / "net.onnx"
    weight = write_onnx(path, softmax=True)
    run = make_run(*PRETRAINED, "model=onnx", f"model.file={path}", "model.outputs=probabilities")
    assert execute(run).state is State.DONE
    images = torch.rand(4, 1, 28, 28) / 50
    wanted = (images.flatten(1) @ weight).softmax(1)
    assert torch.allclose(robust.load(run.folder)(images).softmax(1), wanted, atol=1e-5)


def test_a_network_that_would_have_a_new_head_or_no_statistics_is_not_measured_as_it_is_given(make_run, timm_weights):
    with pytest.raises(ValueError, match=r"`model=resnet18` would have a new head.* Take the folder of a run"):
        make_run(*PRETRAINED, "model=resnet18")
    with pytest.raises(ValueError, match=r"`model\.standardize` must be own or none.*got channel"):
        make_run(*PRETRAINED, *timm_weights, "model.standardize=channel")


def test_a_file_of_the_same_name_and_other_content_is_another_run(make_run, tmp_path):
    path = tmp_path / "net.onnx"
    write_onnx(path)
    first = make_run(*PRETRAINED, "model=onnx", f"model.file={path}")
    write_onnx(path, softmax=True)
    assert make_run(*PRETRAINED, "model=onnx", f"model.file={path}").folder != first.folder
