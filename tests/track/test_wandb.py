"""What W&B keeps of a run, read back from its offline files."""

import html
import itertools
import json
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import wandb
import yaml
from wandb.sdk.lib.wbauth.wbnetrc import write_netrc_auth
from wandb.util import get_core_path

from robust.experiment.execute import execute
from robust.experiment.experiment import Experiment
from robust.experiment.prepare import prepare
from robust.learn import EpochLogger
from robust.page import brief
from robust.runs import State, collect
from robust.sweep import launch, sweep
from robust.tolerated import tolerated_levels
from robust.track import dashboard as dashboards
from robust.track.wandb import WandbTracker, has_key

ROOT = Path(__file__).parent.parent.parent
WANDB = ["logger=wandb", "evaluation.trials=2"]
KEY = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def no_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("API_KEY", "BASE_URL", "ENTITY", "MODE", "PROJECT", "RUN_ID", "SWEEP_ID"):
        monkeypatch.delenv(f"WANDB_{name}", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "config"))


def inspect(session: Path, *options: str) -> str:
    """What `wandb leet inspect` says, which calls this."""
    command = [get_core_path(), "leet", "inspect", "--no-observability", "--json", *options]
    command += ["--run-file", *session.glob("*.wandb"), session.parent]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def sessions(folder: Path) -> list[Path]:
    return sorted(folder.glob("wandb/offline-run-*"))


def read(session: Path) -> tuple[dict[str, Any], list[dict[str, Any]], dict[str, Any]]:
    """The record of a W&B run, its history and its summary."""
    records = [json.loads(line) for line in inspect(session).splitlines()]
    (run,) = (one["run"] for one in records if one["type"] == "run")
    history = [one["history"]["item"] for one in records if one["type"] == "history"]
    return run, history, json.loads(inspect(session, "--summary"))


def table(session: Path, summary: dict[str, Any], name: str) -> pd.DataFrame:
    content = json.loads((session / "files" / summary["summary"][f"tables/{name}"]["path"]).read_text())
    return pd.DataFrame(content["data"], columns=content["columns"])


def test_a_dashboard_has_all_there_is_to_know_of_a_run(make_run: Callable[..., Experiment]) -> None:
    run = make_run("technique=incremental", "perturb=noise", "+sweep.name=grid", *WANDB)
    assert execute(run).state is State.DONE
    (session,) = sessions(run.folder)
    record, history, summary = read(session)
    assert record["project"] == "robust"
    assert record["run_group"] == "grid"
    assert record["job_type"] == "train"
    assert record["display_name"] == "incremental noise 0.05 max_epochs=2, seed 0"
    assert record["tags"] == ["digits", "convnet_mnist", "incremental", "noise"]
    assert summary["config"]["perturb"]["level"] == 0.05
    assert summary["config"]["technique"]["share"]["_target_"] == "robust.learn.Linear"
    assert summary["exit_code"] == 0

    curve = pd.read_csv(run.folder / "metrics.csv")
    epochs = [one for one in history if "train_loss" in one]
    for name in ("epoch", "train_loss", "train_accuracy", "perturbed_share"):
        assert [one[name] for one in epochs] == pytest.approx(curve[name].tolist()), name
    assert curve["perturbed_share"].tolist() == [0, 0.5]

    scores = json.loads((run.folder / "summary.json").read_text())
    found = summary["summary"]
    for name in ("natural", "worst"):
        assert found[f"accuracy/{name}"] == pytest.approx(scores[name])
    assert found["accuracy/worst_condition"].startswith("noise ")
    assert found["mean/noise"] == pytest.approx(scores["suites"]["noise"]["mean"])
    for one in scores["conditions"]:
        title = "natural" if one["test_perturbation"] == "natural" else f"noise {one['test_level']:g}"
        assert found[f"conditions/{title}"] == pytest.approx(one["mean"])

    rows = pd.read_csv(run.folder / "rows.csv")
    assert table(session, summary, "rows")["accuracy"].tolist() == pytest.approx(rows["accuracy"].tolist())
    assert table(session, summary, "confusion")["count"].sum() == rows["n"].sum()
    for name in dashboards.FIGURES:
        assert (session / "files" / found[name]["path"]).read_bytes().startswith(b"\x89PNG")
        assert found[name]["caption"]
    assert {*dashboards.CURVES, *dashboards.SCORES, *dashboards.FIGURES, *dashboards.TABLES} <= set(found)


def test_findings_and_tolerated_levels_are_told_as_the_page_says_them(make_run: Callable[..., Experiment]) -> None:
    asked = ["evaluation=tolerance", "evaluation.families=[noise]", "evaluation.tolerance.between=0", *WANDB]
    run = make_run("technique=incremental", "perturb=noise", *asked)
    assert run.reference is not None
    assert execute(run.reference).state is State.DONE
    assert execute(run).state is State.DONE
    folders = [run.reference.folder, run.folder]
    (session,) = sessions(run.folder)
    summary = read(session)[2]
    said = table(session, summary, "findings")
    assert said[said["of"] == "found"]["sentence"].tolist() == brief(collect(folders), folders).found
    (told,) = table(session, summary, "tolerance").to_dict("records")
    known = tolerated_levels(folders, collect(folders)).set_index("title").drop("natural").iloc[0]
    assert (told["level"], told["ratio"]) == pytest.approx((known["level"], known["ratio"]))
    assert summary["summary"]["tolerated/noise"] == pytest.approx(known["level"])
    assert summary["summary"]["tolerated_ratio/noise"] == pytest.approx(known["ratio"])


class StopError(BaseException):
    """As a signal stops a run."""


def test_a_resumed_run_continues_its_wandb_run(
    make_run: Callable[..., Experiment], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(*WANDB, "trainer.max_epochs=4", "trainer.checkpoint_every_s=0")
    collect = EpochLogger.on_train_epoch_end

    def stop(self: EpochLogger, trainer: Any, module: Any) -> None:
        collect(self, trainer, module)
        if trainer.current_epoch == 2:
            raise StopError

    with monkeypatch.context() as patch:
        patch.setattr(EpochLogger, "on_train_epoch_end", stop)
        with pytest.raises(StopError):
            execute(run)
    assert execute(run).state is State.DONE
    first, second = sessions(run.folder)
    (one, before, stopped), (other, after, ended) = read(first), read(second)
    assert one["run_id"] == other["run_id"]
    assert stopped["exit_code"] == 1
    assert stopped["summary"]["failed"] == "interrupted"
    assert ended["summary"]["failed"] == ""
    assert [item["epoch"] for item in before if "train_loss" in item] == [0, 1]
    assert [item["epoch"] for item in after if "train_loss" in item] == [2, 3]


def test_measuring_what_was_trained_before_is_a_test(make_run: Callable[..., Experiment]) -> None:
    assert execute(make_run("evaluation=none")).state is State.DONE
    run = make_run(*WANDB)
    assert execute(run).state is State.DONE
    (session,) = sessions(run.folder)
    record, history, summary = read(session)
    assert record["job_type"] == "test"
    assert not [one for one in history if "train_loss" in one]
    assert "accuracy/natural" in summary["summary"]


def test_what_was_done_before_without_wandb_is_told_when_it_is_asked_for(make_run: Callable[..., Experiment]) -> None:
    assert execute(make_run("model.dropout=0.25")).state is State.DONE
    run = make_run("model.dropout=0.25", *WANDB)
    assert run.status().state is State.ABSENT
    assert execute(run).state is State.DONE
    assert run.status().state is State.DONE
    (session,) = sessions(run.folder)
    assert "accuracy/worst" in read(session)[2]["summary"]
    execute(run)
    assert sessions(run.folder) == [session], "told once"


def test_an_agents_run_is_told_whoever_did_it_before(
    make_run: Callable[..., Experiment], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert execute(make_run(*WANDB)).state is State.DONE
    monkeypatch.setenv("WANDB_SWEEP_ID", "sweep")
    monkeypatch.setenv("WANDB_RUN_ID", "agents")
    wandb.teardown()  # an agent's process is a new one, and reads its environment once
    run = make_run(*WANDB)
    assert execute(run).state is State.DONE
    assert run.status().state is State.DONE
    (session,) = [one for one in sessions(run.folder) if one.name.endswith("-agents")]
    config = read(session)[2]["config"]
    assert config["technique.name"] == "constant"
    assert "technique" not in config, "there an agent's own choice stands"


def test_a_failed_run_says_why(make_run: Callable[..., Experiment]) -> None:
    run = make_run("technique=natural", "optimizer.lr=1e30", *WANDB)
    assert execute(run).state is State.FAILED
    (session,) = sessions(run.folder)
    summary = json.loads(inspect(session, "--summary"))
    assert summary["exit_code"] == 1
    assert summary["summary"]["failed"].startswith("Training diverged")


def test_the_report_of_a_sweep_is_a_run_of_its_own(
    quick: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs = [["perturb=noise", *quick, *WANDB, "logger.group=both", f"runs_dir={tmp_path / 'runs'}"]]
    sweep(jobs, lambda left: launch(left, pack=1))
    said = capsys.readouterr().out
    assert f"tracked: W&B project robust; wandb sync --yes {tmp_path}/runs/*/wandb/offline-run-* uploads" in said
    runs = sorted((tmp_path / "runs").glob("*/wandb"))
    assert [path.parent.name.split("-")[0] for path in runs] == ["digits", "digits", "report"]
    (session,) = sessions(runs[-1].parent)
    record, _, summary = read(session)
    assert (record["job_type"], record["run_group"]) == ("report", "both")
    assert {"page", "figures/accuracy", "figures/confusion-digits", "tables/models"} <= set(summary["summary"])
    assert len(table(session, summary, "models")) == 2
    page = session / "files" / summary["summary"]["page"]["path"]
    assert "constant noise 0.05" in page.read_text()
    found = table(session, summary, "findings")
    text = html.unescape(re.sub("<[^>]*>", "", page.read_text()))
    assert len(found) > 4
    assert all(one in text for one in found["sentence"])


def test_a_key_is_written_nowhere_and_everything_lies_in_the_runs_folder(
    make_run: Callable[..., Experiment], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_MODE", "offline")
    run = make_run(*WANDB)
    assert execute(run).state is State.DONE
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len([path for path in files if "wandb" in path.parts]) > 5
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []
    manifests = [line for line in inspect(sessions(run.folder)[0]).splitlines() if "local_path" in line]
    assert manifests
    assert all(f'"local_path":"{run.folder}/wandb/' in line for line in manifests)


def test_it_is_offline_without_a_key_and_online_with_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def mode(**settings: Any) -> str:
        return WandbTracker(None, project="robust", **settings).mode  # type: ignore[arg-type]

    assert not has_key()
    assert mode() == "offline"
    write_netrc_auth(host=wandb.Settings().base_url, api_key=KEY)  # as `wandb login` does
    assert mode() == "online"
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.example.org:8080")
    assert mode() == "offline"
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    assert mode() == "online"
    assert mode(mode="disabled") == "disabled"
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert mode() == "offline"
    monkeypatch.setenv("WANDB_MODE", "dryrun")
    assert mode() == "offline"
    with pytest.raises(ValueError, match=r"`logger.mode` must be online, offline, .* or left out; got 'dry'"):
        mode(mode="dry")
    monkeypatch.setenv("WANDB_MODE", "off")
    with pytest.raises(ValueError, match=r"`WANDB_MODE` must be online, .*; got 'off'"):
        mode()
    with pytest.raises(ValueError, match=r"`logger.tags` must have 1 to 64 characters each; got 'xxx"):
        mode(mode="offline", tags=["fine", "x" * 65])


@pytest.mark.parametrize("name", [path.name for path in sorted((ROOT / "scripts" / "wandb").glob("*.yaml"))])
def test_what_an_agent_of_a_wandb_sweep_calls_can_be_run(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_SWEEP_ID", "abc")
    definition = yaml.safe_load((ROOT / "scripts" / "wandb" / name).read_text())
    assert (ROOT / definition["program"]).is_file()
    assert definition["command"][1:] == ["python", "${program}", "${args_no_hyphens}"]
    choices = {key: _values(one) for key, one in definition["parameters"].items()}
    runs = []
    for values in itertools.product(*choices.values()):
        arguments = [f"{key}={value}" for key, value in zip(choices, values, strict=True)]
        runs.append(prepare([*arguments, f"runs_dir={tmp_path}"]))
    assert len({run.folder for run in runs}) == len(runs) > 1
    for run in runs:
        assert run.config.logger._target_ == "robust.track.WandbTracker"
        if run.parents:  # the agent's W&B run is the child's
            assert run.parents[""].config.logger._target_ == "robust.track.Tracker"
    if "metric" in definition:
        assert definition["metric"]["name"] in dashboards.SCORES


def _values(parameter: dict[str, Any]) -> list[Any]:
    if "distribution" in parameter:
        return [parameter["min"], parameter["max"]]
    return parameter.get("values", [parameter.get("value")])


@pytest.mark.filterwarnings("ignore:Pydantic V1 style")
@pytest.mark.filterwarnings("ignore:Support for class-based `config`")
def test_the_dashboard_shows_what_is_logged() -> None:
    content = dashboards.dashboard("me", "robust")._to_model().spec.model_dump_json(by_alias=True)
    tolerated = [*dashboards.LEVELS, *dashboards.RATIOS, "tables/tolerance"]
    for name in (*dashboards.CURVES, *dashboards.SCORES, *dashboards.FIGURES, *dashboards.TABLES, *tolerated, "page"):
        assert name.removeprefix("tables/") in content, name


def test_a_dashboard_needs_an_account(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="A dashboard is saved in an account, and there is no key of one: `wandb log"):
        dashboards.save_dashboard("me", "robust")


def test_a_server_that_does_not_answer_is_not_waited_for(
    make_run: Callable[..., Experiment], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setattr("robust.track.wandb._PATIENCE_S", 1)
    run = make_run(*WANDB)
    begun = time.monotonic()
    assert execute(run).state is State.DONE
    assert time.monotonic() - begun < 30
    assert "W&B does not answer" in (run.folder / "log.txt").read_text()
    record, _, _ = read(*sessions(run.folder))
    assert record["job_type"] == "train"
