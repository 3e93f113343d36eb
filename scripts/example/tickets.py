"""The invented logs behind `stillright compare --example`: tickets that three versions of a router send to a team.

    python scripts/example/tickets.py

No model answered them. Old confuses some pairs of teams; new is better on average, but loses some of old's right
answers, most of them about returns; compat restores most of these.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "src" / "stillright" / "cli" / "example"
TICKETS = 160
TEAMS = {  # team -> queue, what customers write
    "refunds": ("money", ["I was charged twice for {}", "Please pay me back for {}", "The price of {} is wrong"]),
    "invoices": ("money", ["I need an invoice for {}", "The invoice for {} has my old address"]),
    "returns": ("parcels", ["How do I send {} back", "I want to return {}", "The label to return {} is missing"]),
    "delivery": ("parcels", ["Where is {}", "{} came to my neighbour", "{} is a week late"]),
    "accounts": ("access", ["I cannot log in to order {}", "Delete my account, I only wanted {}"]),
    "devices": ("access", ["{} does not pair with my phone", "{} shows an error since the update"]),
}
THINGS = ["the kettle", "my headphones", "the blue lamp", "a bicycle pump", "the printer", "two chairs", "the router"]
RIGHT = {"old": 0.64, "new": 0.92, "compat": 0.92}  # of tickets that are not about returns
LOST = {"old": 0.92, "new": 0.66, "compat": 0.88}  # of returns


def main() -> None:
    draw = random.Random(4)
    tickets = [_ticket(i, draw) for i in range(TICKETS)]
    for name in RIGHT:
        header = {"name": f"router-{name}", "task": "ticket-routing", "metric": "acc", "kind": "discrete"}
        rows: list[dict[str, Any]] = [{"header": header}]
        rows += [{**ticket, "prediction": _answer(name, ticket)} for ticket in tickets]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (FOLDER / f"{name}.jsonl").write_text(text, encoding="utf-8")


def _ticket(number: int, draw: random.Random) -> dict[str, Any]:
    team = draw.choice(list(TEAMS))
    queue, texts = TEAMS[team]
    text = draw.choice(texts).format(draw.choice(THINGS))
    asked = {"id": f"t{number:03}", "prompt": f"{text[0].upper()}{text[1:]}.", "reference": team}
    return {**asked, "choices": len(TEAMS), "queue": queue}


def _answer(name: str, ticket: Mapping[str, Any]) -> str:
    """Easy tickets are easy for every version: each draws the same luck for a ticket, and some of its own."""
    luck = random.Random(ticket["id"]).random() + random.Random(f"{name} {ticket['id']}").gauss(0, 0.12)
    if luck < (LOST if ticket["reference"] == "returns" else RIGHT)[name]:
        return str(ticket["reference"])
    others: Sequence[str] = [team for team in TEAMS if team != ticket["reference"]]
    return others[int(luck * 1000) % len(others)]


if __name__ == "__main__":
    main()
