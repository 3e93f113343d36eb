"""ROUGE against values worked out by hand and against the package rouge-score."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from stillright.scoring import SCORES
from stillright.scoring.rouge import bit_positions, lcs_length, lcs_members, rouge, rouge1

NAMES = ("rouge1", "rouge2", "rougeL", "rougeLsum")
PEER = RougeScorer(list(NAMES), use_stemmer=False)

# few words, so that many repeat; \u212a is the Kelvin sign, whose lower case is the letter k
words = st.sampled_from(["a", "b", "c", "d", "The", "x1", "naïve", "\u212a", "İ", "ß", "三", "٣", "\ud800"])
joints = st.sampled_from([" ", " ", "\n", "\n\n", ", ", "-", "'", "\t", "\r\n", "\x85", "\u2028", ""])
wordy = st.lists(st.tuples(words, joints), max_size=30).map(lambda parts: "".join(word + gap for word, gap in parts))
texts = wordy | st.text(max_size=40)
# many LCSs of one length
paragraphs = st.lists(st.text("abc ", max_size=16).map(" ".join), min_size=1, max_size=4).map("\n".join)


def peer(output: str, references: list[str]) -> dict[str, float]:
    return {name: score.fmeasure for name, score in PEER.score_multi(references, output).items()}


@given(texts, st.lists(texts, min_size=1, max_size=3))
def test_equals_rouge_score(output: str, references: list[str]) -> None:
    expected = peer(output, references)
    together = {name: float(score[0]) for name, score in rouge([output], [references]).items()}
    alone = {name: float(SCORES[name]([output], [references])[0]) for name in NAMES}
    assert together == pytest.approx(expected, abs=1e-12)
    assert alone == pytest.approx(expected, abs=1e-12)


@given(paragraphs, paragraphs)
@example("a b\na", "a a")  # which a of the reference a line takes decides
def test_lsum_takes_the_same_of_several_lcs(output: str, reference: str) -> None:
    expected = peer(output, [reference])["rougeLsum"]
    assert rouge([output], [[reference]], ["rougeLsum"])["rougeLsum"][0] == pytest.approx(expected, abs=1e-12)


@given(st.lists(st.sampled_from([b"a", b"b", b"c"]), max_size=90), st.lists(st.sampled_from([b"a", b"b"]), max_size=90))
def test_lcs_length_equals_the_members_of_one(output: list[bytes], reference: list[bytes]) -> None:
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


@pytest.mark.parametrize(("output", "reference"), [("", ""), ("", "a"), ("a", ""), ("...", "..."), ("三", "三")])
def test_without_a_word_the_score_is_zero(output: str, reference: str) -> None:
    assert {name: score[0] for name, score in rouge([output], [[reference]]).items()} == dict.fromkeys(NAMES, 0.0)


def test_long_texts_equal_rouge_score() -> None:
    draw = np.random.default_rng(0)
    output, reference = (" ".join(f"w{word}" for word in draw.integers(0, 40, 400)) for _ in range(2))
    expected = peer(output, [reference])
    assert {name: score[0] for name, score in rouge([output], [[reference]]).items()} == pytest.approx(expected)


def test_rouge1_is_symmetric() -> None:
    assert rouge1("yes, it is", "yes") == rouge1("yes", "yes, it is") == 0.5
