"""Old and new together outside of a task: the same answers as those of a run's ensemble, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from peft import PeftModel
from transformers import AutoModelForCausalLM

from architectures import tiny
from bases import cut_differently
from places import ROOT
from samples import colour_rows, generation
from stillright import Ensemble, parse_update, run_update
from stillright.errors import ConfigError, DataError, ModelError
from stillright.importers import read_predictions

ROWS = colour_rows(12, seed=1)  # those of the test split
PROMPTS = [f"{row['question']}?" for row in ROWS]


def answered(values: dict[str, Any], **changed: Any) -> tuple[dict[str, list[str]], list[str]]:
    """What old, new and the ensemble of a run answer, and the names of its task models."""
    values = {**values, **changed, "align": False, "controls": ["ensemble"]}
    run_update(parse_update(values, "test"))
    out = Path(values["out"])
    tables = {name: read_predictions(out / f"predictions/{name}.jsonl").table for name in ("old", "new", "ensemble")}
    column = "prediction" if "choices" in values["task"] else "output"
    return {name: [*table[column]] for name, table in tables.items()}, [
        f"{values[name]}+{out / 'adapters' / name}" for name in ("old", "new")
    ]


def in_memory(names: list[str]) -> list[PeftModel]:
    """The models as a user loads them, in float32."""
    parts = [name.split("+") for name in names]
    return [PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), each) for base, each in parts]


def chosen(both: Ensemble) -> list[str]:
    return [str(both.choose(prompt, row["choices"])) for prompt, row in zip(PROMPTS, ROWS, strict=True)]


def test_it_answers_as_the_ensemble_of_a_run(update_values: dict[str, Any], tmp_path: Path) -> None:
    answers, names = answered(update_values)
    assert chosen(Ensemble(*in_memory(names))) == answers["ensemble"]
    assert answers["ensemble"] not in (answers["old"], answers["new"])
    task = generation(update_values["task"], "rouge1")
    texts, names = answered(update_values, task=task, out=str(tmp_path / "told"))
    assert Ensemble(*in_memory(names)).generate(PROMPTS, max_new_tokens=8) == texts["ensemble"]
    assert texts["ensemble"] not in (texts["old"], texts["new"])


def test_models_by_name_are_loaded_as_a_run_does(update_values: dict[str, Any]) -> None:
    """In the dtype of the device, where one sample a batch is rounded as here."""
    answers, names = answered(update_values, dtype="auto", predict_batch_size=1)
    assert chosen(Ensemble(*names)) == answers["ensemble"]


def test_what_it_chooses_follows_the_delimiter(bases: tuple[Path, Path]) -> None:
    both = Ensemble(*map(str, bases))
    choices = ["red", "green", "blue", "white", "black", "brown"]
    assert both.choose(PROMPTS[0], choices) == both.choose(PROMPTS[0], [f" {each}" for each in choices], delimiter="")
    assert both.choose(PROMPTS[0], ["red", "red"]) == 0


def test_only_generation_needs_one_tokenizer(bases: tuple[Path, Path], make_base: Callable[..., Path]) -> None:
    both = Ensemble(str(bases[0]), str(cut_differently(make_base(seed=7))))
    assert both.choose(PROMPTS[0], ["red", "green"]) in (0, 1)
    with pytest.raises(ModelError, match="only with one tokenizer; those of old and new cut prompt 0 differently"):
        both.generate(PROMPTS)


def test_a_token_that_is_another_word_is_refused(bases: tuple[Path, Path], make_base: Callable[..., Path]) -> None:
    other = make_base(seed=8)
    file = other / "tokenizer.json"
    swapped = {'"!":1': '"!":2', '"\\"":2': '"\\"":1'}
    text = re.sub(r'("(?:\\"|!)"): (\d)', r"\1:\2", file.read_text())
    assert all(text.count(pair) == 1 for pair in swapped)
    file.write_text(re.sub("|".join(map(re.escape, swapped)), lambda found: swapped[found[0]], text))
    with pytest.raises(ModelError, match="token 1 is .* for the old model and .* for the new one"):
        Ensemble(str(bases[0]), str(other)).generate(PROMPTS)


def test_mistakes_are_refused(bases: tuple[Path, Path]) -> None:
    both = Ensemble(*map(str, bases))
    with pytest.raises(ConfigError, match="choices='red': expected a list of at least one text"):
        both.choose(PROMPTS[0], "red")
    with pytest.raises(ConfigError, match=r"prompts=\[\]: expected a list"):
        both.generate([])
    with pytest.raises(ConfigError, match="max_new_tokens=128: the models read only 128"):
        both.generate(PROMPTS, max_new_tokens=128)
    with pytest.raises(DataError, match="no token of its own"):
        both.choose(PROMPTS[0], ["red", ""], delimiter="")
    model = AutoModelForCausalLM.from_pretrained(bases[0])
    with pytest.raises(ModelError, match="old: shares weights with new"):
        Ensemble(model, model)
    with pytest.raises(ModelError, match="model LlamaForCausalLM: was not loaded from a folder or hub id"):
        Ensemble(tiny("llama"), str(bases[1]))


def test_the_documented_lines_run(bases: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Those of docs/strategies.md, with tiny bases in the place of what `make demo` leaves."""
    (lines,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/strategies.md").read_text(), flags=re.DOTALL)
    for role, base in zip(("old", "new"), bases, strict=True):
        place = f"src/stillright/demo/data/{role}_build+runs/demo/adapters/{role}"
        assert place in lines
        lines = lines.replace(place, str(base))
    names: dict[str, Any] = {}
    exec(lines, names)
    assert names["number"] in (0, 1)
    assert isinstance(names["text"], str)
