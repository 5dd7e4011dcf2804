"""What a run is, and so the name of its folder."""

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

# Where things lie, where and how fast it is computed, and what is measured afterwards: none of it changes what is
# learnt. All else does, also a key that somebody adds. (`recipe` offers values; what was taken from it stands in its
# place in `optimizer`, `trainer` and `data`.)
_LEFT_OUT = frozenset(
    {
        *("evaluation", "plan", "recipe", "runs_dir", "sweep", "workers"),
        *(f"data.{place}{name}" for place in ("", "source.") for name in ("cache_dir", "dir", "download", "path")),
        *(f"trainer.{name}" for name in ("accelerator", "checkpoint_every_s", "devices", "progress", "threads")),
    }
)


@dataclass(frozen=True)
class Identity:
    """What was trained on what, in words, and a hash of everything that determines the weights."""

    data: str
    model: str
    technique: str
    perturbation: str
    level: float
    seed: int
    digest: str

    @property
    def folder(self) -> str:
        """The name of the run's folder: words for people, eight digits of the hash for certainty."""
        perturbed = "" if self.perturbation == "none" else f"-{self.perturbation}-{self.level:g}"
        words = f"{self.data}-{self.model}-{self.technique}{perturbed}-seed{self.seed}"
        return f"{re.sub('[^A-Za-z0-9_.-]', '_', words)[:120]}-{self.digest[:8]}"

    @property
    def title(self) -> str:
        """What to call it in a table."""
        return self.technique if self.perturbation == "none" else f"{self.technique} {self.perturbation} {self.level:g}"


def identify(config: dict[str, Any], *, model: str, perturbation: str, level: float, data_digest: str | None, parent: str | None = None) -> Identity:
    """The identity of the run that this configuration, resolved, describes; `data_digest` tells data sets of one name
    apart, and `parent` is the digest of the run whose weights it starts from."""
    weighty = json.dumps([_prune(config), data_digest, parent], sort_keys=True)
    return Identity(
        data=config["data"]["name"],
        model=model,
        technique=config["technique"]["name"],
        perturbation=perturbation,
        level=level,
        seed=config["seed"],
        digest=hashlib.sha256(weighty.encode()).hexdigest(),
    )


def _prune(config: dict[str, Any], path: str = "") -> dict[str, Any]:
    kept = {}
    for name, value in config.items():
        if path + name not in _LEFT_OUT and value is not None:
            kept[name] = _prune(value, f"{path}{name}.") if isinstance(value, dict) else value
    return kept
