"""`python -m robust.export RUNS`: trained models in the formats of others."""

import argparse
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robust.errors import reported, require

if TYPE_CHECKING:
    from pandas import DataFrame
    from torch import Tensor, nn

#: logits for images, as a model that was exported gives them
Logits = Callable[["Tensor"], "Tensor"]
_TRIED = 5  # images that an exported model is tried on
_TOLERANCE = 1e-4  # by which its logits may differ, of the greatest
_PACKAGES = {"onnx": ("onnx", "onnxscript", "onnxruntime"), "safetensors": ("safetensors",)}  # that formats need
_NORMS = {"Linf": "linf", "L2": "l2"}
_OWN_NORM = {"fgsm": "linf", "universal": "linf"}  # of attacks that have but one


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m robust.export",
        description="Writes the models of finished runs in formats that others read, reads each back, and compares the "
        "logits. All of them take images in [0, 1].",
    )
    parser.add_argument("runs", nargs="+", help="runs' folders, or folders that hold some")
    parser.add_argument("--out", type=Path, default=Path("exported"), help="the folder to write to (exported)")
    parser.add_argument("--formats", default=",".join(FORMATS), help=f"some of {', '.join(FORMATS)} (all)")
    parser.add_argument(
        "--threat",
        default="Linf",
        help="of RobustBench, what the model is to withstand: Linf, L2 or corruptions (Linf)",
    )
    arguments = parser.parse_args()

    from robust.runs import find_runs

    for folder in find_runs(arguments.runs):
        for path, differs in export(
            folder, arguments.out, formats=arguments.formats.split(","), threat=arguments.threat
        ).items():
            print(f"{path}: read back, logits differ by at most {differs:.1g} of the greatest")


def export(run_folder: Path, out: Path, *, formats: list[str], threat: str = "Linf") -> dict[Path, float]:
    """Writes a run's model in each of these formats and reads it back; returns by how much its logits then differ at
    most, as a share of the greatest, by file.

    `onnx`: `out`/<run>.onnx, for any number of images. `safetensors`: `out`/<run>.safetensors, the weights, with the
    network's constructor and arguments as JSON in its metadata (`architecture`). `robustbench`: the weights as
    `out`/models/<data>/<threat>/<run>.pt and what is known of the model as `out`/model_info/<data>/<threat>/<run>.json.
    Raises ValueError for a format or a threat that there is not, a package that is missing, or logits that differ.
    """
    import torch

    from robust.runs import RunFolder, load

    if unknown := [one for one in formats if one not in FORMATS]:
        raise ValueError(f"`--formats` must be some of {', '.join(FORMATS)}; got {unknown[0]}.")
    if threat not in (*_NORMS, "corruptions"):
        raise ValueError(f"`--threat` must be {', '.join(_NORMS)} or corruptions; got {threat}.")
    for name in formats:
        for package in _PACKAGES.get(name, ()):
            require(package, what=f"The format {name}", extra="export")
    model, about = load(run_folder), RunFolder(run_folder).read_rows().iloc[0]
    images = torch.rand(_TRIED, *_architecture(run_folder)["image_shape"], generator=torch.Generator().manual_seed(0))
    found = {}
    for name in formats:
        path, logits = FORMATS[name](model, run_folder, out, data=str(about["data"]), threat=threat)
        with torch.inference_mode():
            found[path] = max(_differs(logits(part), model(part)) for part in (images, images[:1]))
        if not found[path] <= _TOLERANCE:
            raise ValueError(f"{path} gives other logits than {run_folder}: they differ by {found[path]:.1%}.")
    return found


def _differs(found: "Tensor", wanted: "Tensor") -> float:
    return float((found - wanted).abs().max() / wanted.abs().max().clamp(min=1))


def load_safetensors(path: Path) -> "nn.Module":
    """The model of a file that `export` wrote, in eval mode, on the CPU. Raises ValueError where it is not one."""
    safetensors = require("safetensors", what="The format safetensors", extra="export")
    opened = safetensors.safe_open(path, framework="pt")
    about = (opened.metadata() or {}).get("architecture")
    if about is None:
        raise ValueError(f"{path} must say in its metadata which network it is of (architecture); it does not.")
    from robust.runs import make_model

    return make_model(json.loads(about), {name: opened.get_tensor(name) for name in opened.keys()}, path)  # noqa: SIM118


def _to_onnx(model: "nn.Module", run_folder: Path, out: Path, **_: str) -> tuple[Path, Logits]:
    import onnxruntime
    import torch

    from robust.models import TripleStaged

    if isinstance(model, TripleStaged):
        raise ValueError(f"`--formats` must leave out onnx for {run_folder}: a mind's eye looks at images one by one.")
    path = _place(out / f"{run_folder.name}.onnx")
    program = torch.onnx.export(
        model,
        (torch.zeros(2, *_architecture(run_folder)["image_shape"]),),
        dynamo=True,
        input_names=["images"],
        output_names=["logits"],
        dynamic_shapes={"images": {0: torch.export.Dim("batch")}},
        verbose=False,
    )
    assert program is not None
    program.save(path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return path, lambda batch: torch.from_numpy(session.run(["logits"], {"images": batch.numpy()})[0])


def _to_safetensors(model: "nn.Module", run_folder: Path, out: Path, **_: str) -> tuple[Path, Logits]:
    from safetensors.torch import save_file

    path = _place(out / f"{run_folder.name}.safetensors")
    weights = {name: value.contiguous().clone() for name, value in model.state_dict().items()}
    metadata = {"architecture": json.dumps(_architecture(run_folder)), "format": "pt"}
    save_file(weights, path, metadata=metadata)
    return path, load_safetensors(path)


def _to_robustbench(model: "nn.Module", run_folder: Path, out: Path, *, data: str, threat: str) -> tuple[Path, Logits]:
    import torch

    from robust.files import atomic_write
    from robust.runs import make_model

    path = out / "models" / data / threat / f"{run_folder.name}.pt"
    atomic_write(path, lambda file: torch.save({"state_dict": model.state_dict()}, file))
    info = out / "model_info" / data / threat / f"{run_folder.name}.json"
    atomic_write(info, json.dumps(_model_info(run_folder, data, threat), indent=2) + "\n")
    weights = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    return path, make_model(_architecture(run_folder), weights, path)


#: what there is, by name
FORMATS: dict[str, Callable[..., tuple[Path, Logits]]] = {
    "robustbench": _to_robustbench,
    "onnx": _to_onnx,
    "safetensors": _to_safetensors,
}


def _model_info(run_folder: Path, data: str, threat: str) -> dict[str, Any]:
    """What RobustBench lists of a model; accuracies in percent, as text, empty where they were not measured."""
    from robust.measure import NATURAL
    from robust.report import attacks_table
    from robust.report.tables import perturbed_accuracy
    from robust.runs import RunFolder

    rows = RunFolder(run_folder).read_rows()
    about, natural = rows.iloc[0], rows["test_perturbation"] == NATURAL
    attacks = _within_one_ball(attacks_table([run_folder]), _NORMS.get(threat, ""))
    worst = attacks.loc[attacks["robust"].idxmin()] if len(attacks) else None
    auto = attacks[attacks["name"] == "autoattack"]["robust"] if len(attacks) else attacks
    return {
        "link": "",
        "name": f"{about['technique']} {about['train_perturbation']} {about['train_level']:g}".replace(" none 0", ""),
        "authors": "",
        "additional_data": False,
        "number_forward_passes": 1,
        "dataset": data,
        "venue": "",
        "architecture": about["model"],
        "eps": str(worst["eps"]) if worst is not None else "",
        "clean_acc": _percent(rows.loc[natural, "accuracy"].mean()),
        "reported": _percent(worst["robust"] if worst is not None else float("nan")),
        "autoattack_acc": _percent(auto.min() if len(auto) else float("nan")),
        "corruptions_acc": _percent(float(perturbed_accuracy(rows).mean())) if threat == "corruptions" else "",
        "footnote": f"Robust accuracy: {worst['attack']}, {worst['images']} images." if worst is not None else "",
        "unreliable": False,
        "constructor": _architecture(run_folder),
    }


def _within_one_ball(attacks: "DataFrame", norm: str) -> "DataFrame":
    """Those attacks, away from the label, that stay within a distance in this norm: of several distances the one that
    most attacks have, or else the greater; with its `eps`."""
    if attacks.empty:
        return attacks
    settings = attacks["settings"].map(json.loads).map(lambda one: {**one, **(one.get("options") or {})})
    named = zip(settings, attacks["name"], strict=True)
    norms = [str(one.get("norm", _OWN_NORM.get(name, ""))).lower() for one, name in named]
    attacks = attacks.assign(eps=[one.get("eps") for one in settings], norm=norms)
    attacks = attacks[attacks["norm"].eq(norm) & ~attacks["targeted"] & attacks["eps"].notna()]
    if attacks.empty:
        return attacks
    counts = attacks["eps"].value_counts()
    return attacks[attacks["eps"] == max(counts.index, key=lambda eps: (counts[eps], eps))]


def _percent(value: float) -> str:
    return "" if math.isnan(value) else f"{100 * value:.2f}"


def _architecture(run_folder: Path) -> dict[str, Any]:
    from robust.runs import RunFolder, read_checkpoint

    return read_checkpoint(RunFolder(run_folder).model, "architecture")["architecture"]


def _place(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


if __name__ == "__main__":
    reported(main)
