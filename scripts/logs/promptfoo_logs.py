"""Makes tests/logs/promptfoo/ by running promptfoo with providers of canned answers, offline once it is installed.

    python scripts/logs/promptfoo_logs.py [OUT]

Needs Node 20.20 or newer: 0.121.20 is the last release that runs on Node 20. Its format, version 3, is that of the
releases since.

    models.json    one prompt, two providers, five tests: pass, fail, and an error of the provider; two named scores
    models.jsonl   three of the tests and one provider, as promptfoo writes it without the head
    prompts.json   two prompts, one provider, every test twice
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

RELEASE = "0.121.20"
WORK = Path("/tmp/stillright-logs/promptfoo")  # logs hold paths, so run where every machine has the same one
NPM = Path("/tmp/stillright-logs/npm")
OUT = Path(__file__).parents[2] / "tests" / "logs" / "promptfoo"
QUIET = {
    "PROMPTFOO_DISABLE_TELEMETRY": "1",
    "PROMPTFOO_DISABLE_UPDATE": "1",
    "PROMPTFOO_DISABLE_REMOTE_GENERATION": "1",
    "PROMPTFOO_DISABLE_SHARING": "1",
    "PROMPTFOO_CONFIG_DIR": str(WORK / "home"),
}

PROVIDER = """\
const SAID = {
  terse: { 'the sky': 'blue', 'fresh grass': 'green', snow: 'black', coal: 'black' },
  chatty: { 'the sky': 'It is blue.', 'fresh grass': 'I cannot say.', snow: 'It is white.', coal: 'It is black.' },
};

module.exports = class {
  constructor(options) {
    this.name = options.config.name;
  }

  id() {
    return `canned:${this.name}`;
  }

  async callApi(prompt, context) {
    const output = SAID[this.name][context.vars.thing];
    return output ? { output } : { error: 'the service is down' };
  }
};
"""
CHECKS: list[dict[str, Any]] = [
    {"type": "icontains", "value": "{{colour}}"},
    {"type": "javascript", "value": "1 / output.split(' ').length", "threshold": 0, "metric": "brevity"},
]
TESTS = [
    ("the sky", "blue", "above"),
    ("fresh grass", "green", "below"),
    ("snow", "white", "below"),
    ("coal", "black", "below"),
    ("the sea", "blue", "beside"),
]


def config(prompts: dict[str, str], models: list[str], tests: int) -> dict[str, Any]:
    """A promptfoo configuration."""
    return {
        "description": "colours",
        "prompts": [{"label": label, "raw": raw} for label, raw in prompts.items()],
        "providers": [{"id": "file://provider.js", "label": name, "config": {"name": name}} for name in models],
        "defaultTest": {"assert": CHECKS},
        "tests": [
            {"vars": {"thing": thing, "colour": colour}, "metadata": {"place": place}}
            for thing, colour, place in TESTS[:tests]
        ],
    }


def run(name: str, settings: dict[str, Any], *arguments: str) -> None:
    """Writes the results of one evaluation to `name` in WORK."""
    written = WORK / "promptfooconfig.json"
    written.write_text(json.dumps(settings))
    command = [str(NPM / "node_modules" / ".bin" / "promptfoo"), "eval", "--config", str(written), "--output", name]
    steady = ["--no-cache", "--no-table", "--no-progress-bar", "--max-concurrency", "1", *arguments]
    done = subprocess.run([*command, *steady], cwd=WORK, env=os.environ | QUIET, check=False)
    if not (WORK / name).exists():  # the exit code only says that some tests failed
        raise SystemExit(f"promptfoo wrote no {name} (exit code {done.returncode})")


def main(out: Path) -> None:
    """Installs promptfoo where it is not, runs it, and puts the results into `out`, which is emptied first."""
    if not (NPM / "node_modules" / "promptfoo").exists():
        NPM.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "install", "--ignore-scripts", f"promptfoo@{RELEASE}"], cwd=NPM, check=True)
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    (WORK / "provider.js").write_text(PROVIDER)
    question = {"question": "What colour is {{thing}}?"}
    run("models.json", config(question, ["terse", "chatty"], 5))
    run("models.jsonl", config(question, ["terse"], 3))
    run("prompts.json", config({**question, "order": "Name the colour of {{thing}}."}, ["terse"], 2), "--repeat", "2")
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    for name in ("models.json", "models.jsonl", "prompts.json"):
        shutil.copy(WORK / name, out / name)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else OUT)
