"""What a user of CompatTrainer sets: TRL's SFTConfig, and the fields of the method."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from trl import SFTConfig

from stillright.config.masks import Mask
from stillright.config.strict import parse
from stillright.config.update import StrategyConfig, TeachersConfig, unmixable
from stillright.errors import ConfigError
from stillright.training.strategies import STRATEGIES


@dataclass
class CompatConfig(SFTConfig):
    """SFTConfig, and what the method adds. Raises ConfigError for a value that is unknown or does not fit another."""

    mask: str = field(
        default="student_wrong",
        metadata={"help": f"Which tokens follow the old model; others follow the new one: {', '.join(STRATEGIES)}."},
    )
    temperature: float = field(default=2.0, metadata={"help": "Temperature of the distillation."})
    ce_weight: float = field(
        default=0.0, metadata={"help": "Weight of cross-entropy beside the distillation, from 0 to 1."}
    )
    teachers: str = field(
        default="hidden",
        metadata={
            "help": "How the teachers' outputs are cached: hidden (exact), sampled (draws), or live (not at all; both "
            "models stay in memory)."
        },
    )
    entries: int = field(default=64, metadata={"help": "Tokens drawn per position by sampled."})
    teachers_dir: str | None = field(
        default=None, metadata={"help": "Folder of the teachers' caches; default: OUTPUT_DIR-teachers."}
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mask in get_args(Mask) and self.mask not in STRATEGIES:
            raise ConfigError(
                f"CompatConfig: mask {self.mask} needs the task, which only `stillright run` and `stillright align` "
                f"know; this trainer has {', '.join(STRATEGIES)}"
            )
        values = {"mask": self.mask, "temperature": self.temperature, "ce_weight": self.ce_weight}
        strategy = parse(StrategyConfig, values, "CompatConfig")
        if problem := unmixable(strategy, self.kept):
            raise ConfigError(f"CompatConfig: {problem}")
        if self.loss_type != "nll" or self.label_smoothing_factor:
            raise ConfigError(
                "CompatConfig: loss_type and label_smoothing_factor belong to a loss that is not trained here"
            )

    @property
    def kept(self) -> TeachersConfig:
        """How the teachers' outputs are cached."""
        return parse(TeachersConfig, {"form": self.teachers, "entries": self.entries}, "CompatConfig.teachers")

    @property
    def teachers_folder(self) -> Path:
        """The folder of their caches."""
        if self.teachers_dir is not None:
            return Path(self.teachers_dir)
        out = Path(str(self.output_dir)).resolve()
        return out.with_name(f"{out.name}-teachers")
