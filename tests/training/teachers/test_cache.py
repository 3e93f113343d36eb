"""A cache: equal to what the live model outputs, only for scored tokens, in either form."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from caches import IDS, TEXTS, cached
from stillright.errors import ModelError, RunError
from stillright.forward import heads
from stillright.forward.heads import LMHead
from stillright.models import Source, load_base
from stillright.progress import Progress
from stillright.training.teachers.cache_files import map_outputs, open_cache
from stillright.training.teachers.cache_writing import CacheSpec, build_cache
from stillright.training.teachers.cached_teachers import CachedTeachers
from stillright.training.teachers.forms import Form, Hidden, Sampled
from stillright.training.text import Text


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


def test_draws_are_kept_of_the_live_model(model: Any, tmp_path: Path) -> None:
    form = Sampled(5, 2.0)
    cached(model, TEXTS, tmp_path, form, vocabulary=300)
    teacher = open_cache(tmp_path)
    assert (teacher.form, teacher.vocabulary, teacher.head) == (form, 300, None)
    assert not (tmp_path / "head.safetensors").exists()
    live = torch.cat([model(input_ids=torch.tensor([ids])).logits[0, :-1, :300] for ids in IDS])
    log_p, columns = (live / 2).log_softmax(-1), teacher.outputs.columns
    assert columns["ids"].dtype == torch.int32
    assert 0 <= columns["ids"].min() <= columns["ids"].max() < 300
    torch.testing.assert_close(columns["entropy"], -(log_p.exp() * log_p).sum(-1), rtol=1e-4, atol=1e-5)
    assert teacher.outputs.prediction.tolist() == live.argmax(-1).tolist()
    bytes_a_row = {path.stem: path.stat().st_size / len(live) for path in tmp_path.glob("*.bin")}
    assert bytes_a_row == {"ids": 20, "entropy": 4, "prediction": 8, "logp": 4}


def test_teachers_that_do_not_fit_are_refused(model: Any, tmp_path: Path) -> None:
    for name, form in (("hot", Sampled(5, 2.0)), ("cold", Sampled(5, 1.0))):
        cached(model, TEXTS, tmp_path / name, form)
    cached(model, TEXTS, tmp_path / "short", Sampled(5, 2.0), vocabulary=300)
    hot, cold, short = (open_cache(tmp_path / name) for name in ("hot", "cold", "short"))
    CachedTeachers(hot, hot).refuse_unlike(2.0)
    for pair, temperature in (
        (CachedTeachers(hot, hot), 1.0),
        (CachedTeachers(hot, cold), 2.0),
        (CachedTeachers(hot, short), 2.0),
    ):
        with pytest.raises(ModelError, match=rf"do not match each other or temperature {temperature}; delete them"):
            pair.refuse_unlike(temperature)


@pytest.mark.parametrize("form", [Hidden(), Sampled(5, 2.0)], ids=["hidden", "sampled"])
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


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this system takes no space in advance")
def test_a_cache_takes_its_space_before_it_is_written(tmp_path: Path) -> None:
    """Or a disk that fills up would end the process without a word (SIGBUS)."""
    map_outputs(tmp_path, 4096, Hidden(), 64, torch.float32, write=True)
    taken = {file.name: file.stat().st_blocks * 512 for file in tmp_path.iterdir()}
    assert taken.keys() == {"hidden.bin", "prediction.bin", "logp.bin"}
    assert taken["hidden.bin"] >= 4096 * 64 * 4
    assert taken["prediction.bin"] >= 4096 * 8


def test_a_full_disk_is_named_while_teachers_are_cached(
    model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int, start: int, size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    spec = CacheSpec(TEXTS, {}, Hidden(), 320)
    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", full, raising=False)
        with pytest.raises(RunError, match=r"the disk is full.*free some space"):
            build_cache(model, spec, tmp_path / "work", tmp_path / "out", Progress(Console(quiet=True)), "old")
    build_cache(model, spec, tmp_path / "work", tmp_path / "out", Progress(Console(quiet=True)), "old")
    assert open_cache(tmp_path / "out").starts[-1] == sum(len(ids) - 1 for ids in IDS)
