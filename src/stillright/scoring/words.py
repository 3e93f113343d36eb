"""The words of a text in any script and any Unicode form, as the overlap scores count them. Knows texts, not scores."""

from __future__ import annotations

import unicodedata

# scripts written without spaces between words, by how Unicode's names of their characters begin: a character is a word
UNSPACED = ("CJK", "IDEOGRAPHIC", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "THAI", "LAO", "KHMER", "MYANMAR")
ZERO_WIDTH_SPACE = "\u200b"  # the one format character that separates words


def words(text: str) -> list[str]:
    """The runs of letters and digits in `text`, with their marks, in lower case; everything else separates.

    In UNSPACED scripts every character is a word. Other ways to write the same characters (NFKC) are the same word. For
    ASCII these are the words of the package rouge-score.
    """
    return unicodedata.normalize("NFKC", text).lower().translate(_WORDS).split()


def spaced(text: str) -> str:
    """`text` in NFC with spaces around every letter of UNSPACED scripts, for scores that find words by spaces."""
    return unicodedata.normalize("NFC", text).translate(_SPACED)


class _Spaced(dict[int, str]):
    """What stands for a character in a text with spaces between words; found out once a character."""

    def __missing__(self, code: int) -> str:
        self[code] = self.written(chr(code))
        return self[code]

    def written(self, char: str) -> str:
        is_word = unicodedata.name(char, "").split(" ")[0] in UNSPACED and unicodedata.category(char)[0] in "LMN"
        return f" {char} " if is_word else char


class _Words(_Spaced):
    """The same without what is no part of a word."""

    def written(self, char: str) -> str:
        category = unicodedata.category(char)
        if category[0] in "LMN":  # letters, marks, numbers
            return super().written(char)
        joins = category == "Cf" and char != ZERO_WIDTH_SPACE  # soft hyphens, and joiners within words
        return "" if joins else " "


_SPACED, _WORDS = _Spaced(), _Words()
