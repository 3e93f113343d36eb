"""Which answers and which questions of two tables are the same, however they are written. Knows columns of tables."""

from __future__ import annotations

import polars as pl

from stillright.scoring.canonical import canonical

# what canonical may write in another way besides Unicode forms: numbers with point, exponent or sign, and booleans
OTHER_FORMS = r"(?i)^([+-]?[0-9]*\.[0-9]*(e[+-]?[0-9]+)?|[+-]?[0-9]+e[+-]?[0-9]+|\+[0-9]+|-0|true|false)$"


def same_form(values: pl.Series) -> pl.Series:
    """Texts, or lists of them, as `canonical` writes each; equal where they are the same answer."""
    is_list = values.dtype == pl.List
    texts = values.explode() if is_list else values
    if _is_canonical(texts):
        return values
    texts = texts.str.normalize("NFC")
    odd = texts.filter(texts.str.contains(OTHER_FORMS)).unique().to_list()
    each = (pl.element() if is_list else pl.col(values.name)).str.normalize("NFC")
    form = each.replace(dict(zip(odd, map(canonical, odd), strict=True)))
    return values.to_frame().select(pl.col(values.name).list.eval(form) if is_list else form).to_series()


def _is_canonical(texts: pl.Series) -> bool:
    """Whether all are surely as `canonical` writes them; one query, since a suite asks this hundreds of times."""
    text = pl.col(texts.name)
    is_ascii = (text.str.len_bytes() == text.str.len_chars()).all()
    return bool(texts.to_frame().select(is_ascii & ~text.str.contains(OTHER_FORMS).any()).item())


def same_question(values: pl.Series) -> pl.Series:
    """Prompts or lists of right answers, equal where both ask the same.

    Right answers may be in any order. The text that lists several, which is one of them only where a model wrote it,
    does not matter.
    """
    if values.dtype != pl.List:
        return values.str.normalize("NFC")
    several = pl.col(values.name).list.eval(pl.element().filter(~pl.element().str.starts_with("[")))
    kept = pl.when(several.list.len() > 1).then(several).otherwise(pl.col(values.name))
    return same_form(values.to_frame().select(kept.alias(values.name)).to_series()).list.sort()
