"""The list of scores: values worked out by hand, several references, empty texts, missing extras."""

from __future__ import annotations

import sys
import types
import unicodedata
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from stillright.errors import DataError, MissingExtra
from stillright.scoring import SCORES
from stillright.scoring.bertscore import bertscore
from stillright.scoring.exact import exact_match, normalized, quasi_exact_match

LIGHT = ("exact_match", "quasi_exact_match", "rouge1", "rouge2", "rougeL", "rougeLsum")
INSTALLED = (*LIGHT, "bleu", "chrf")


def score(name: str, output: str, *references: str) -> float:
    values = SCORES[name]([output], [references])
    assert values.shape == (1,)
    assert values.dtype == np.float64
    return float(values[0])


def test_names() -> None:
    assert tuple(SCORES) == (*INSTALLED, "bertscore")


@pytest.mark.parametrize("name", INSTALLED)
def test_bounds(name: str) -> None:
    text = "A quick brown fox jumps over one lazy dog."
    assert score(name, text, text) == 1.0
    assert score(name, text, "ЖЖ") == 0.0
    assert score(name, "", text) == 0.0
    assert score(name, text, "ЖЖ", text) == 1.0


@pytest.mark.parametrize("name", [*INSTALLED, "bertscore"])
def test_samples_must_fit(name: str) -> None:
    assert SCORES[name]([], []).shape == (0,)
    with pytest.raises(DataError, match="2 outputs, but references for 1"):
        SCORES[name](["a", "b"], [["a"]])
    with pytest.raises(DataError, match="sample 1 has no reference"):
        SCORES[name](["a", "b"], [["a"], []])
    with pytest.raises(DataError, match="sample 0: its references are one text"):
        SCORES[name](["a"], ["a"])


@pytest.mark.parametrize("name", INSTALLED)
def test_order_of_samples_is_kept(name: str) -> None:
    outputs, references = ["one dog", "two", "three men"], [["one dog"], ["ЖЖ"], ["yy", "three men"]]
    assert SCORES[name](outputs, references).tolist() == [1.0, 0.0, 1.0]


def test_exact_match_ignores_only_the_white_space_around() -> None:
    assert exact_match(" Paris\n", "Paris") == 1.0
    assert exact_match("paris", "Paris") == 0.0
    assert exact_match("New  York", "New York") == 0.0


def test_quasi_exact_match_ignores_case_punctuation_and_articles() -> None:
    assert quasi_exact_match("The  Eiffel-Tower!", "eiffeltower") == 1.0
    assert quasi_exact_match("an answer", "Another answer") == 0.0
    assert normalized("A theme: the \tEnd, or an AND?") == "theme end or and"


@pytest.mark.parametrize(
    ("output", "reference"),
    [("cafe\u0301", "caf\u00e9"), ("1.0", "1"), ("1e3", "1000"), ("-0.50", "-.5"), ("True", "true"), ("+7", "7")],
)
def test_one_answer_in_two_forms_matches(output: str, reference: str) -> None:
    assert exact_match(output, reference) == exact_match(reference, output) == 1.0
    assert quasi_exact_match(output, reference) == 1.0


@pytest.mark.parametrize(
    ("output", "reference"),
    [("1.5", "15"), ("-5", "5"), ("12345678901234567", "12345678901234568"), ("007", "7"), ("x²", "x3"), (".", "0")],
)
def test_different_answers_do_not_match(output: str, reference: str) -> None:
    assert exact_match(output, reference) == 0.0
    if output != "007":
        assert quasi_exact_match(output, reference) == 0.0


def test_quasi_exact_match_in_other_scripts() -> None:
    assert quasi_exact_match("東京。", "東京") == 1.0
    assert quasi_exact_match("«Ночь»", "ночь") == 1.0
    assert quasi_exact_match("\uff21\uff22\uff23\uff11", "abc1") == 1.0


@pytest.mark.parametrize(("output", "reference"), [("the", "A"), ("", "A"), ("?!", "..."), ("+", "-"), ("", "!")])
def test_what_normalization_would_remove_is_not_equal(output: str, reference: str) -> None:
    assert quasi_exact_match(output, reference) == 0.0
    assert quasi_exact_match(reference, f" {reference.lower()}") == 1.0


@pytest.mark.parametrize("name", ["bleu", "chrf"])
def test_overlap_in_any_script_and_form(name: str) -> None:
    for text in ("Ночь была тихой", "今天的船已经开走了", "เรือออกไปแล้ว", "cafe\u0301 du port"):
        assert score(name, unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text)) == pytest.approx(1)
    assert score(name, "今天的船已经走了", "今天的船已经开走了") > 0.5  # one of nine characters is missing
    assert np.isnan(score(name, "a", " "))  # nothing to judge by
    assert score(name, "a b c d", " ", "a b c d") == pytest.approx(1)


def test_bleu_by_hand() -> None:
    # precisions 2/3, 1/2, and 1/2 for the 0 of 1 trigram (smoothed); no 4-gram, so three orders count
    assert score("bleu", "the cat sat", "the cat slept") == pytest.approx((2 / 3 / 2 / 2) ** (1 / 3))


def test_bleu_takes_references_together() -> None:
    # precisions 4/4, 2/3, 1/4 and 1/4 (smoothed): each reference has one half of the words
    expected = (2 / 3 / 4 / 4) ** (1 / 4)
    assert score("bleu", "a b c d", "a b x y", "z z c d") == pytest.approx(expected)
    assert score("bleu", "a b c d", "a b x y") < expected


def test_chrf_by_hand() -> None:
    # characters 2/3, bigrams 1/2, trigrams 0/1, precision and recall alike
    assert score("chrf", "abc", "abd") == pytest.approx((2 / 3 + 1 / 2) / 3)


@pytest.mark.parametrize(
    ("name", "package", "extra"),
    [
        ("bleu", "sacrebleu.metrics.bleu", "bleu"),
        ("chrf", "sacrebleu.metrics.chrf", "bleu"),
        ("bertscore", "bert_score", "bertscore"),
    ],
)
def test_a_missing_extra_is_named(name: str, package: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtra) as caught:
        score(name, "a", "b")
    assert str(caught.value).endswith(f"install them with: pip install 'stillright[{extra}]'")
    assert "\n" not in str(caught.value)


class FakeTensor:
    def __init__(self, values: list[float]) -> None:
        self.values = values

    def numpy(self) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        return np.array(self.values, dtype=np.float32)


class FakeScorer:
    """Stands for bert_score.BERTScorer: F1 is the share of the shorter text's length, a little above 1 for equals."""

    def __init__(self, **settings: object) -> None:
        assert settings["model_type"] == "folder"

    def score(self, outputs: Sequence[str], references: Sequence[str]) -> tuple[None, None, FakeTensor]:
        assert all([*outputs, *references])
        lengths = [sorted((len(output), len(text))) for output, text in zip(outputs, references, strict=True)]
        return None, None, FakeTensor([1.0000001 * short / long for short, long in lengths])


def test_bertscore_pairs_references_and_keeps_empty_texts_away(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("bert_score")
    module.BERTScorer = FakeScorer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "bert_score", module)
    outputs = ["ab", "", " ", "abcd", "x"]
    references = [["a", "abcd"], ["", "a"], ["a"], ["ab", "abcd", ""], [""]]
    assert bertscore(outputs, references, model_type="folder") == pytest.approx([0.5, 1.0, 0.0, 1.0, 0.0])
    assert bertscore(["ab"], [["ab"]], model_type="folder").tolist() == [1.0]


@pytest.fixture
def bert_folder(tmp_path: Path) -> Path:
    """A random BERT of two layers, with a tokenizer of whole words."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    vocabulary = {word: number for number, word in enumerate([*special.values(), "the", "cat", "sat", "dog"])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    ends = [("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=32, **special).save_pretrained(tmp_path)
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    BertModel(BertConfig(vocab_size=len(vocabulary), **sizes)).save_pretrained(tmp_path)
    return tmp_path


@pytest.mark.skipif(find_spec("bert_score") is None, reason="the extra bertscore is not installed")
def test_bertscore_with_the_package(bert_folder: Path) -> None:
    outputs, references = ["the cat sat", "", "the dog"], [["a dog", "the cat sat"], ["the"], ["the cat", "sat"]]
    scores = bertscore(outputs, references, model_type=str(bert_folder), num_layers=1)
    assert scores[:2] == pytest.approx([1.0, 0.0])
    assert 0.0 < scores[2] < 1.0
