"""BERT: words left out are predicted from both sides, and whether a text follows another.

Devlin, Chang, Lee, Toutanova, BERT: Pre-training of deep bidirectional Transformers for language understanding,
NAACL 2019 (arXiv 2018).
"""

from methods.bert._config import BertConfig
from methods.bert._learner import Bert

__all__ = ["Bert", "BertConfig"]
