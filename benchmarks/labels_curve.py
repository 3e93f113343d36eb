"""What training on labels does to flips and accuracy, by the size and number of its steps, along the way to its end.

    stillright run update.yaml      # whose task.test is a validation set: settings are chosen by these rows
    python benchmarks/labels_curve.py update.yaml --slower 1 4 4 --longer 1 2 3

Each training starts from the new task adapter, with the learning rate of `training` divided by SLOWER and its epochs
times LONGER. Shares of the way from the new adapter to its end answer the test rows; flips are those of old's answers.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from torch import Tensor

from stillright.config import UpdateConfig, load_update
from stillright.models import ModelRef, load_model, load_tokenizer
from stillright.progress import Progress
from stillright.stages.data import Data
from stillright.training.choice.choice_trainer import fit_right_choices
from stillright.training.encode import encode_documents
from stillright.training.search.directions import added, between
from stillright.training.search.question import Question, of_choices
from stillright.training.settings import Job
from stillright.training.transfer.weights import AdapterWeights

PROGRESS = Progress(Console(stderr=True))


def question(data: Data, model: ModelRef) -> Question:
    """The test rows, as this model's base reads them."""
    documents = data.task.test_documents
    texts = encode_documents(data.task, documents, load_tokenizer(model.base), data.longest)
    return of_choices(texts, model.base, PROGRESS)


def trained(config: UpdateConfig, data: Data, new: ModelRef, slower: float, longer: int, out: Path) -> ModelRef:
    """The adapter after one training."""
    steps = {"learning_rate": config.training.learning_rate / slower, "epochs": config.training.epochs * longer}
    training = config.training.model_copy(update=steps)
    job = Job("labels", training, config.align_seed, data.dtype, out / "work", out / "adapter", PROGRESS)
    fit_right_choices(new, data.own_choices(new.base), job)
    return ModelRef.parse(f"{new.base}+{job.out}")


def row(name: str, right: Tensor, old: Tensor, new: Tensor) -> str:
    """One row of the table: (n,) right answers each."""
    nfr, plain = (float(((each < old).float()).mean()) for each in (right, new))
    gained = 100 * float((right - new).mean())
    return f"| {name} | {nfr:.2%} | {nfr / plain - 1 if plain else 0:+.0%} | {gained:+.2f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("update", type=Path)
    parser.add_argument("--slower", type=float, nargs="+", default=[1, 4])
    parser.add_argument("--longer", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--shares", type=float, nargs="+", default=[0.1, 0.2, 0.4, 0.7])
    args = parser.parse_args()
    config = load_update(args.update)
    data = Data(config)
    assert isinstance(config.old, str)
    old, new = (
        ModelRef.parse(f"{base}+{config.out}/adapters/{name}")
        for name, base in (("old", config.old), ("new", config.new))
    )
    ask = question(data, new)
    of_old = question(data, old)
    by_old = of_old.outcomes(of_old.ask(load_model(old, data.dtype).eval(), "old"))
    start, model = AdapterWeights(new.adapter), load_model(new, data.dtype).eval()
    by_new = ask.outcomes(ask.ask(model, "new"))
    print("| training, share of the way | NFR | against new | accuracy, points |\n|---|---:|---:|---:|")
    print(row("new", by_new, by_old, by_new))
    for slower, longer in zip(args.slower, args.longer, strict=True):
        with TemporaryDirectory() as folder:
            end = AdapterWeights(trained(config, data, new, slower, longer, Path(folder)).adapter)
            with added(model, {"labels": between(start, end)}) as move:
                for share in args.shares:
                    move({"labels": share})
                    right = ask.outcomes(ask.ask(model, "labels"))
                    name = f"learning rate / {slower:g}, {longer} x epochs: {share:g}"
                    print(row(name, right, by_old, by_new), flush=True)


if __name__ == "__main__":
    main()
