"""Comparison or verdict -> Page: what a report says, in which order. Knows no format; words gives every wording."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from stillright.comparison import Comparison
from stillright.comparison.examples import Regression
from stillright.comparison.measures import MeasureAcross, ModelMeasure
from stillright.report import words
from stillright.report.differences import differing_words
from stillright.report.margins import margins_table
from stillright.report.page import Block, Checks, Lines, LostAnswer, LostAnswers, Page, Section, Table, Terms
from stillright.report.runs import runs_sections
from stillright.verdict import EXIT_CODES, Verdict

MEASURE_HEAD = ["", "n", "mean, old", "mean", "ratio of means", "geometric mean of ratios"]


def comparison_page(comparison: Comparison) -> Page:
    """What an update and each candidate changed: sentences, counts, metrics, slices, lost answers, what answered."""
    old, new = comparison.old.name, comparison.new.name
    title = f"{comparison.task or 'Comparison'}: {old} → {new}"
    return Page(title, words.sentences(comparison), words.note(comparison), list(_sections(comparison)))


def verdict_page(verdict: Verdict) -> Page:
    """The outcome with the number of checks of each kind, and every check."""
    outcomes = [check.outcome for check in verdict.checks]
    counts = ", ".join(f"{outcomes.count(kind)} {kind}" for kind in EXIT_CODES if kind in outcomes)
    checks = Checks([(check.name, check.outcome, check.reason) for check in verdict.checks])
    note = words.allowed(verdict.differences)
    return Page(f"gate: {verdict.outcome} ({counts})", [], note, [Section("", [checks])], verdict.outcome)


def gate_page(verdict: Verdict, comparison: Comparison | None) -> Page:
    """The verdict, and below it the comparison that it judges, if there is one."""
    page = verdict_page(verdict)
    if comparison is None:
        return page
    compared = comparison_page(comparison)
    below = Section(compared.title, [Lines([*compared.summary, compared.note])])
    return page._replace(note="", sections=[*page.sections, below, *compared.sections])


def _sections(comparison: Comparison) -> Iterator[Section]:
    new = comparison.new.name
    yield Section(f"Answers, compared with {comparison.old.name}", [_counts(comparison)])
    yield Section("Metrics", metrics(comparison))
    yield from measured(comparison)
    yield from margins_table(comparison)
    yield from likeness(comparison)
    if comparison.slices:
        yield Section("Slices", [slices_table(comparison)])
    yield Section(f"Answers that {new} lost", [lost_answers(comparison)])
    if comparison.sources:
        yield Section("What answered", [Terms(origins(comparison.sources))])


def likeness(comparison: Comparison) -> list[Section]:
    """How alike the texts of old and new are; empty where there are none."""
    alike = comparison.movement
    if alike is None:
        return []
    parts = [[words.COUNTS[part], words.percent(each)] for part, each in alike.parts.items()]
    title = f"Likeness of old and new outputs (ROUGE-1 of {alike.pairs:,} pairs; 100 %: the same words)"
    return [Section(title, [Table(["", "likeness"], [["all", words.percent(alike.similarity)], *parts])])]


def origins(sources: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str]]:
    """For each model, what its file records of how it was made."""
    return [(name, "; ".join(f"{key}: {text}" for key, text in each.items())) for name, each in sources.items()]


def _counts(comparison: Comparison) -> Table:
    """Quadrants (three parts for continuous results), one column a model after old."""
    models = comparison.flips_by_model
    parts = {part: label for part, label in words.COUNTS.items() if getattr(comparison.comparison, part) is not None}
    rows = [[label, *(words.count(getattr(flips, part)) for _, flips in models)] for part, label in parts.items()]
    return Table(["", *(name for name, _ in models)], rows)


def metrics(comparison: Comparison) -> list[Block]:
    """The score, then each metric that some model has, one column a model; and what these mean."""
    models = comparison.flips_by_model
    rows = [
        [comparison.metric or "score", *(words.score(comparison, model.score_interval) for model in comparison.models)]
    ]
    meanings = []
    for metric, label in words.METRICS.items():
        estimates = [getattr(flips, metric) for _, flips in models]
        cells = [words.score(comparison, each) if metric in words.SIZES else words.percent(each) for each in estimates]
        if set(cells) != {words.DASH}:
            rows.append([label, "", *cells])
            meanings.append((label, words.MEANINGS[metric]))
    rows += [*noise_rows(comparison), *delta_rows(comparison)]
    if comparison.candidates:
        meanings += words.EXCHANGED.values()
    head = ["", *(model.name for model in comparison.models)]
    return [Table(head, rows), Terms(meanings, "What these mean")]


def noise_rows(comparison: Comparison) -> list[list[str]]:
    """The noise floor and what is above it, if a model has several runs."""
    if comparison.nfr_above_noise is None:
        return []
    blank = [""] * len(comparison.candidates)
    noise = [words.percent(model.noise) for model in (comparison.old, comparison.new)]
    return [
        [words.NOISE_FLOOR, *noise, *blank],
        ["NFR above the noise (points)", "", words.points(comparison.nfr_above_noise), *blank],
    ]


def delta_rows(comparison: Comparison) -> list[list[str]]:
    """What each candidate changes against new."""
    if not comparison.candidates:
        return []
    candidates, unit = comparison.candidates, " (points)" if words.are_fractions(comparison) else ""
    changes = [words.score_change(comparison, each.delta_score).removesuffix(" points") for each in candidates]
    return [
        [f"{comparison.metric or 'score'}, against new{unit}", "", "", *changes],
        ["NFR, against new (points)", "", "", *(words.points(each.delta_nfr) for each in candidates)],
        ["NFR, against new (relative)", "", "", *(words.percent(each.delta_nfr_relative, "+") for each in candidates)],
        *(
            [label, "", "", *(words.count(getattr(each, name)) for each in candidates)]
            for name, (label, _) in words.EXCHANGED.items()
        ),
    ]


def measured(comparison: Comparison) -> Iterator[Section]:
    """What answers take, and what several runs tell."""
    if comparison.measures:
        yield Section("What answers take", [measures_table(comparison)])
    yield from runs_sections(comparison)


def measures_table(comparison: Comparison) -> Table:
    """One row a numeric column and model."""
    rows = [
        [f"{measure.column}, {model.name}", *measure_cells(measure.n, measure.old_mean, model)]
        for measure in comparison.measures
        for model in measure.models
    ]
    return Table(MEASURE_HEAD, rows)


def measure_cells(n: int, old_mean: float, found: ModelMeasure | MeasureAcross) -> list[str]:
    """What a row says below MEASURE_HEAD, of a model in n samples."""
    ratios = (words.ratio(each) for each in (found.ratio, found.geometric_ratio))
    return [f"{n:,}", f"{old_mean:,.6g}", f"{found.mean:,.6g}", *ratios]


def slices_table(comparison: Comparison) -> Table:
    """One row a slice, the most significant first."""
    rows = [
        [
            f"{part.column} = {part.value}",
            f"{part.n:,}",
            *(words.score(comparison, model.score) for model in (part.old, part.new)),
            words.count(part.comparison.regression),
            words.count(part.comparison.gain),
            words.percent(part.comparison.nfr),
            words.bare_p(part.p_adjusted),
        ]
        for part in sorted(comparison.slices, key=lambda part: (part.p is None, part.p))
    ]
    return Table(["slice", "n", "old", "new", "lost", "gained", "NFR", "p, adjusted"], rows)


def lost_answers(comparison: Comparison) -> Block:
    """Some of the answers that new lost, and of how many."""
    between = "" if isinstance(comparison.comparison.regression, int) else " between the first runs"
    if not comparison.worst:
        return Lines([f"No answer was lost{between}."])
    answers = [_lost_answer(each, comparison) for each in comparison.worst]
    alike = comparison.worst[0].drop == comparison.worst[-1].drop
    drawn = ", drawn with a fixed seed" if alike and comparison.worst_of > len(answers) else ""
    total = f"of {comparison.worst_of:,}{between}{drawn}"
    return LostAnswers(comparison.old.name, comparison.new.name, answers, total)


def _lost_answer(regression: Regression, comparison: Comparison) -> LostAnswer:
    is_score = comparison.kind == "continuous"
    change = regression.drop if comparison.lower_is_better else -regression.drop
    drop = f" (score {words.score_change(comparison, change)})" if is_score else ""
    reference = " | ".join(regression.reference or ())
    old, new = differing_words(regression.old or "", regression.new or "")
    return LostAnswer(
        label=f"{regression.id}{drop}",
        prompt=regression.prompt or "",
        reference=f"{'reference' if is_score else 'right'}: {reference}" if reference else "",
        old=None if regression.old is None else old,
        new=None if regression.new is None else new,
    )
