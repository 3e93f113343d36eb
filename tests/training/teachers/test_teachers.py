"""Teachers on disk: equal to the live model, continued after a kill, shared by strategies, made again when damaged."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from rich.console import Console

from caches import cached
from stillright.config import parse_update
from stillright.errors import ModelError
from stillright.forward import heads
from stillright.forward.heads import LMHead
from stillright.models import Source, load_base
from stillright.pipeline import run_update
from stillright.training import align, text
from stillright.training.loop import train_adapter
from stillright.training.teachers import cache, stage
from stillright.training.teachers.cache import DONE, open_cache
from stillright.training.teachers.cached import CachedTeachers
from stillright.training.teachers.forms import Form, Hidden, Sampled, TopK
from stillright.training.text import Text

IDS = [[5, 6, 7, 8], [9, 10], [11, 12, 13, 14, 15], [16, 17, 18]]
TEXTS = [Text(ids) for ids in IDS]


@pytest.fixture
def model(make_base: Callable[..., Path]) -> Any:
    return load_base(Source(str(make_base(seed=3))), torch.float32)


def test_a_cache_is_what_the_live_model_outputs(model: Any, tmp_path: Path) -> None:
    cached(model, TEXTS, tmp_path)
    teacher = open_cache(tmp_path)
    assert teacher.head is not None
    for i, ids in enumerate(IDS):
        live = model(input_ids=torch.tensor([ids])).logits[0, :-1]
        rows = teacher.rows(i)
        torch.testing.assert_close(
            teacher.head.logits(teacher.outputs.columns["hidden"][rows], 320), live, rtol=1e-4, atol=1e-5
        )
        assert teacher.outputs.prediction[rows].tolist() == live.argmax(-1).tolist()
        logp = live.log_softmax(-1)[torch.arange(len(ids) - 1), torch.tensor(ids[1:])]
        torch.testing.assert_close(teacher.outputs.logp[rows], logp, rtol=1e-4, atol=1e-5)


def test_padding_of_a_vocabulary_has_no_probability(make_base: Callable[..., Path], tmp_path: Path) -> None:
    """Tokens beyond those that old and new share are not predicted, likely as they may seem."""
    padded = load_base(Source(str(make_base(seed=4, vocabulary=384))), torch.float32)
    padded.lm_head.weight.data[320:] *= 50
    cached(padded, TEXTS, tmp_path)
    outputs = open_cache(tmp_path).outputs
    live = torch.cat([padded(input_ids=torch.tensor([ids])).logits[0, :-1] for ids in IDS])
    assert (live.argmax(-1) >= 320).any()
    assert outputs.prediction.tolist() == live[:, :320].argmax(-1).tolist()
    labels = torch.tensor([i for ids in IDS for i in ids[1:]])
    logp = live[:, :320].log_softmax(-1)[torch.arange(len(labels)), labels]
    torch.testing.assert_close(outputs.logp, logp, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("padded", ["old", "new"])
def test_an_update_s_teachers_share_a_vocabulary(
    update_values: dict[str, Any], make_base: Callable[..., Path], padded: str
) -> None:
    printed({**update_values, padded: str(make_base(seed=5, vocabulary=384))})
    for role in ("old", "new"):
        teacher = open_cache(Path(update_values["out"]) / ".stillright/teachers" / role)
        assert teacher.head is not None
        assert len(teacher.head.weight) == (384 if role == padded else 320)
        shared = teacher.head.logits(teacher.outputs.columns["hidden"], 320).log_softmax(-1)
        assert (shared - teacher.outputs.logp[:, None]).abs().amin(-1).max() < 1e-5  # it is that of some token
        assert teacher.outputs.prediction.tolist() == shared.argmax(-1).tolist()


def test_only_scored_tokens_have_rows(model: Any, tmp_path: Path) -> None:
    scored = [Text(ids, first) for ids, first in zip(IDS, (2, 1, 3, 3), strict=True)]
    cached(model, TEXTS, tmp_path / "all")
    cached(model, scored, tmp_path / "scored")
    every, teacher = open_cache(tmp_path / "all"), open_cache(tmp_path / "scored")
    assert teacher.starts == [0, 2, 3, 5, 5]  # of four tokens the last two, of three none
    rows = [1, 2, 3, 6, 7]
    assert torch.equal(teacher.outputs.columns["hidden"], every.outputs.columns["hidden"][rows])
    assert torch.equal(teacher.outputs.prediction, every.outputs.prediction[rows])
    assert torch.equal(teacher.outputs.logp, every.outputs.logp[rows])


@pytest.mark.parametrize("form", [TopK(5, 2.0), Sampled(5, 2.0)], ids=["topk", "sampled"])
def test_parts_are_kept_of_the_live_model(model: Any, tmp_path: Path, form: TopK | Sampled) -> None:
    cached(model, TEXTS, tmp_path, form, vocabulary=300)
    teacher = open_cache(tmp_path)
    assert (teacher.form, teacher.vocabulary, teacher.head) == (form, 300, None)
    assert not (tmp_path / "head.safetensors").exists()
    live = torch.cat([model(input_ids=torch.tensor([ids])).logits[0, :-1, :300] for ids in IDS])
    log_p, columns = (live / 2).log_softmax(-1), teacher.outputs.columns
    assert columns["ids"].dtype == torch.int32
    if isinstance(form, TopK):
        likeliest, ids = log_p.topk(5)
        assert torch.equal(columns["ids"], ids.int())
        torch.testing.assert_close(columns["log_p"], likeliest, rtol=1e-4, atol=1e-5)
    else:
        assert 0 <= columns["ids"].min() <= columns["ids"].max() < 300
        torch.testing.assert_close(columns["entropy"], -(log_p.exp() * log_p).sum(-1), rtol=1e-4, atol=1e-5)
    assert teacher.outputs.prediction.tolist() == live.argmax(-1).tolist()
    bytes_a_row = {path.stem: path.stat().st_size / len(live) for path in tmp_path.glob("*.bin")}
    kept = {"ids": 20, "log_p": 20} if isinstance(form, TopK) else {"ids": 20, "entropy": 4}
    assert bytes_a_row == {**kept, "prediction": 8, "logp": 4}


def test_teachers_that_do_not_fit_are_refused(model: Any, tmp_path: Path) -> None:
    for name, form in (("hot", TopK(5, 2.0)), ("cold", TopK(5, 1.0))):
        cached(model, TEXTS, tmp_path / name, form)
    cached(model, TEXTS, tmp_path / "short", TopK(5, 2.0), vocabulary=300)
    hot, cold, short = (open_cache(tmp_path / name) for name in ("hot", "cold", "short"))
    CachedTeachers(hot, hot).refuse_unlike(2.0)
    for pair, temperature in (
        (CachedTeachers(hot, hot), 1.0),
        (CachedTeachers(hot, cold), 2.0),
        (CachedTeachers(hot, short), 2.0),
    ):
        with pytest.raises(ModelError, match=rf"do not match each other or temperature {temperature}; delete them"):
            pair.refuse_unlike(temperature)


@pytest.mark.parametrize("form", [Hidden(), TopK(5, 2.0), Sampled(5, 2.0)], ids=["hidden", "topk", "sampled"])
def test_an_interrupted_teacher_goes_on(
    model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: Form
) -> None:
    monkeypatch.setattr(text, "BATCH_TOKENS", 5)  # a batch per text
    cached(model, TEXTS, tmp_path / "whole", form)
    write, calls = cache._write_batch, iter(range(10))

    def interrupted(*args: Any) -> None:
        if next(calls) == 2:
            raise KeyboardInterrupt
        write(*args)

    monkeypatch.setattr(cache, "_write_batch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cached(model, TEXTS, tmp_path / "broken", form)
    assert len(list((tmp_path / "broken" / DONE).iterdir())) == 2
    written: list[int] = []

    def counted(base: Any, head: Any, spec: Any, numbers: list[int], *rest: Any) -> None:
        written.append(len(numbers))
        write(base, head, spec, numbers, *rest)

    monkeypatch.setattr(cache, "_write_batch", counted)
    cached(model, TEXTS, tmp_path / "broken", form)
    assert written == [1, 1]  # the two that were left
    files = {path.name for path in (tmp_path / "whole").iterdir()}
    assert files == {path.name for path in (tmp_path / "broken").iterdir()} > {"logp.bin", "prediction.bin"}
    for name in files:
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "broken" / name).read_bytes(), name


def shortened(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 3)


def zeroed(file: Path) -> None:
    file.write_bytes(bytes(file.stat().st_size))


@pytest.mark.parametrize("damage", [shortened, zeroed, Path.unlink], ids=["shortened", "zeroed", "removed"])
@pytest.mark.parametrize(
    ("form", "name"),
    [(Hidden(), "hidden"), *((Sampled(5, 2.0), name) for name in ("ids", "entropy", "prediction", "logp"))],
    ids=["hidden", "ids", "entropy", "prediction", "logp"],
)
def test_what_is_damaged_after_an_interruption_is_made_again(
    model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: Callable[[Path], None], form: Form, name: str
) -> None:
    monkeypatch.setattr(text, "BATCH_TOKENS", 5)  # a batch per text
    cached(model, TEXTS, tmp_path / "whole", form)
    write, last = cache._write_batch, IDS.index(max(IDS, key=len))

    def interrupted(base: Any, head: Any, spec: Any, numbers: list[int], *rest: Any) -> None:
        if numbers == [last]:
            raise KeyboardInterrupt
        write(base, head, spec, numbers, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(cache, "_write_batch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            cached(model, TEXTS, tmp_path / "broken", form)
    damage(tmp_path / "broken" / f"{name}.bin")
    cached(model, TEXTS, tmp_path / "broken", form)
    for file in (tmp_path / "whole").iterdir():
        assert file.read_bytes() == (tmp_path / "broken" / file.name).read_bytes(), file.name


@pytest.mark.parametrize("form", [Hidden(), TopK(5, 2.0), Sampled(5, 2.0)], ids=["hidden", "topk", "sampled"])
def test_logits_of_a_long_text_are_not_held_at_once(
    model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: Form
) -> None:
    texts = [Text(list(range(5, 75))), *TEXTS]
    cached(model, texts, tmp_path / "whole", form)
    held, logits = [], LMHead.logits

    def watched(head: LMHead, hidden: torch.Tensor, vocabulary: int) -> torch.Tensor:
        held.append(len(hidden))
        return logits(head, hidden, vocabulary)

    monkeypatch.setattr(LMHead, "logits", watched)
    monkeypatch.setattr(heads, "LOGITS_ON_CPU", 16 * 320)
    cached(model, texts, tmp_path / "parts", form)
    assert max(held) == 16
    found, expected = (open_cache(tmp_path / name).outputs for name in ("parts", "whole"))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def printed(values: dict[str, Any]) -> str:
    console = Console(width=140, record=True, file=Path("/dev/null").open("w"))  # noqa: SIM115
    with console.file:
        run_update(parse_update(values, "test"), console)
        return console.export_text()


def test_strategies_and_seeds_share_teachers(update_values: dict[str, Any]) -> None:
    assert "teach-old: running" in printed(update_values)
    again = printed({**update_values, "strategy": {"mask": "old_only"}, "align_seed": 7})
    assert "align-compat: running" in again
    assert "teach-old: already done" in again
    assert "teach-new: already done" in again


def test_another_cache_format_makes_teachers_again(
    update_values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing else: an adapter is what its teachers were told, in whatever format."""
    printed(update_values)
    monkeypatch.setattr(stage, "CACHE_FORMAT", stage.CACHE_FORMAT + 1)
    again = printed(update_values)
    assert "align-compat: already done" in again
    assert "running" not in again
    again = printed({**update_values, "align_seed": 7})
    assert again.count("teach-old: running") == again.count("teach-new: running") == 1


def test_a_temperature_is_part_of_what_parts_are_kept(update_values: dict[str, Any]) -> None:
    hot = {"strategy": {"temperature": 3.0}}
    printed(update_values)
    again = printed({**update_values, **hot, "teachers": {"form": "hidden", "entries": 9}})  # which it does not read
    assert "align-compat: running" in again
    assert again.count("teach-old: already done") == again.count("teach-new: already done") == 1  # states know none
    parts = {**update_values, "teachers": {"form": "topk", "entries": 8}}
    assert "teach-old: running" in printed({**parts, **hot})
    again = printed({**parts, "strategy": {"temperature": 3.0, "mask": "old_right"}})
    assert again.count("teach-old: already done") == again.count("teach-new: already done") == 1
    again = printed(parts)
    assert again.count("teach-old: running") == again.count("teach-new: running") == 1


@pytest.mark.parametrize("form", ["hidden", "topk", "sampled", "live"])
def test_the_trainer_knows_the_form_of_its_teachers(
    update_values: dict[str, Any], monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """By it the trainer decides what can be trained, and a saved training_args.bin holds it."""
    found: list[tuple[str, int]] = []

    def watched(trainer: Any, *rest: Any) -> Any:
        found.append((trainer.args.teachers, trainer.args.entries))
        return train_adapter(trainer, *rest)

    monkeypatch.setattr(align, "train_adapter", watched)
    printed({**update_values, "teachers": {"form": form, "entries": 7}})
    assert found == [(form, 7)]


def test_a_damaged_cache_is_made_again(update_values: dict[str, Any]) -> None:
    printed(update_values)
    cache = Path(update_values["out"]) / ".stillright/teachers/old/hidden.bin"
    content = bytearray(cache.read_bytes())
    content[3] ^= 1
    cache.write_bytes(content)
    again = printed({**update_values, "align_seed": 7})
    assert "teach-old: running" in again
    assert "teach-new: already done" in again


KILLED_IN_CACHING = """
import os, signal, sys
from stillright.cli import main
from stillright.training import align, text
from stillright.training.loop import train_adapter
from stillright.training.teachers import cache, stage

text.BATCH_TOKENS = 64
write, calls = cache._write_batch, iter(range(100))

def _write_batch(*args):
    if next(calls) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    write(*args)

cache._write_batch = _write_batch
main(["run", sys.argv[1]])
"""


@pytest.mark.parametrize("form", ["hidden", "topk", "sampled"])
def test_a_run_killed_while_caching_resumes_to_the_same_adapter(
    update_values: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    update_values = {
        **update_values,
        "teachers": {"form": form},
        "training": {**update_values["training"], "epochs": 1},
    }
    monkeypatch.setattr(text, "BATCH_TOKENS", 64)
    printed({**update_values, "out": str(tmp_path / "unbroken")})
    update = tmp_path / "update.yaml"
    update.write_text(yaml.safe_dump(update_values))
    killed = subprocess.run([sys.executable, "-c", KILLED_IN_CACHING, str(update)], capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    work = Path(update_values["out"]) / ".stillright/work"
    assert len(list(work.glob(f"teach-old-*/said/{DONE}/*"))) == 3
    again = printed(update_values)
    assert "fit-new: already done" in again
    adapters = [
        Path(out) / "adapters/compat/adapter_model.safetensors" for out in (update_values["out"], tmp_path / "unbroken")
    ]
    assert adapters[0].read_bytes() == adapters[1].read_bytes()
    kept = [
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in (Path(out) / ".stillright/teachers" for out in (update_values["out"], tmp_path / "unbroken"))
    ]
    assert kept[0] == kept[1] != {}
