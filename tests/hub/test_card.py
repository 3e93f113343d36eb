"""The card of an adapter: what the Hub reads is what was measured, and what users wrote stays text."""

from __future__ import annotations

import re
from typing import Any

import polars as pl
import pytest
from huggingface_hub import ModelCard

import stillright
from stillright.hub import Adapter, Base, card
from stillright.hub.front_matter import front_matter, is_hub_id
from stillright.records import PredictionSet

HUB = Base("maker/base-7b", "0123abc", {"license": "apache-2.0"})
ADAPTER = Adapter("compat", "compat adapter", HUB, 24, "an adapter of maker/base-6b", "piqa", "ybisk/piqa")


def answers(name: str, right: list[int]) -> PredictionSet:
    """Ten samples, of which some are answered right; the question quotes a secret."""
    rows = [
        {"id": str(i), "prediction": "A" if i in right else "B", "reference": "A", "prompt": "a secret"}
        for i in range(10)
    ]
    return stillright.read_frame(pl.DataFrame(rows), name)


def compared(compat: str = "compat") -> stillright.Comparison:
    """Old has 0 to 5 right, new 2 to 7, compat 1 to 7: new loses 0 and 1, compat 0."""
    old, new = answers("old", [*range(6)]), answers("new", [*range(2, 8)])
    return stillright.compare(old, new, [answers(compat, [*range(1, 8)])])


def test_the_hub_reads_base_license_data_and_results() -> None:
    data: Any = ModelCard(card(ADAPTER, compared())).data
    assert (data.base_model, data.license, data.datasets) == ("maker/base-7b", "apache-2.0", ["ybisk/piqa"])
    assert (data.library_name, data.pipeline_tag) == ("peft", "text-generation")
    assert data.to_dict()["base_model_relation"] == "adapter"
    found = {each.metric_type: (each.metric_value, each.dataset_type) for each in data.eval_results}
    values = {"score": 0.7, "nfr": 0.1, "delta_nfr": -0.1}  # 7 of 10 right; 1 lost; new loses 2
    assert found == {metric: (value, "ybisk/piqa") for metric, value in values.items()}
    low, high = 100 * 0.051293 / 10, 40.42  # Poisson's bound of one event, and Wilson's of 1 in 10
    assert data.eval_results[1].metric_name == f"negative flips (NFR): 10.00 % [{low:.2f}, {high}]"


def test_results_and_limits_are_told_with_their_items() -> None:
    text = card(ADAPTER._replace(known_rows=3), compared())
    assert "It loses 1 of the 6 right answers of old, 0 of which new keeps" in text
    assert "old: an adapter of maker/base-6b; new: the adapter of this base" in text
    assert "Measured on 10 items of piqa" in text
    assert "3 of the rows that were measured are also among those that were trained on" in text
    assert "| both right | 4 | 5 |" in text
    assert "a secret" not in text


def test_without_a_comparison_there_are_no_numbers() -> None:
    for text in (card(ADAPTER), card(ADAPTER, compared("another"))):
        assert "model-index" not in text
        assert "NFR" not in text
        assert "Nothing was measured when this was written" in text


def test_what_is_not_known_is_left_out_and_said() -> None:
    text = card(ADAPTER._replace(base=Base(), dataset=None), compared())
    yaml, values = front_matter(text, "card")
    assert not {"base_model", "license", "datasets"} & values.keys()
    assert "# base_model: the base was a local folder" in yaml
    assert "# license: not known from the base" in yaml
    assert values["model-index"][0]["results"][0]["dataset"] == {"type": "local-files", "name": "piqa"}
    assert 'from_pretrained("PATH_TO_BASE")' in text


def test_it_loads_at_the_commit_and_is_served_at_the_next_rank() -> None:
    text = card(ADAPTER)
    assert 'from_pretrained("maker/base-7b", revision="0123abc")' in text
    assert "stillright merge maker/base-7b@0123abc+OWNER/NAME --out merged" in text
    assert "--max-lora-rank 32" in text  # of 8, 16, 32, ...: the least that holds 24
    assert "--max-lora-rank" not in card(ADAPTER._replace(rank=513))
    assert "at most rank 512; this one has 513" in card(ADAPTER._replace(rank=513))


@pytest.mark.parametrize("hostile", ["a\n---\nlicense: mit", "<img src=x>", "[x](http://x)", "$$x$$", "`x` | x", "#1"])
def test_words_of_users_stay_text(hostile: str) -> None:
    text = card(ADAPTER._replace(task=hostile, made=[("task", hostile)]), compared())
    data: Any = ModelCard(text).data
    assert data.license == "apache-2.0"
    assert data.eval_results[0].dataset_name == hostile.replace("\n", " ")
    body = text.split("\n---\n", 1)[1]
    assert not re.search(r"^license: mit", body, flags=re.MULTILINE)
    for mark in ("<img", "[x](", "$$", "`x` |"):
        assert mark not in body


@pytest.mark.parametrize("name", ["maker/base-7b", "a/b", "A1/x_y.z"])
def test_names_of_the_hub(name: str) -> None:
    assert is_hub_id(name)


@pytest.mark.parametrize(
    "name", ["gpt2", "/tmp/base", "a/b/c", "a/b--c", "a/..b", "a/b.git", "../a", "a b/c", f"a/{'b' * 96}", ""]
)
def test_other_names(name: str) -> None:
    assert not is_hub_id(name)
    assert is_hub_id("gpt2", needs_owner=False)
