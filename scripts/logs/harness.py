"""Makes tests/logs/harness/ by running lm-evaluation-harness on tiny local tasks, offline.

    pip install 'lm_eval[hf]==0.4.13' torch
    python scripts/logs/harness.py [OUT]

The choices are scored by a random Llama built here; the generations are canned, so that some are right, some wrong and
some have no answer in the expected form. The same tasks run into four folders:

    choice/      one task, logged as `--output_path FOLDER` does
    flat/        the same, logged as `--output_path FILE.json` does
    gsm8k/       six questions in the form of GSM8K, two filters a document
    several/     two tasks in one folder: choices and summaries scored by ROUGE
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

WORK = Path("/tmp/stillright-logs/harness")  # logs hold paths, so run where every machine has the same one
OUT = Path(__file__).parents[2] / "tests" / "logs" / "harness"

CHOICES = [
    ("sky", "What colour is a clear sky at noon?", ["red", "green", "blue"], 2),
    ("grass", "What colour is fresh grass?", ["green", "black and white"], 0),
    ("snow", "What colour is snow?", ["a very dark brown", "white", "blue", "red"], 1),
    ("coal", "What colour is coal?", ["black", "white"], 0),
    ("rose", "What colour is the rose “Königin”?", ["blue", "bright red", "green"], 1),
    ("sea", "What colour is the sea on a map?", ["orange", "pink", "blue"], 2),
    ("wood", "What colour is bark?", ["brown", "violet"], 0),
    ("leaf", "What colour is a leaf in May?", ["green", "grey", "gold"], 0),
]
SUMS = [  # question, reference, what the canned model writes
    ("Ann has 3 apples and buys 4. How many has she?", "3 + 4 = 7\n#### 7", " 3 + 4 = 7\n#### 7"),
    ("Ben has 9 pens and loses 2. How many has he?", "9 - 2 = 7\n#### 7", " 9 - 2 = 6\n#### 6"),
    ("A box holds 12 eggs. How many in 100 boxes?", "100 * 12 = 1200\n#### 1,200", " That is $1,200."),
    ("Five cars have how many wheels?", "5 * 4 = 20\n#### 20", " Each has 4, so 5 * 4 = 20\n#### 20"),
    ("How many legs have two cats?", "2 * 4 = 8\n#### 8", " I do not know."),
    ("What is 6 times 7?", "6 * 7 = 42\n#### 42", " It is 42"),
]
DIALOGUES = [
    ("Ann: lunch? Ben: at one.", "Ann and Ben have lunch at one.", " Ann and Ben have lunch at one."),
    ("Cid: late, sorry. Dee: fine.", "Cid is late.", " Cid says he is late."),
    ("Eva: done? Fay: not yet.", "Fay is not done yet.", " Nothing."),
]

CHOICE_YAML = """\
task: colours
dataset_path: json
dataset_kwargs: {data_files: {test: colours.jsonl}}
test_split: test
output_type: multiple_choice
doc_to_text: "Question: {{question}}\\nAnswer:"
doc_to_choice: "{{options}}"
doc_to_target: "{{label}}"
metric_list:
  - {metric: acc, aggregation: mean, higher_is_better: true}
  - {metric: acc_norm, aggregation: mean, higher_is_better: true}
metadata: {version: 1.0}
"""
SUMS_YAML = """\
task: sums
dataset_path: json
dataset_kwargs: {data_files: {test: sums.jsonl}}
test_split: test
output_type: generate_until
doc_to_text: "Question: {{question}}\\nAnswer:"
doc_to_target: "{{answer}}"
metric_list:
  - metric: exact_match
    aggregation: mean
    higher_is_better: true
    ignore_case: true
    ignore_punctuation: false
    regexes_to_ignore: [",", "\\\\$", "(?s).*#### ", "\\\\.$"]
generation_kwargs: {until: ["Question:"], do_sample: false, temperature: 0.0}
filter_list:
  - name: strict-match
    filter:
      - {function: regex, regex_pattern: "#### (\\\\-?[0-9\\\\.\\\\,]+)"}
      - {function: take_first}
  - name: flexible-extract
    filter:
      - {function: regex, group_select: -1, regex_pattern: "(-?[$0-9.,]{2,})|(-?[0-9]+)"}
      - {function: take_first}
metadata: {version: 3.0}
"""
SUMMARY_YAML = """\
task: summaries
dataset_path: json
dataset_kwargs: {data_files: {test: summaries.jsonl}}
test_split: test
output_type: generate_until
doc_to_text: "{{dialogue}}\\nSummary:"
doc_to_target: "{{summary}}"
process_results: !function rouge.process_results
metric_list:
  - {metric: rouge1, aggregation: mean, higher_is_better: true}
  - {metric: rougeL, aggregation: mean, higher_is_better: true}
generation_kwargs: {until: ["\\n"], do_sample: false}
metadata: {version: 1.0}
"""
ROUGE = """\
from rouge_score.rouge_scorer import RougeScorer

SCORER = RougeScorer(["rouge1", "rougeL"])


def process_results(doc, results):
    return {name: score.fmeasure for name, score in SCORER.score(doc["summary"], results[0]).items()}
"""


def write_tasks(folder: Path) -> None:
    """Three tasks and their documents."""
    folder.mkdir(parents=True)
    documents: dict[str, list[dict[str, Any]]] = {
        "colours": [
            {"question": question, "options": options, "label": label, "thing": thing, "hard": len(options) > 2}
            for thing, question, options, label in CHOICES
        ],
        "sums": [{"question": question, "answer": answer} for question, answer, _ in SUMS],
        "summaries": [{"dialogue": dialogue, "summary": summary} for dialogue, summary, _ in DIALOGUES],
    }
    for name, rows in documents.items():
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    for name, text in {"colours": CHOICE_YAML, "sums": SUMS_YAML, "summaries": SUMMARY_YAML}.items():
        (folder / f"{name}.yaml").write_text(text.replace(f"{name}.jsonl", str(folder / f"{name}.jsonl")))
    (folder / "rouge.py").write_text(ROUGE)


def make_llama(folder: Path) -> None:
    """A random Llama with a byte-level tokenizer, some 100 kB."""
    import torch
    from tokenizers import ByteLevelBPETokenizer
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    bpe = ByteLevelBPETokenizer()
    bpe.train_from_iterator([], vocab_size=320, special_tokens=["<end>"])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe._tokenizer, eos_token="<end>", pad_token="<end>")
    tokenizer.save_pretrained(folder)
    torch.manual_seed(1)
    shape = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = LlamaConfig(vocab_size=320, max_position_embeddings=256, bos_token_id=0, eos_token_id=0, **shape)
    LlamaForCausalLM(config).save_pretrained(folder)


def register_canned() -> None:
    """The model `canned`: says what SUMS and DIALOGUES have it say; of choices it takes the first."""
    import lm_eval.models  # noqa: F401 - else the first registration would be the only one
    from lm_eval.api.model import LM
    from lm_eval.api.registry import register_model

    said = {question: text for question, _, text in SUMS + DIALOGUES}

    @register_model("canned")
    class Canned(LM):  # type: ignore[misc, unused-ignore]
        def __init__(self, **settings: Any) -> None:
            super().__init__()

        def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
            return [
                said[max(said, key=request.args[0].rfind)] for request in requests
            ]  # shots come before the question

        def loglikelihood(self, requests: list[Any], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
            return [(-1.0 - request.idx, request.idx == 0) for request in requests]

        def loglikelihood_rolling(self, requests: list[Any], disable_tqdm: bool = False) -> list[float]:
            return [-1.0 for _ in requests]


def leave_out_machine() -> None:
    """Results files describe the processor they were made on, in 4 kB; these say nothing of it."""
    from torch.utils import collect_env

    collect_env.get_pretty_env_info = lambda: "left out"  # type: ignore[assignment, unused-ignore]


def evaluate(tasks: str, model: str, output: Path, *arguments: str) -> None:
    """Runs the harness's own command line."""
    from lm_eval.__main__ import cli_evaluate

    include = ["--include_path", str(WORK / "tasks"), "--output_path", str(output), "--log_samples"]
    sys.argv = ["lm_eval", "--model", model, "--tasks", tasks, *include, *arguments]
    cli_evaluate()


def main(out: Path) -> None:
    """Runs the tasks and puts the logs into `out`, which is emptied first."""
    shutil.rmtree(WORK, ignore_errors=True)
    write_tasks(WORK / "tasks")
    make_llama(WORK / "tiny-llama")
    register_canned()
    leave_out_machine()
    os.chdir(WORK)
    llama = ["--model_args", f"pretrained={WORK / 'tiny-llama'},dtype=float32", "--device", "cpu"]
    evaluate("colours", "hf", WORK / "logs" / "choice", *llama)
    evaluate("colours", "hf", WORK / "logs" / "flat" / "run.json", *llama)
    canned = ["--model_args", "pretrained=canned"]
    evaluate("sums", "canned", WORK / "logs" / "gsm8k", *canned, "--num_fewshot", "1")
    evaluate("colours,summaries", "canned", WORK / "logs" / "several", *canned)
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(WORK / "logs", out)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else OUT)
