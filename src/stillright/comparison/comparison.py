"""compare(): the whole account of one update, from two or more files of per-sample results.

Knows models and the account's shape (docs/metrics.md), not how it is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Unpack

import polars as pl
from pydantic import Field

import stillright
from stillright.comparison.account import Account, account
from stillright.comparison.allow import allowed
from stillright.comparison.attempts import Attempts, attempts
from stillright.comparison.examples import Regression, worst_regressions
from stillright.comparison.identical import identical_runs
from stillright.comparison.joining import joined
from stillright.comparison.likeness import Likeness, likeness
from stillright.comparison.margins import Margins, margins
from stillright.comparison.measures import Measure, measured
from stillright.comparison.models import Model, Options, Results, Settings, read_models, scored_alike
from stillright.comparison.pairing import OnMissing, Paired, pair
from stillright.comparison.reliable import Reliable, reliable
from stillright.comparison.samples import Samples
from stillright.comparison.settings import ComparisonSettings, least_change, refuse_bare_string
from stillright.errors import ConfigError
from stillright.records import TASK, Kind, PredictionSet
from stillright.significance import holm_of_known

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OF_PAIRED = ("task", "metric", "kind", "lower_is_better", "unscored", "counted_wrong", "missing", "differences")


class Slice(Account):
    """The samples that have one value in a column.

    p: of the update (McNemar, or the sign test for continuous results); p_adjusted: among all slices.
    """

    column: str
    value: str
    p: float | None
    p_adjusted: float | None


class Comparison(Account):
    """The whole account of one update.

    lower_is_better: of scores; None where nothing says so, and higher is taken to be. joined_by: "content" where files
    number the same documents differently, so that the documents themselves are the ids.
    unscored: samples in every file that some file does not score; they are not part of n. missing: samples that some
    file lacks. counted_wrong: samples of either kind that are part of n, as wrong answers. allow: which differences
    between files were allowed; differences: those that there were, a sentence each. sources: for each model, what its
    (first) file records of how it was made: model, dtype, versions of tools. worst_of: how many answers were lost
    between the first runs, of which worst shows some. cluster: the column of samples that belong together.
    attempts: pass@k and pass^k of "old" and "new" where they have several runs, of answers that are right or wrong;
    reliable: which of those changed in more runs than chance explains. measures: what answers take.
    margins: how sure old was of the answers that new and candidates lost, in the first runs.
    """

    task: str | None
    metric: str | None
    kind: Kind
    lower_is_better: bool | None = False
    joined_by: Literal["id", "content"] = "id"
    unscored: int
    counted_wrong: int
    missing: int
    on_missing: OnMissing
    allow: tuple[str, ...] = ()
    differences: tuple[str, ...] = ()
    epsilon: float
    cluster: str | None = None
    attempts: dict[str, Attempts] = Field(default_factory=dict)
    reliable: Reliable | None = None
    measures: tuple[Measure, ...] = ()
    margins: Margins | None = None
    movement: Likeness | None = None
    worst: tuple[Regression, ...] = ()
    worst_of: int = 0
    adjustment: Literal["holm"] | None = None  # of the p-values of slices
    slices: tuple[Slice, ...] = ()
    sources: dict[str, dict[str, Any]] = Field(default_factory=dict)
    _samples: Samples | None = None

    def to_json(self) -> str:
        """The contract that other programs read (docs/metrics.md): estimates are objects, null where undefined."""
        return self.model_dump_json(indent=2) + "\n"

    def __repr__(self) -> str:
        score = self.comparison.delta_score.shown("+", 100, " points")
        nfr = self.comparison.nfr.shown(scale=100, unit=" %")
        names = f"{self.old.name!r} to {self.new.name!r}"
        return f"<Comparison of {names}, n = {self.n:,}: NFR {nfr}, {self.metric or 'score'} {score}>"

    __str__ = __repr__

    # reports know comparisons, so a comparison asks the package for its own

    def to_html(self) -> str:
        """The report as one page, as `stillright compare --html` writes it."""
        return stillright.as_html(self)

    def to_markdown(self) -> str:
        """The report as Markdown, as `stillright compare --markdown` writes it."""
        return stillright.as_markdown(self)

    def plot(self) -> Figure:
        """A matplotlib figure: what new and each candidate changed, and their NFR. Raises MissingExtra without it."""
        return stillright.as_figure(self)

    def _repr_html_(self) -> str:
        return stillright.as_cell(self)

    def flips(self, *quadrants: str) -> pl.DataFrame:
        """Every sample with its quadrant for new and for each candidate, its texts and its scores; one row each, in the
        order of the first file. docs/flips.md has the columns.

        quadrants: rows of these alone, such as "lost" or "restored"; of any model. Raises ConfigError for a quadrant
        that this comparison has not, for scores of models with several runs, and for a comparison that was read from
        JSON, which has no samples.
        """
        return self.sampled().table(self.task, quadrants)

    def sampled(self) -> Samples:
        """The samples that it was made of. Raises ConfigError for a comparison that was read from JSON."""
        if self._samples is None:
            raise ConfigError(
                "flips(): this comparison was read from JSON, which has no samples; use that of compare()"
            )
        return self._samples


def compare(
    old: Results,
    new: Results,
    candidates: Sequence[Results] = (),
    *,
    slices: Sequence[str] = (),
    **options: Unpack[Options],
) -> Comparison:
    """What the update from `old` to `new` changed, and what each of `candidates` would change in place of `new`.

    old, new, candidates: paths in any format that stillright reads, PredictionSets, Polars or pandas frames.
    slices: columns whose values are accounted for one by one, with p-values adjusted for each other (Holm).
    old_runs, new_runs: further runs (seeds, repeats) of a model; results are then means over pairs of runs.
    selection: what to take from files that hold several results.
    score: a name in scoring.SCORES, or a judge, to score outputs anew in place of the scores in their files.
    on_missing: for samples that some file lacks: "error" (default) refuses them, "drop" leaves them out, "wrong"
    (discrete results only) counts them, and unscored ones, as wrong answers of that file.
    allow: names in comparison.allow.NAMES of what may differ between files; what does is part of the result.
    epsilon: changes of a score up to this size do not count (continuous results only; default 0).
    cluster: a column of samples that belong together, such as questions about one passage; intervals and tests then
    take its values to be drawn, not samples.
    measures: numeric columns, such as latency, of which the ratio of new to old is told.
    Raises DataError for results that cannot be read or compared, ConfigError for an argument without a meaning here,
    and with `score` also MissingExtra and JudgeError.
    """
    return read_and_compare(old, new, candidates, slices, **options).comparison


class Compared(NamedTuple):
    """A comparison, and the models as they were read: old, new, candidates."""

    comparison: Comparison
    models: list[Model[PredictionSet]]


def read_and_compare(
    old: Results,
    new: Results,
    candidates: Sequence[Results],
    slices: Sequence[str],
    *,
    old_runs: Sequence[Results] = (),
    new_runs: Sequence[Results] = (),
    **settings: Unpack[Settings],
) -> Compared:
    """compare(), with what it read."""
    for name, given in {"candidates": candidates, "old_runs": old_runs, "new_runs": new_runs}.items():
        refuse_bare_string(name, given)
    how = ComparisonSettings(slices, **settings)
    models = read_models([old, *old_runs], [new, *new_runs], candidates, how.reading)
    of_one_run = allowed(identical_runs(models[0].runs, models[1].runs), how.allow)
    models, by_content = joined(scored_alike(models, how.score))
    runs, labels = [run for model in models for run in model.runs], [*how.slices, *_tasks(models)]
    measures = tuple(dict.fromkeys(how.measures))
    paired = pair(runs, how.on_missing, labels, how.allow, how.cluster, measures)
    found = _compare_models(models, paired, how)
    found_too = {
        "joined_by": "content" if by_content else "id",
        "differences": (*of_one_run, *found.differences),
    }
    return Compared(found.model_copy(update=found_too), models)


def _tasks(models: list[Model[PredictionSet]]) -> list[str]:
    """The column that tells the tasks of a group apart, if every file is of a group."""
    return [TASK] if all(TASK in run.table.columns for model in models for run in model.runs) else []


def _compare_models(models: list[Model[PredictionSet]], paired: Paired, how: ComparisonSettings) -> Comparison:
    tables = iter(paired.tables)
    side_by_side = [Model(model.name, [next(tables) for _ in model.runs]) for model in models]
    first_old, first_new, *others = (model.runs[0] for model in side_by_side)
    least, sign = least_change(how.epsilon, paired.kind), -1 if paired.lower_is_better else 1
    worst = worst_regressions(first_old, first_new, least, sign)
    comparison = Comparison(
        **dict(account(side_by_side, paired.kind, least, sign, paired.cluster)),
        **{name: getattr(paired, name) for name in OF_PAIRED},
        on_missing=how.on_missing,
        allow=tuple(dict.fromkeys(how.allow)),
        epsilon=how.epsilon,
        cluster=how.cluster,
        **(_of_runs(side_by_side[:2], paired.cluster) if paired.kind == "discrete" else {}),
        margins=margins(first_old, [first_new, *others], paired.cluster) if paired.kind == "discrete" else None,
        measures=tuple(measured(name, side_by_side, paired.cluster) for name in dict.fromkeys(how.measures)),
        worst=worst.shown,
        worst_of=worst.of,
        movement=likeness(first_old, first_new, least, sign, paired.cluster),
        adjustment="holm" if paired.labels else None,
        slices=_slices(side_by_side, paired, least, sign),
        sources={model.name: source for model in models if (source := model.runs[0].header.source)},
    )
    comparison._samples = Samples(side_by_side, paired.labels, least, sign, paired.cluster, paired.cluster_names)
    return comparison


def _of_runs(models: list[Model[pl.DataFrame]], cluster: pl.Series | None) -> dict[str, Any]:
    """What runs of old and of new tell of items that are right or wrong."""
    found = {place: attempts(model, cluster) for place, model in zip(("old", "new"), models, strict=True)}
    return {"attempts": {place: each for place, each in found.items() if each}, "reliable": reliable(*models)}


def _slices(models: list[Model[pl.DataFrame]], paired: Paired, epsilon: float, sign: int) -> tuple[Slice, ...]:
    accounts, kind, cluster = [], paired.kind, paired.cluster
    for column, values in paired.labels.items():
        for value in sorted(values.drop_nulls().unique()):
            rows = (values == value).fill_null(False)
            within = [Model(model.name, [run.filter(rows) for run in model.runs]) for model in models]
            theirs = None if cluster is None else cluster.filter(rows)
            accounts.append((column, value, account(within, kind, epsilon, sign, theirs)))
    ps = [each.comparison.p for *_, each in accounts]
    return tuple(
        Slice(**dict(each), column=column, value=value, p=p, p_adjusted=adjusted)
        for (column, value, each), p, adjusted in zip(accounts, ps, holm_of_known(ps), strict=True)
    )
