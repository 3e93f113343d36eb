"""ROUGE-1 and ROUGE-L of many pairs, ours beside the package rouge-score: seconds, ratio, largest difference.

    python benchmarks/rouge_speed.py --pairs 100000

One process and one thread for both. The texts are random words of a seeded vocabulary whose frequencies fall like
1 / rank, 25 to 60 words each, so that a pair has about a third of its words in common, as summaries have.
"""

from __future__ import annotations

import argparse
import random
import string
import time
from collections.abc import Callable, Sequence
from itertools import accumulate

import numpy as np
from rouge_score.rouge_scorer import RougeScorer

from stillright.scoring.rouge import Rouge, rouge
from stillright.significance import Array

NAMES: tuple[Rouge, ...] = ("rouge1", "rougeL")
VOCABULARY = 5000
SHORTEST, LONGEST = 25, 60  # words a text
SEED = 0


def random_texts(count: int, draw: random.Random) -> list[str]:
    """`count` texts of random words."""
    vocabulary = ["".join(draw.choices(string.ascii_lowercase, k=draw.randint(2, 10))) for _ in range(VOCABULARY)]
    weights = list(accumulate(1 / rank for rank in range(1, VOCABULARY + 1)))
    lengths = [draw.randint(SHORTEST, LONGEST) for _ in range(count)]
    return [" ".join(draw.choices(vocabulary, cum_weights=weights, k=length)).capitalize() + "." for length in lengths]


def ours(outputs: Sequence[str], references: Sequence[str]) -> Array:
    """(n, 2): ROUGE-1 and ROUGE-L by stillright."""
    scores = rouge(outputs, [[reference] for reference in references], NAMES)
    return np.stack([scores[name] for name in NAMES], axis=1)


def peers(outputs: Sequence[str], references: Sequence[str]) -> Array:
    """(n, 2): ROUGE-1 and ROUGE-L by rouge-score."""
    scorer = RougeScorer(list(NAMES), use_stemmer=False)
    scores = [scorer.score(reference, output) for output, reference in zip(outputs, references, strict=True)]
    return np.array([[score[name].fmeasure for name in NAMES] for score in scores])


def timed(score: Callable[[Sequence[str], Sequence[str]], Array], *texts: Sequence[str]) -> tuple[Array, float]:
    """What `score` returns, and the seconds it took."""
    started = time.perf_counter()
    values = score(*texts)
    return values, time.perf_counter() - started


def report(mine: Array, seconds: float, theirs: Array, peer_seconds: float) -> None:
    """Prints both side by side."""
    rate, peer_rate = len(mine) / seconds, len(theirs) / peer_seconds
    print(f"stillright    {len(mine):>9,} pairs {seconds:8.2f} s {rate:>9,.0f} pairs/s")
    print(f"rouge-score   {len(theirs):>9,} pairs {peer_seconds:8.2f} s {peer_rate:>9,.0f} pairs/s")
    print(f"ratio of the rates {rate / peer_rate:.1f}")
    print(f"mean ROUGE-1 {mine[:, 0].mean():.3f}, ROUGE-L {mine[:, 1].mean():.3f}")
    print(f"largest absolute difference {np.abs(mine[: len(theirs)] - theirs).max():.1e}")


def main() -> None:
    """Scores the pairs twice and prints the comparison."""
    parser = argparse.ArgumentParser(description="ROUGE-1 and ROUGE-L, ours beside rouge-score")
    parser.add_argument("--pairs", type=int, default=100_000, metavar="N", help="pairs of texts (default: 100000)")
    parser.add_argument("--peer-pairs", type=int, metavar="N", help="only the first N by rouge-score (default: all)")
    args = parser.parse_args()
    texts = random_texts(2 * args.pairs, random.Random(SEED))
    outputs, references = texts[: args.pairs], texts[args.pairs :]
    mine, seconds = timed(ours, outputs, references)
    theirs, peer_seconds = timed(peers, outputs[: args.peer_pairs], references[: args.peer_pairs])
    report(mine, seconds, theirs, peer_seconds)


if __name__ == "__main__":
    main()
