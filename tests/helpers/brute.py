"""Every metric of docs/metrics.md in plain loops, written from that page alone: what stillright.compare must equal.

Slow and simple on purpose: no arrays, no resampling, and nothing of stillright. A file is a dict of rows by id, a model
a list of files (its runs), models are old, new and candidates. An undefined value is None.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from fractions import Fraction
from itertools import permutations, product
from math import comb, sqrt
from statistics import NormalDist
from typing import Any

Row = dict[str, Any]
File = dict[str, Row]
Model = list[File]
Number = float | None


def right(row: Row | None) -> bool | None:
    """The verdict on a discrete row: `correct`, else whether the prediction is among the right answers."""
    if row is None:
        return None
    if row.get("correct") is not None:
        return bool(row["correct"])
    if row.get("prediction") is None or row.get("reference") is None:
        return None
    return row["prediction"] in row["reference"]


def score(row: Row | None) -> Number:
    return None if row is None or row.get("score") is None else float(row["score"])


def answer(row: Row | None) -> str | None:
    if row is None:
        return None
    prediction: str | None = row.get("prediction")
    return row.get("output") if prediction is None else prediction


def mean(values: Sequence[float]) -> Number:
    return sum(values) / len(values) if values else None


def divided(top: Number, bottom: Number) -> Number:
    return None if top is None or not bottom else top / bottom


def sign_flip_p(values: list[int]) -> float:
    """p of the sign-flip test: how likely is so large a sum, if every value could have the other sign."""
    sums = {0: Fraction(1)}
    for value in values:
        flipped: dict[int, Fraction] = defaultdict(Fraction)
        for total, p in sums.items():
            flipped[total + value] += p / 2
            flipped[total - value] += p / 2
        sums = flipped
    return float(sum(p for total, p in sums.items() if abs(total) >= abs(sum(values))))


def coin_p(heads: int, tails: int) -> float:
    """Exact two-sided p of a fair coin: the McNemar test of gains and regressions, and the sign test."""
    n = heads + tails
    return min(1.0, 2 * sum(comb(n, k) for k in range(min(heads, tails) + 1)) / int(2**n))


def least_difference(v: float, n: int) -> Number:
    normal = NormalDist()
    return None if v == 0 else (normal.inv_cdf(0.975) + normal.inv_cdf(0.8)) * sqrt(v / n)


def ids_of(models: list[Model]) -> tuple[list[str], list[str]]:
    """Ids that some file has, in order of appearance, and those that every file has."""
    files = [file for model in models for file in model]
    seen = list(dict.fromkeys(sample for file in files for sample in file))
    return seen, [sample for sample in seen if all(sample in file for file in files)]


def account(models: list[Model], kind: str, epsilon: float = 0.0, on_missing: str = "drop") -> dict[str, Any]:
    """n, unscored, missing, ids, and old, new, comparison, nfr_above_noise and candidates on the n samples."""
    some, every = ids_of(models)
    verdict = right if kind == "discrete" else score
    if on_missing == "wrong":
        ids = some
    else:
        ids = [sample for sample in every if all(verdict(f[sample]) is not None for m in models for f in m)]
    epsilon = epsilon and epsilon + 1e-9  # which differences of rounding do not exceed
    whole = on_samples(models, ids, kind, epsilon)
    return {"n": len(ids), "ids": ids, "missing": len(some) - len(every), **whole} | {
        "unscored": 0 if on_missing == "wrong" else len(every) - len(ids)
    }


def on_samples(models: list[Model], ids: list[str], kind: str, epsilon: float) -> dict[str, Any]:
    if not ids:
        return {}
    changed = discrete if kind == "discrete" else continuous
    accounts = [changed(models[0], model, ids, epsilon) for model in models[1:]]
    sides = [side(model, ids, kind, epsilon) for model in models]
    floors = [each["noise"] for each in sides[:2] if each["noise"] is not None]
    single = all(len(model) == 1 for model in models)
    candidates = [
        {"score": sides[a]["score"], "comparison": accounts[a - 1], **deltas(accounts[0], accounts[a - 1])}
        | {"delta_nfr_p": flip_p(models[0][0], models[1][0], models[a][0], ids, kind, epsilon) if single else None}
        | exchanged(models[0], models[1], models[a], ids, kind, epsilon)
        for a in range(2, len(models))
    ]
    for each in accounts if not single else ():
        each.update(mcnemar_p=None, sign_p=None)
    above = accounts[0]["nfr"] - sum(floors) / len(floors) if floors else None
    parts = {"old": sides[0], "new": sides[1], "comparison": accounts[0], "candidates": candidates}
    return {**parts, "nfr_above_noise": above, "p": accounts[0]["mcnemar_p" if kind == "discrete" else "sign_p"]}


def lost(before: File, now: File, sample: str, kind: str, epsilon: float) -> bool:
    """Whether a sample is a negative flip from one run to another."""
    if kind == "discrete":
        return bool(right(before.get(sample))) and not right(now.get(sample))
    return float(now[sample]["score"]) - float(before[sample]["score"]) < -epsilon


def nfr(before: File, now: File, ids: list[str], kind: str, epsilon: float) -> float:
    return sum(lost(before, now, sample, kind, epsilon) for sample in ids) / len(ids)


def side(model: Model, ids: list[str], kind: str, epsilon: float) -> dict[str, Any]:
    value = (lambda row: float(bool(right(row)))) if kind == "discrete" else (lambda row: row["score"])
    pairs = list(permutations(model, 2))
    return {
        "runs": len(model),
        "score": mean([value(file.get(sample)) for file in model for sample in ids]),
        "noise": mean([nfr(before, now, ids, kind, epsilon) for before, now in pairs]),
    }


def deltas(new: dict[str, Any], candidate: dict[str, Any]) -> dict[str, Number]:
    """Of a candidate against new, from the accounts of both against old."""
    delta = candidate["nfr"] - new["nfr"]
    delta_score = candidate["delta_score"] - new["delta_score"]
    return {"delta_score": delta_score, "delta_nfr": delta, "delta_nfr_relative": divided(delta, new["nfr"])}


def flip_p(old: File, new: File, candidate: File, ids: list[str], kind: str, epsilon: float) -> float:
    flips = [(lost(old, new, s, kind, epsilon), lost(old, candidate, s, kind, epsilon)) for s in ids]
    return coin_p(flips.count((True, False)), flips.count((False, True)))


def exchanged(old: Model, new: Model, candidate: Model, ids: list[str], kind: str, epsilon: float) -> dict[str, float]:
    """Samples that new alone loses, and those that the candidate alone loses, as means over all runs."""
    runs = list(product(old, new, candidate))
    alone = Counter(
        (lost(before, now, s, kind, epsilon), lost(before, then, s, kind, epsilon))
        for (before, now, then), s in product(runs, ids)
    )
    return {"restored": alone[True, False] / len(runs), "newly_lost": alone[False, True] / len(runs)}


def discrete(old: Model, new: Model, ids: list[str], epsilon: float) -> dict[str, Any]:
    pairs = list(product(old, new))
    parts: Counter[str] = Counter()
    names = {(True, True): "both_right", (False, True): "gain", (False, False): "both_wrong"}
    squares = 0.0
    for sample in ids:
        difference = 0
        for before, now in pairs:
            was, is_now = bool(right(before.get(sample))), bool(right(now.get(sample)))
            parts[names.get((was, is_now), "regression")] += 1
            difference += is_now - was
        squares += (difference / len(pairs)) ** 2
    counts: dict[str, Any] = {name: parts[name] / len(pairs) for name in (*names.values(), "regression")}
    n, old_right = len(ids), counts["both_right"] + counts["regression"]
    new_wrong = counts["both_wrong"] + counts["regression"]
    by_chance = old_right / n * new_wrong / n
    rates = {
        "nfr": counts["regression"] / n,
        "pfr": counts["gain"] / n,
        "nfr_mc": changed_answers(pairs, ids),
        "answer_changed": changed_right_answers(pairs, ids),
        "nfr_of_old_right": divided(counts["regression"], old_right),
        "nfi": divided(counts["regression"], new_wrong),
        "btc": divided(counts["both_right"], old_right),
        "delta_score": (counts["gain"] - counts["regression"]) / n,
    }
    rates["nfr_of_chance"] = divided(rates["nfr"], by_chance)
    rates["nfr_mc_of_chance"] = None
    choices = [old[0].get(sample, {}).get("choices") or 0 for sample in ids]
    if rates["nfr_mc"] is not None and min(choices) > 1:
        q = sum(1.0 / (each - 1) for each in choices) / n
        expected = by_chance + (1 - old_right / n) * (new_wrong / n) * (1 - q)
        rates["nfr_mc_of_chance"] = divided(rates["nfr_mc"], expected)
    return {
        **counts,
        **rates,
        **dict.fromkeys(("unchanged", "mean_gain", "mean_regression", "sign_p")),
        "mcnemar_p": coin_p(parts["gain"], parts["regression"]),
        "smallest_difference": least_difference(squares / n, n),
    }


def changed_answers(pairs: list[tuple[File, File]], ids: list[str]) -> Number:
    changed = []
    for (before, now), sample in product(pairs, ids):
        o, c = before.get(sample), now.get(sample)
        if answer(o) is None or answer(c) is None:
            return None
        lost, both_wrong = right(o) and not right(c), not right(o) and not right(c)
        changed.append(bool(lost or (both_wrong and answer(o) != answer(c))))
    return mean(changed)


def changed_right_answers(pairs: list[tuple[File, File]], ids: list[str]) -> Number:
    """None without a sample that has several right answers, and where an answer is unknown."""
    changed, any_several = [], False
    for (before, now), sample in product(pairs, ids):
        o, c = before.get(sample), now.get(sample)
        if answer(o) is None or answer(c) is None:
            return None
        several = any(len(row.get("reference") or []) > 1 for row in (o, c) if row)
        any_several |= several
        changed.append(bool(several and right(o) and right(c) and answer(o) != answer(c)))
    return mean(changed) if any_several else None


def continuous(old: Model, new: Model, ids: list[str], epsilon: float) -> dict[str, Any]:
    pairs, n = list(product(old, new)), len(ids)
    by_sample = [[now[sample]["score"] - before[sample]["score"] for before, now in pairs] for sample in ids]
    differences = [d for several in by_sample for d in several]
    gains = [d for d in differences if d > epsilon]
    losses = [-d for d in differences if d < -epsilon]
    means = [sum(several) / len(several) for several in by_sample]
    delta = sum(means) / n
    unknown = ("both_right", "both_wrong", "nfr_mc", "nfr_of_old_right", "nfi", "btc", "nfr_of_chance", "mcnemar_p")
    return {
        **dict.fromkeys((*unknown, "nfr_mc_of_chance", "answer_changed")),
        "gain": len(gains) / len(pairs),
        "unchanged": sum(abs(d) <= epsilon for d in differences) / len(pairs),
        "regression": len(losses) / len(pairs),
        "nfr": len(losses) / len(differences),
        "pfr": len(gains) / len(differences),
        "mean_gain": mean(gains),
        "mean_regression": mean(losses),
        "delta_score": delta,
        "sign_p": coin_p(len(gains), len(losses)),
        "smallest_difference": least_difference(sum((d - delta) ** 2 for d in means) / n, n),
    }


def worst(old: File, new: File, ids: list[str], kind: str, epsilon: float) -> list[tuple[str, float]]:
    """Ids and drops of the lost answers, the largest first."""
    epsilon = epsilon and epsilon + 1e-9
    value = (lambda row: float(bool(right(row)))) if kind == "discrete" else (lambda row: row["score"])
    drops = [(sample, value(old.get(sample)) - value(new.get(sample))) for sample in ids]
    return sorted((drop for drop in drops if drop[1] > epsilon), key=lambda drop: -drop[1])


def likeness(old: str, new: str) -> float:
    """ROUGE-1 F-measure: twice the shared words over all words; 1 for equal texts, also without a word."""
    if old == new:
        return 1.0
    a, b = (Counter(re.findall("[a-z0-9]+", text.lower())) for text in (old, new))
    shared = sum((a & b).values())
    return 2 * shared / (a.total() + b.total()) if shared else 0.0


def holm(ps: list[float]) -> list[float]:
    """Smallest p first: times the number of tests not yet rejected, never below the one before."""
    adjusted, floor = dict.fromkeys(range(len(ps)), 0.0), 0.0
    for rank, i in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        floor = adjusted[i] = max(floor, min(1.0, (len(ps) - rank) * ps[i]))
    return list(adjusted.values())
