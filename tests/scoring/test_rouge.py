"""ROUGE against values worked out by hand and, of texts in ASCII letters, against the package rouge-score."""

from __future__ import annotations

import math
import re
import unicodedata

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from stillright.scoring import SCORES
from stillright.scoring.rouge import bit_positions, lcs_length, lcs_members, rouge, rouge1
from stillright.scoring.words import words

NAMES = ("rouge1", "rouge2", "rougeL", "rougeLsum")
PEER = RougeScorer(list(NAMES), use_stemmer=False)

# few words, so that many repeat; \u212a is the Kelvin sign, another way to write the letter K
terms = st.sampled_from(["a", "b", "c", "d", "The", "x1", "\u212a", "😀", "\ud800"])
joints = st.sampled_from([" ", " ", "\n", "\n\n", ", ", "-", "_", "'", "”", "\t", "\r\n", "\x85", "\u2028", ""])
wordy = st.lists(st.tuples(terms, joints), max_size=30).map(lambda parts: "".join(word + gap for word, gap in parts))
texts = wordy | st.text(st.characters(max_codepoint=127), max_size=40)
# many LCSs of one length
paragraphs = st.lists(st.text("abc ", max_size=16).map(" ".join), min_size=1, max_size=4).map("\n".join)


def peer(output: str, references: list[str]) -> dict[str, float]:
    return {name: score.fmeasure for name, score in PEER.score_multi(references, output).items()}


@given(texts, st.lists(texts, min_size=1, max_size=3))
def test_equals_rouge_score(output: str, references: list[str]) -> None:
    has_words = any(re.search("[a-z0-9]", text.lower()) for text in references)
    expected = peer(output, references) if has_words else dict.fromkeys(NAMES, math.nan)
    together = {name: float(score[0]) for name, score in rouge([output], [references]).items()}
    alone = {name: float(SCORES[name]([output], [references])[0]) for name in NAMES}
    assert together == pytest.approx(expected, abs=1e-12, nan_ok=True)
    assert alone == pytest.approx(expected, abs=1e-12, nan_ok=True)


@given(paragraphs, paragraphs)
@example("a b\na", "a a")  # which a of the reference a line takes decides
def test_lsum_takes_the_same_of_several_lcs(output: str, reference: str) -> None:
    assume(reference.strip())
    expected = peer(output, [reference])["rougeLsum"]
    assert rouge([output], [[reference]], ["rougeLsum"])["rougeLsum"][0] == pytest.approx(expected, abs=1e-12)


@given(st.lists(st.sampled_from(["a", "b", "c"]), max_size=90), st.lists(st.sampled_from(["a", "b"]), max_size=90))
def test_lcs_length_equals_the_members_of_one(output: list[str], reference: list[str]) -> None:
    length = lcs_length(output, bit_positions(reference), len(reference))
    assert length == lcs_members(output, reference).bit_count()
    assert length == lcs_length(reference, bit_positions(output), len(output))


def test_by_hand() -> None:
    output, reference = "the cat sat on the mat", "The cat lay on a mat."
    # 6 words each; in both: the, cat, on, mat; "the cat"; in order: the cat on mat
    scores = rouge([output], [[reference]])
    assert scores["rouge1"][0] == pytest.approx(4 / 6)
    assert scores["rouge2"][0] == pytest.approx(1 / 5)
    assert scores["rougeL"][0] == pytest.approx(4 / 6)
    assert scores["rougeLsum"][0] == pytest.approx(4 / 6)


def test_lsum_is_a_union_over_lines() -> None:
    # after Lin (2004), section 3.2: "w1 w3 w5" and "w1 w2" together have four of the five words, but in no order
    scores = rouge(["w1 w3 w8 w9 w5\nw1 w2 w6 w7 w8"], [["w1 w2 w3 w4 w5"]])
    assert scores["rougeLsum"][0] == pytest.approx(2 * 4 / (10 + 5))
    assert scores["rougeL"][0] == pytest.approx(2 * 3 / (10 + 5))


def test_of_several_references_the_best_by_each_measure() -> None:
    scores = rouge(["a b c"], [["c b a", "a b x y"]])
    assert scores["rouge1"][0] == 1.0  # by the first
    assert scores["rouge2"][0] == pytest.approx(2 * 1 / (2 + 3))  # by the second


@pytest.mark.parametrize("output", ["", "...", "😀"])
def test_an_output_without_a_word_has_score_zero(output: str) -> None:
    assert {name: score[0] for name, score in rouge([output], [["a"]]).items()} == dict.fromkeys(NAMES, 0.0)


@pytest.mark.parametrize("reference", ["", "...", "😀"])
def test_a_reference_without_a_word_judges_nothing(reference: str) -> None:
    assert all(np.isnan(score[0]) for score in rouge([reference], [[reference]]).values())
    assert rouge(["a b"], [[reference, "a"]])["rouge1"][0] == pytest.approx(2 / 3)  # by the other reference


@pytest.mark.parametrize(
    "text",
    [
        "Ночь была тихой",
        "今天的船已经开走了",
        "船は出ました",
        "배가 떠났습니다",
        "वह चली गई है",
        "سافر القارب اليوم",
        "เรือออกไปแล้ว",
        "naïve café",
    ],
)
def test_texts_in_any_script_and_form(text: str) -> None:
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        scores = rouge([unicodedata.normalize(form, text)], [[text]])
        assert {name: score[0] for name, score in scores.items()} == dict.fromkeys(NAMES, 1.0)
    assert rouge1(text, "не знаю") == rouge1("不知道", text) == 0.0


def test_words_of_other_scripts_by_hand() -> None:
    assert words("Мост закрыт, до весны!") == ["мост", "закрыт", "до", "весны"]
    assert words("हिन्दी में") == ["हिन्दी", "में"]  # marks belong to their letters
    assert words("今天 3 点, OK") == ["今", "天", "3", "点", "ok"]
    assert words("\uff21\uff22\uff23\uff11") == ["abc1"]
    assert words("क्\u200dष") == ["क्ष"]  # a joiner is within a word
    # 3 of 4 and of 5 words in common
    assert rouge1("мост закрыт до осени", "Мост был закрыт до весны") == pytest.approx(2 * 3 / (4 + 5))
    assert rouge1("船已经走了", "船走了") == pytest.approx(2 * 3 / (5 + 3))


def test_long_texts_equal_rouge_score() -> None:
    draw = np.random.default_rng(0)
    output, reference = (" ".join(f"w{word}" for word in draw.integers(0, 40, 400)) for _ in range(2))
    expected = peer(output, [reference])
    assert {name: score[0] for name, score in rouge([output], [[reference]]).items()} == pytest.approx(expected)


def test_rouge1_is_symmetric() -> None:
    assert rouge1("yes, it is", "yes") == rouge1("yes", "yes, it is") == 0.5
