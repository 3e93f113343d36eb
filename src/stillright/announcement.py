"""What a run says before it trains: what it reads, which settings differ from those asked for, what it cannot show."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console

from stillright.events import say
from stillright.planning import too_few_to_show
from stillright.stages.data import Data
from stillright.training.settings import optimizer_steps, warmup_steps
from stillright.training.transfer.differences import why_unlike


def announce(data: Data, console: Console) -> None:
    """Says what will be read, and where that is other than asked for or shows less than hoped for."""
    config = data.config
    texts = data.texts(data.new.base)
    tokens, tested = sum(len(text.ids) for text in texts.train), len(data.task.test_documents)
    say(
        console,
        f"{data.task.name}: {len(texts.train):,} training texts ({tokens:,} tokens), "
        f"{len(texts.validation):,} for validation, {tested:,} to predict; {data.dtype}",
        "data",
        task=data.task.name,
        dtype=str(data.dtype),
        training_texts=len(texts.train),
        training_tokens=tokens,
        validation_texts=len(texts.validation),
        test_rows=tested,
    )
    warn_of_few_rows(data, console)
    if known := data.task.tested_in_training():
        line = f"warning: of {tested:,} rows to predict {known:,} are also trained on"
        say(console, line, "data", "warning", trained_on=known)
    for account in data.old_log.accounts(config.align) if data.has_old_log else []:
        say(console, account, "data")
    if data.task.unlabelled:
        rows = len(data.task.unlabelled)
        say(console, f"alignment also reads {rows:,} rows without answers", "data", unlabelled_rows=rows)
    for line in _changed_settings(data, len(texts.train)):
        say(console, line, "settings")


def warn_of_few_rows(data: Data, console: Console) -> None:
    """Says now, before anything is trained, that the test rows cannot show what an adapter may gain."""
    few = too_few_to_show(len(data.task.test_documents)) if data.config.align else None
    if few is not None:
        say(console, f"warning: {few}", "data", "warning")


def _changed_settings(data: Data, texts: int) -> Iterator[str]:
    """Where other than the configured settings are used, or other ones could do more; texts: to train on."""
    training = data.config.training
    if note := unused_weights(data):
        yield note
    if data.longest < training.max_length:
        yield f"texts: at most {data.longest:,} tokens, all that the bases read, instead of {training.max_length:,}"
    warm, steps = warmup_steps(training, texts), optimizer_steps(training, texts)
    if warm < training.warmup_steps:
        yield f"warm-up: {warm} steps, a tenth of {steps}, instead of {training.warmup_steps}"


def unused_weights(data: Data) -> str | None:
    """What to tell a user whose strategy leaves old's weights alone although they could be followed, or would follow
    them if it could."""
    config = data.config
    strategy = config.strategy
    if not config.align or strategy.is_transfer or data.has_old_log:
        return None
    why_not = why_unlike(*data.bases)
    if strategy.is_search:
        return why_not and f"strategy.mask {strategy.mask}: old's weights cannot be followed, only labels: {why_not}"
    if why_not is not None:
        return None
    return (
        f"strategy.mask {strategy.mask}: does not use old's weights, though old and new have the same shapes; "
        "strategy: {mask: auto} can"
    )
