"""How large report.html is, how long it takes to write and to open, and how smoothly its list scrolls.

    python benchmarks/report_speed.py                       # 1,000 and 100,000 samples of 300 characters
    python benchmarks/report_speed.py --choices 4           # and with four choices each, of 30 characters

Opens each page in headless Chromium (Debian's package), which needs the extra dev. Seconds to open are from navigation
to the first sample on the screen; seconds of a search are from the last key to the new count; frames are those drawn
while the list is scrolled from its beginning to its end in two seconds.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from stillright.comparison import Comparison, compare
from stillright.records import Header, PredictionSet
from stillright.report.html import html
from stillright.report.made import Origin
from stillright.report.report_page import report_page

CHOICE = 30  # characters of a choice
WORDS = 5_000  # in the vocabulary of the made-up texts
SETTINGS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
FRAMES = """() => new Promise((done) => {
  const list = document.getElementById("list"), first = performance.now(), gaps = [];
  let last = first;
  function step(now) {
    gaps.push(now - last);
    last = now;
    list.scrollTop = ((now - first) / 2000) * (list.scrollHeight - list.clientHeight);
    if (now - first < 2000) requestAnimationFrame(step);
    else done(gaps.slice(1));
  }
  requestAnimationFrame(step);
})"""


def made_up(samples: int, characters: int, choices: int) -> Comparison:
    """Answers to choose from, each sample with a prompt and two answers of about as many characters together.

    choices: how many stand in full in each sample, with log-likelihoods in both models.
    """
    draw = random.Random(0)
    words = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(2, 9))) for _ in range(WORDS)]

    def text(length: int) -> str:
        return " ".join(draw.choices(words, k=max(1, length // 6)))[:length]

    prompts = [text(characters // 2) for _ in range(samples)]
    texts = [[text(CHOICE) for _ in range(choices)] for _ in range(samples)]

    def of_choices(sample: int) -> dict[str, Any]:
        if not choices:
            return {}
        logs = [-20 * draw.random() for _ in range(choices)]
        return {"choice_texts": texts[sample], "loglikelihoods": logs}

    def results(name: str, skill: float) -> PredictionSet:
        rows: list[dict[str, Any]] = [
            {"id": f"sample-{i}", "prediction": "AB"[draw.random() > skill], "reference": "A", "prompt": prompt}
            | {"output": text(characters // 4)}
            | of_choices(i)
            for i, prompt in enumerate(prompts)
        ]
        return PredictionSet.from_rows(Header(name=name), rows)

    return compare(results("old", 0.6), results("new", 0.7))


def opened(file: Path) -> dict[str, float]:
    """Seconds to open and to search, and frames while scrolling."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=SETTINGS)
        page = browser.new_context(offline=True).new_page()
        begun = time.perf_counter()
        page.goto(file.as_uri() + "#model=new")
        page.wait_for_selector("#sample h3")
        seconds = time.perf_counter() - begun
        gaps = sorted(page.evaluate(FRAMES))
        count = page.inner_text("#count")
        begun = time.perf_counter()
        page.fill("#query", "sample-77")
        page.wait_for_function("(before) => document.getElementById('count').textContent !== before", arg=count)
        searched = time.perf_counter() - begun
        browser.close()
    return {
        "open_s": seconds,
        "search_s": searched,
        "frames_per_s": len(gaps) / 2,
        "slowest_of_100_frames_ms": gaps[len(gaps) * 99 // 100],
    }


def measured(samples: int, characters: int, choices: int) -> dict[str, float]:
    """All figures of one report."""
    comparison = made_up(samples, characters, choices)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "report.html"
        begun = time.perf_counter()
        file.write_text(html(report_page(comparison, Origin())), encoding="utf-8")
        known = {"samples": samples, "write_s": time.perf_counter() - begun, "megabytes": file.stat().st_size / 1e6}
        return {**known, **opened(file)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--samples", type=int, nargs="+", default=[1_000, 100_000])
    parser.add_argument("--characters", type=int, default=300, help="of each sample (default: %(default)s)")
    parser.add_argument("--choices", type=int, default=0, help="of each sample, in full (default: %(default)s)")
    args = parser.parse_args()
    for samples in args.samples:
        found = measured(samples, args.characters, args.choices)
        print(json.dumps({name: round(value, 3) for name, value in found.items()}), flush=True)


if __name__ == "__main__":
    main()
