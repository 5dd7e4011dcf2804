"""Whatever is typed either describes a run, or is refused in one sentence that names the key, the rule and the value.

200 cases; `ROBUST_CAMPAIGN=1` tries 5,000.
"""

import collections
import os
import re
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from robust.errors import one_line
from robust.experiment.prepare import Preparation
from robust.experiment.search_path import CONF
from robust.runs.config import leaves

CASES = 5000 if os.environ.get("ROBUST_CAMPAIGN") else 200
SLOW_S = 60  # of the CPU
#: groups and choices that need no files; what `hydra` takes is its own
CHOICES = {
    group.name: sorted(one.stem for one in group.glob("[!_]*.yaml"))
    for group in sorted(CONF.iterdir())
    if group.is_dir() and group.name not in ("data", "hydra", "sweep")
} | {"data": ["digits", "folder"]}
WORDS = [
    *("abc", "nan", ".nan", "inf", "-inf", "1e999", "null", "true", "no", "", "''", "' '", "-1", "-0.0", "0"),
    *(
        "1",
        "2.7",
        "1e-300",
        "1e300",
        "99999999999999999999999999",
        "9" * 400,
        "-7",
        "0x10",
        "1_000",
        "8/255",
        "8/0",
        "'3'",
    ),
    *("[]", "[1,2]", "[a,b]", "[null]", "[[1],[2]]", "[0.05]", "[-1]", "[0]", "{}", "{a: 1}", "{a: {b: [1]}}"),
    *("{_target_: os.getcwd}", "np.float32(0.1)", "np.int64(5)", "array([1.])", "tensor(1)", "int(2.7)", "str(1)"),
    *("1,2", "range(0,3)", "choice(a,b)", "glob(*)", "interval(0,1)", "shuffle(1,2)", "${seed}", "${nope}", "${seed"),
    *(
        "$",
        "12:30",
        "${oc.env:HOME}",
        "${oc.env:NOPE}",
        "'${.x}'",
        "'${optimizer}'",
        "${now:%Y}",
        "${nope:1}",
        "${oc.decode:'['}",
    ),
    *("über", "数字", "'数字'", "é́", "\u202e", "a b", "'a b'", "a=b", "(2024)", "#1", "'#1'", "~", "~/x", "$HOME/x"),
    *("~x/y", "\x00", "\x1b[0m", "'\n'", "a\nb", "\t", "\ud800", "'", '"', "'''", "\\", "a\\", "'a\\'", "]", "}", "["),
    *(
        "{",
        ",",
        ":",
        "/",
        "/not/there",
        "..",
        "/dev/null",
        "a" * 3000,
        "<b>",
        "=1+1",
        "%s",
        "{0}",
        "[/]",
        "none",
        "auto",
    ),
]

LONG = "a" * 30_000
#: what a campaign found wrong once
FOUND = [
    *(["logger._target_=" + LONG], ["perturb=" + LONG], [LONG + "=1"], [f"recipe.{LONG}=1"]),
    ["recipe.retrain=0.17", "recipe.retrain.lr=-4.0"],
    ["recipe.retrain.optimizer=2e16", "recipe.retrain=180.0"],
    *(
        ["recipe.scratch.optimizer=none"],
        ["recipe.scratch.optimizer=torch.nn.Linear"],
        ["optimizer._target_=os.getcwd"],
    ),
    ["++evaluation.conditions.hot._partial_=~"],
    *(["model.kernel_size=0"], ["model.units=[0]"], ["model=convnet_cifar10", "model.kernel_size=128"]),
    *(["evaluation.conditions.hot.a.b=1"], ["~evaluation.conditions.hot.0"], ["++evaluation.conditions.hot.7=1"]),
    *(
        ["attack=eot", "~attack.perturbation.level"],
        ["attack=table", "+attack.several.x={}"],
        ["+attack.several={a: 1}"],
    ),
    *(["+task.start.a=1"], ["parent.seed=" + "9" * 400], ["task=simclr", "task.module.views=3"]),
    ["task=rotation", "task.images._target_=builtins.list"],
    ["technique=trades", "technique.objective._target_=builtins.dict"],
    *([f"{key}._target_=builtins.dict"] for key in ("model", "perturb.transform", "logger", "task.module")),
]


def keys_of(file: Path) -> list[str]:
    """The dotted keys that a file of choices sets, itself or through what it begins with."""
    text = file.read_text()
    found: Any = yaml.safe_load(text) or {}
    others = [one for one in found.pop("defaults", []) if isinstance(one, str) and one != "_self_"]
    place = "" if "@package _global_" in text or file.parent == CONF else f"{file.parent.name}."
    inherited = [key for one in others if "@" not in one for key in keys_of(file.parent / f"{one}.yaml")]
    found.pop("hydra", None)
    own = [f"{place}{name}" for name, _ in leaves(found)]
    return [*inherited, *(one for one in own if "download" not in one)]  # nothing is fetched


def choice(group: str, name: str) -> tuple[str, list[str]]:
    """A choice, and the keys that come with it."""
    return f"{group}={name}", keys_of(CONF / group / f"{name}.yaml")


USUAL = [key for key in keys_of(CONF / "train.yaml") if key != "parent"] + [
    key
    for one in (
        *("perturb/noise", "technique/constant", "task/classify", "recipe/digits", "data/digits"),
        *("model/convnet_mnist", "evaluation/grid", "trainer/default", "logger/none"),
    )
    for key in keys_of(CONF / f"{one}.yaml")
]
CHOSEN = [choice(group, name) for group, names in CHOICES.items() for name in names]
KEYS = sorted({*USUAL, *(key for _, keys in CHOSEN for key in keys)})
TARGETS = sorted(set(re.findall(r"_target_: (\w[\w.]+)", "".join(one.read_text() for one in CONF.rglob("*.yaml")))))

keys = st.sampled_from(KEYS)
few = st.sampled_from(["[]", "null", "true", "none"])
likely = st.one_of(st.integers(-2, 300).map(str), st.floats(0, 1).map(repr), few)
words = st.one_of(
    likely,
    likely,
    st.sampled_from(WORDS),
    st.sampled_from(WORDS),
    st.floats().map(repr),
    st.text(max_size=8),
    st.text("[]{},:'\"\\$ =.-01ae", max_size=12),
)
usual = st.builds("{}={}".format, st.sampled_from(USUAL), words)
chosen = st.sampled_from([one for one in CHOSEN if one[1]]).flatmap(
    lambda one: st.tuples(st.just(one[0]), st.builds("{}={}".format, st.sampled_from(one[1]), words))
)
odd = st.one_of(
    st.builds("{}{}={}".format, st.sampled_from(["+", "++", "~"]), keys, words),
    st.builds("{}{}.{}={}".format, st.sampled_from(["+", "++", ""]), keys, st.sampled_from(["x", "_partial_"]), words),
    st.builds("{}={}".format, st.sampled_from([*CHOICES, "sweep", "schedule", "foo", "Seed", "perturb@foo"]), words),
    st.builds("~{}".format, st.one_of(keys, st.sampled_from([*CHOICES]))),
    st.builds("{}={}".format, keys.filter(lambda key: key.endswith("_target_")), st.sampled_from(TARGETS)),
    st.builds("+{}@{}={}".format, st.sampled_from([*CHOICES]), keys, st.sampled_from(["noise", "cosine", "none"])),
    st.builds("parent.{}={}".format, keys, words),
    words,
)
cases = st.one_of(
    st.tuples(usual),
    st.tuples(usual, usual),
    st.tuples(st.builds("{}={}".format, st.sampled_from(USUAL), likely)),
    chosen,
    st.tuples(st.builds("{}={}".format, st.sampled_from(USUAL), words), usual),
    st.tuples(st.sampled_from([one for one, _ in CHOSEN]), st.sampled_from([one for one, _ in CHOSEN]), usual),
    st.tuples(odd),
).map(list)


def said_of(error: Exception) -> str:
    """What the user reads; fails where that is no sentence about what was typed."""
    text = one_line(error)
    assert text.isprintable(), text
    assert "`" in text or "cannot be made with" in text, text
    assert not re.search(r"0x[0-9a-f]{6,}|Traceback|object at|\bNoneType\b object", text), text
    assert len(text) < 3000, text
    return text


@pytest.mark.timeout(20000)
def test_whatever_is_typed_is_a_run_or_refused_in_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)  # what is typed may be a path
    fixed = [f"runs_dir={tmp_path / 'runs'}", "trainer.accelerator=cpu"]
    preparation, counts, wrong = Preparation(), collections.Counter[str](), []

    def tried(overrides: list[str]) -> None:
        start = time.process_time()
        try:
            preparation.prepare([*fixed, *overrides])
            counts["prepared"] += 1
        except (ValueError, OSError) as error:
            counts["refused"] += 1
            try:
                said_of(error)
            except AssertionError:
                wrong.append(f"{overrides}: {error!r}")
        except Exception as error:  # noqa: BLE001, the others are still to be tried
            wrong.append(f"{overrides}: {error!r}")
        if (took := time.process_time() - start) > SLOW_S:
            wrong.append(f"{overrides}: took {took:.0f} s")
        if len(wrong) > counts["wrong"]:
            counts["wrong"] = len(wrong)
            print(wrong[-1][:1000], flush=True)

    @settings(
        max_examples=CASES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases)
    def check(overrides: list[str]) -> None:
        tried(overrides)

    for one in FOUND:
        tried(one)
    check()
    print(f"\n{dict(counts)}")
    assert not wrong, "\n".join(wrong)
