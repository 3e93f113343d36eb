"""What an adapter's card tells of the stage that made it; written with the adapter, and anew once it is compared."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stillright.comparison import Comparison
from stillright.config import OldAnswers, TaskConfig, UpdateConfig
from stillright.folder.files import write_atomically
from stillright.hub import CARD, Adapter, Base, card
from stillright.hub.front_matter import front_matter, is_hub_id
from stillright.models import ModelRef, Source
from stillright.report.made import in_one_line, versions
from stillright.report.search import taken
from stillright.stages.data import Data
from stillright.training.search.auto import ACCOUNT

if TYPE_CHECKING:
    from stillright.stages.stage import Stage

SETTINGS = "adapter_config.json"  # of PEFT, beside every adapter
LICENSE = ("license", "license_name", "license_link")
TOLD = {"metric", "filter", "prompt", "delimiter", "train_limit", "test_limit"}  # keys of a task that name no file
ALIGNED = ("align", "transfer")  # kinds of stages that make a compat adapter


def write_card(stage: Stage, data: Data, folder: Path, comparison: Comparison | None = None) -> None:
    """Writes the card of the adapter in `folder`; nothing where a stage makes no adapter.

    comparison: of old and new, with the adapter as the candidate of the stage's name.
    """
    if not (folder / SETTINGS).is_file():
        return
    config, is_compat = stage.config, stage.kind in ALIGNED
    adapter = Adapter(
        name=stage.name,
        kind="compat adapter" if is_compat else "task adapter" if stage.kind == "fit" else "baseline",
        base=base_of(stage.base),
        rank=_rank(folder),
        old=_old(config) if is_compat else None,
        task=config.task.name,
        dataset=dataset_of(data),
        known_rows=data.task.tested_in_training(),
        made=[*_made(stage, folder), ("versions", in_one_line(versions()))],
    )
    write_atomically(folder / CARD, card(adapter, comparison))


def write_card_of_transfer(old: ModelRef, new: ModelRef, settings: Mapping[str, Any], folder: Path) -> None:
    """The same of an adapter that was made from two models' weights alone, for no task."""
    how = [("strategy", in_one_line({"mask": "transfer", **settings})), ("versions", in_one_line(versions()))]
    of = Adapter("compat", "compat adapter", base_of(new.base), _rank(folder), _named(old.base), made=how)
    write_atomically(folder / CARD, card(of))


def base_of(source: Source) -> Base:
    """What is known of a base. Of a folder that is its license, if there is a card with it."""
    known = source.path is None and is_hub_id(source.name, needs_owner=False)
    return Base(source.name, source.commit, _license(source)) if known else Base(license=_license(source))


def _license(source: Source) -> dict[str, str]:
    """What the base's own card says of its license; nothing where it says nothing, or cannot be read."""
    values: dict[str, Any] = {}
    with suppress(Exception):  # of the hub, its HTTP library, or YAML: a card goes without rather than fail a run
        _, values = front_matter(_card_of(source).read_text(encoding="utf-8"), str(source))
    found = {key: str(values[key]) for key in LICENSE if isinstance(values.get(key), str)}
    link = found.get("license_link", "https://")
    if "license" in found and "://" not in link:  # a file beside the base
        found["license_link"] = f"https://huggingface.co/{source.name}/blob/main/{link}"
        if source.path:
            del found["license_link"]
    return found if "license" in found else {}


def _card_of(source: Source) -> Path:
    """The card of a base, from its folder, the local cache or the hub."""
    from huggingface_hub import hf_hub_download

    return source.path / CARD if source.path else Path(hf_hub_download(source.name, CARD, revision=source.commit))


def dataset_of(data: Data) -> str | None:
    """The id on the hub of what is trained on; None for local files, and for what a task makes itself."""
    config = data.task.harness.config
    name = config.dataset_path
    is_local = not isinstance(name, str) or (config.dataset_kwargs or {}).get("data_files") or Path(name).exists()
    return name if not is_local and is_hub_id(name) else None


def _rank(folder: Path) -> int:
    return int(json.loads((folder / SETTINGS).read_text(encoding="utf-8"))["r"])


def _old(config: UpdateConfig) -> str:
    if isinstance(config.old, OldAnswers):
        return "a model that is gone, known by a log of its answers"
    return _named(ModelRef.parse(config.old).base)


def _named(base: Source) -> str:
    return f"an adapter of {base_of(base).id or 'a local base'}"


def _made(stage: Stage, folder: Path) -> Iterator[tuple[str, str]]:
    """What decided the adapter: settings, and what a search found."""
    config = stage.config
    if stage.kind in ALIGNED:
        yield "strategy", in_one_line(config.strategy.model_dump())
        if stage.teachers and not config.strategy.is_choice:
            yield "teachers", in_one_line(config.teachers.determining())
    if (folder / ACCOUNT).is_file():
        yield "found on validation samples", taken(json.loads((folder / ACCOUNT).read_text(encoding="utf-8")))
    yield "LoRA of the task adapters", in_one_line(config.lora.model_dump())
    yield "training", in_one_line(config.training.model_dump())
    yield "task", ", ".join(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in _told(config.task))
    seeds = config.model_dump(include={"split_seed", "fit_seed", "align_seed", "dtype"})
    yield "seeds and precision", in_one_line(seeds)


def _told(task: TaskConfig) -> Iterable[tuple[str, Any]]:
    return {"name": task.name, **task.model_dump(include=TOLD, exclude_defaults=True)}.items()
