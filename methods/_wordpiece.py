"""WordPiece: the vocabulary, trained on the corpus, and text as its tokens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PAD, UNK, CLS, SEP, MASK = range(len(SPECIAL_TOKENS))
#: A pair of pieces is merged if the corpus has it so often.
_MIN_FREQUENCY = 2


def train_vocabulary(texts: Sequence[str], size: int, lowercase: bool) -> list[str]:
    """The entries, special tokens first; at most `size`, and fewer where the corpus does not allow as many.

    The trainer of `tokenizers` merges the most frequent pair of pieces (the paper's own, by likelihood, was never
    released). Left to itself it numbers the characters inside words in the order of a randomised hash table, and so
    breaks ties differently at every run. Here the characters are numbered before it starts.
    """
    tokenizer = _tokenizer({}, lowercase)
    alphabet, pieces = _alphabet(texts, tokenizer, size // 2 - len(SPECIAL_TOKENS))
    trainer = trainers.WordPieceTrainer(
        vocab_size=size,
        min_frequency=_MIN_FREQUENCY,
        special_tokens=[*SPECIAL_TOKENS, *pieces],
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    numbers = tokenizer.get_vocab()
    return sorted(numbers, key=numbers.__getitem__)


def _alphabet(texts: Iterable[str], tokenizer: Tokenizer, room: int) -> tuple[list[str], list[str]]:
    """The most frequent characters, as many as have room, sorted; and their pieces: "c" and, if c can stand inside a
    word, "##c"."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(tokenizer.normalizer.normalize_str(text))
    kept, used = [], 0
    for character, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        inside = len(tokenizer.pre_tokenizer.pre_tokenize_str(f"a{character}")) == 1
        used += 1 + inside
        if used > room:
            break
        if not character.isspace():
            kept.append((character, inside))
    kept.sort()
    pieces = [piece for character, inside in kept for piece in (character, f"##{character}")[: 1 + inside]]
    return [character for character, _ in kept], pieces


def _tokenizer(numbers: dict[str, int], lowercase: bool) -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(vocab=numbers, unk_token=SPECIAL_TOKENS[UNK]))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


class WordPiece:
    """Text to tokens, by a vocabulary. Special tokens come from nothing that a text may say."""

    def __init__(self, vocabulary: Sequence[str], lowercase: bool) -> None:
        self.vocabulary = tuple(vocabulary)
        self._tokenizer = _tokenizer({piece: number for number, piece in enumerate(vocabulary)}, lowercase)

    def __len__(self) -> int:
        return len(self.vocabulary)

    def tokens(self, texts: Sequence[str]) -> Iterator[list[int]]:
        """The tokens of each text."""
        for encoding in self._tokenizer.encode_batch_fast(texts, add_special_tokens=False):
            yield encoding.ids

    def located(self, raw: Sequence[bytes]) -> Iterator[tuple[list[int], NDArray[np.int64]]]:
        """The tokens of each text, and the byte at which each begins: list of T, int64 [T]."""
        texts = [readable(each) for each in raw]
        encodings = self._tokenizer.encode_batch(texts, add_special_tokens=False)
        for bytes_, text, encoding in zip(raw, texts, encodings, strict=True):
            begins = np.array([begin for begin, _ in encoding.offsets], dtype=np.int64)
            yield encoding.ids, begins if len(bytes_) == len(text) else byte_offsets(bytes_)[begins]


def readable(raw: bytes) -> str:
    """UTF-8; each byte that is none becomes U+FFFD, which tokens leave out. One character for one of `byte_offsets`."""
    text = raw.decode("utf-8", "surrogateescape")
    return text if text.isascii() else "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text)


def byte_offsets(raw: bytes) -> NDArray[np.int64]:
    """Where each character of `readable(raw)` begins, and where the last ends: int64 [characters + 1]."""
    text = raw.decode("utf-8", "surrogateescape")
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    sizes = 1 + (points >= 0x80).astype(np.int64) + (points >= 0x800) + (points >= 0x10000)
    sizes[(points >= 0xD800) & (points < 0xE000)] = 1  # stands for one byte that is not UTF-8
    return np.concatenate([[0], sizes.cumsum()])
