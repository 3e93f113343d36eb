"""Draws what the demo's run tried on validation samples: accuracy against lost answers.

pip install '.[figures]'
stillright demo
python scripts/demo/figure.py runs/demo/adapters/compat/search.json docs/demo.svg
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot as plt

KINDS = {
    ("old",): ("a share of old's weights", "s", "#1f6f8b"),
    ("labels",): ("a share of what the labels teach", "^", "#b8860b"),
    ("labels", "old"): ("both", "o", "#2e7d32"),
}


def draw(account: dict[str, Any], out: Path) -> None:
    """One point a mixture, in points; marks differ, so that it is read without colours too."""
    plt.rcParams["svg.hashsalt"] = "stillright"  # the same file from the same numbers
    figure, axes = plt.subplots(figsize=(7, 4))
    for names, (label, marker, colour) in KINDS.items():
        points = [each for each in account["tried"] if tuple(sorted(each["mixture"])) == names]
        axes.plot(*_places(points), marker, color=colour, label=label, markersize=8, linestyle="none")
    axes.plot(
        *_places(account["tried"][:1]), "X", color="black", markersize=11, linestyle="none", label="new, as it is"
    )
    taken = [each for each in account["tried"] if each["mixture"] == account["mixture"]]
    axes.plot(*_places(taken), "o", color="none", markeredgecolor="black", markersize=17, label="taken")
    axes.axvline(100 * account["tried"][0]["accuracy"], color="grey", linewidth=1, linestyle=":")
    axes.set(xlabel="accuracy, %", ylabel="right answers of old that are lost (NFR), %", ylim=(0, None))
    axes.legend(frameon=False, loc="upper left")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(out, bbox_inches="tight", metadata={"Date": None})


def _places(tried: Sequence[dict[str, Any]]) -> tuple[list[float], list[float]]:
    return [100 * each["accuracy"] for each in tried], [100 * each["nfr"] for each in tried]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("account", type=Path, help="search.json beside the adapter")
    parser.add_argument("out", type=Path, help="SVG")
    args = parser.parse_args()
    draw(json.loads(args.account.read_text()), args.out)


if __name__ == "__main__":
    main()
