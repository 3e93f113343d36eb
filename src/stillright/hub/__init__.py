"""An adapter as a page of the Hugging Face Hub: its card, and what is uploaded. Imports no torch."""

from stillright.hub.adapter import Adapter, Base
from stillright.hub.card import CARD, card

__all__ = ["CARD", "Adapter", "Base", "card"]
