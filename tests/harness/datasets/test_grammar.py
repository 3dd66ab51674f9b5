from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from harness.datasets import SPLITS, SplitName
from harness.datasets._grammar_documents import Document, Sentence
from harness.datasets._grammar_problems import RELATIONS, Pair, Question
from harness.datasets._grammar_words import TAGS, TOPICS
from harness.datasets.cache import Materialised, materialise
from harness.datasets.grammar import Grammar, GrammarConfig, owner
from tests.harness.datasets.grammar_reading import FEMALE, LEXICON, MALE, claims, entails, readings

SMALL = Grammar(GrammarConfig(train=240, val=60, test=120))
#: A generator that changes must bump its `version`; then put the new digest here.
GOLDEN = "ac840b002dd0e1703cadb49245a65f441fd758f33b599333652dfb2d53f72c9c"


@cache
def documents(split: SplitName = "train") -> list[Document]:
    return SMALL.documents(split)


@cache
def sentences(split: SplitName = "train") -> list[tuple[Sentence, int]]:
    return SMALL.labelled_sentences(split, documents(split))


@cache
def pairs(split: SplitName = "train") -> list[tuple[Pair, int]]:
    return SMALL.labelled_pairs(split, documents(split))


@cache
def questions(split: SplitName = "train") -> list[Question]:
    return SMALL.questions(split, documents(split))


def all_sentences(some: Sequence[Document]) -> list[Sentence]:
    return [sentence for one in some for sentence in one.sentences]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Materialised:
    return materialise(SMALL, tmp_path_factory.mktemp("cache"))


def test_content_is_what_it_was(written: Materialised) -> None:
    assert written.digest == GOLDEN


def test_each_document_is_drawn_by_itself() -> None:
    more = Grammar(GrammarConfig(train=240, val=60, test=150)).documents("test")
    texts = [[sentence.text for sentence in one.sentences] for one in documents("test")]
    alike = [
        [sentence.text for sentence in longer.sentences] == text
        for longer, text, own in zip(more, texts, documents("test"), strict=False)
        if longer.topic == own.topic
    ]
    assert len(alike) > 10
    assert all(alike)


def test_documents_are_sentences_one_a_line(written: Materialised) -> None:
    column = written.split("train").source.columns["text"]
    assert len(column) == 240
    for index, one in enumerate(documents()):
        lines = column.row(index).tobytes().decode().splitlines()
        assert lines == [sentence.text for sentence in one.sentences]
        assert 6 <= len(lines) <= 12


def test_the_vocabulary_is_small_and_not_all_ascii() -> None:
    vocabulary = {word.text for sentence in all_sentences(documents()) for word in sentence.words}
    assert 250 < len(vocabulary) < 400
    assert {"zoë", "josé"} <= vocabulary


def test_every_verb_agrees_with_its_subject_however_far() -> None:
    """A reader that knows nothing of the generator finds a reading of every sentence, and all its readings agree."""
    for sentence in all_sentences(documents("test")):
        assert readings(sentence.text), sentence.text
    assert not readings("the sails near the boat tows the net.")
    assert readings("the sails near the boat tow the net.")
    assert not readings("the giant sails dock.")[1:]


def test_a_parser_gets_the_tags_and_words_alone_do_not() -> None:
    """Between the ceiling of the task and its baseline there is room for context."""
    hits = total = 0
    for sentence, _ in sentences("test"):
        tags = tuple(word.tag for word in sentence.words)
        found = readings(sentence.text)
        assert tags in found, sentence.text
        hits += sum(found[0][at] == tag for at, tag in enumerate(tags))
        total += len(tags)
    assert hits / total > 0.995
    assert 0.82 < most_frequent_tag() < 0.9


def most_frequent_tag() -> float:
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for sentence, _ in sentences():
        for word in sentence.words:
            counts[word.text][word.tag] += 1
    guesses = {word: found.most_common(1)[0][0] for word, found in counts.items()}
    return float(
        np.mean([guesses.get(word.text, "noun") == word.tag for one, _ in sentences("test") for word in one.words])
    )


def test_what_follows_tells_more_than_what_came_before() -> None:
    """Guesses from what the words two to the left can be, and from one to the left and one to the right."""
    assert guessed_from(2, 0) < guessed_from(1, 1) - 0.02
    assert guessed_from(1, 1) > 0.97


def guessed_from(before: int, after: int) -> float:
    """Accuracy of the most frequent tag among words in the same context: what each form near them can be."""
    counts: defaultdict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    hits = []
    for split in ("train", "val", "test"):
        for sentence, _ in sentences(split):
            forms = ["#", "#", *(LEXICON[word.text] for word in sentence.words), "#", "#"]
            for at, word in enumerate(sentence.words, start=2):
                context = tuple(forms[at - before : at + after + 1])
                if split != "test":
                    counts[context][word.tag] += 1
                elif counts[context]:
                    hits.append(counts[context].most_common(1)[0][0] == word.tag)
    return float(np.mean(hits))


def test_facts_never_change_within_a_document() -> None:
    for one in documents():
        names = {person.name for person in one.world.people}
        assert len(names & set(FEMALE)) == len(names & set(MALE)) == 1
        values = defaultdict(set)
        for claim in set().union(*(claims(sentence.text) for sentence in one.sentences if sentence.mark == ".")):
            who = "woman" if claim.of in ("she", *FEMALE) else "man" if claim.of in ("he", *MALE) else ""
            values[claim.kind, who if claim.kind == "mood" else ""].add(
                f"{claim.of} {claim.value}" if claim.kind == "follows" else claim.value
            )
        assert all(len(found) == 1 for found in values.values()), one.sentences
        assert values["mood", "woman"] != values["mood", "man"]


def test_intervals_point_at_the_words(written: Materialised) -> None:
    split = written.split("test", "sentences")
    accented = 0
    for index, (sentence, _) in enumerate(sentences("test")):
        text = split.source.columns["text"].row(index).tobytes()
        words = [text[begin:end].decode() for begin, end in split.intervals("tag")[index].tolist()]
        assert words == [word.text for word in sentence.words]
        accented += len(text) > len(text.decode())
    assert accented > 5
    wanted = [TAGS.index(word.tag) for sentence, _ in sentences("test") for word in sentence.words]
    assert split.labels("tag").tolist() == wanted


def test_topics_and_relations_are_equally_frequent() -> None:
    for split in SPLITS:
        assert np.ptp(np.bincount([topic for _, topic in sentences(split)], minlength=len(TOPICS))) == 0
        assert np.ptp(np.bincount([label for _, label in pairs(split)], minlength=len(RELATIONS))) <= 1
        assert np.ptp(np.bincount([one.topic for one in documents(split)], minlength=len(TOPICS))) <= 1


def test_chances_are_those_of_the_most_frequent_class(written: Materialised) -> None:
    tags = Counter(word.tag for sentence, _ in sentences() for word in sentence.words)
    assert max(tags.values()) / tags.total() == pytest.approx(written.tasks["tag"].chance, abs=0.01)
    assert set(tags) == set(TAGS)


def test_a_reader_gets_every_relation_right() -> None:
    """The ceiling of the task is 1."""
    for split in SPLITS:
        for pair, label in pairs(split):
            assert entails(pair.premise, pair.hypothesis) == (RELATIONS[label] == "entailed"), pair


def test_what_premise_and_hypothesis_share_says_nothing() -> None:
    shared: dict[str, list[int]] = {relation: [] for relation in RELATIONS}
    for pair, label in pairs():
        premise, hypothesis = (set(text.replace(".", "").split()) for text in pair)
        shared[RELATIONS[label]].append(len(premise & hypothesis))
    entailed, not_entailed = (np.mean(counts) for counts in shared.values())
    assert entailed == pytest.approx(not_entailed, abs=0.2)


def test_bags_of_words_tell_topics_and_no_relations() -> None:
    """Linear in (u, v, |u - v|, u * v), as a benchmark would give them."""
    vectorizer = CountVectorizer(token_pattern=r"\w+", binary=True)
    bags = {s: vectorizer.fit_transform([one.text for one, _ in sentences(s)]) for s in ("train",)}
    bags["test"] = vectorizer.transform([one.text for one, _ in sentences("test")])
    topics = {split: [topic for _, topic in sentences(split)] for split in ("train", "test")}
    found = LogisticRegression(max_iter=1000).fit(bags["train"], topics["train"]).score(bags["test"], topics["test"])
    assert 0.55 < found < 0.85
    joined = {split: _joined(vectorizer, [pair for pair, _ in pairs(split)]) for split in ("train", "test")}
    labels = {split: [label for _, label in pairs(split)] for split in ("train", "test")}
    classifier = LogisticRegression(C=0.1, max_iter=1000).fit(joined["train"], labels["train"])
    assert classifier.score(joined["test"], labels["test"]) < 0.6


def _joined(vectorizer: CountVectorizer, some: Sequence[Pair]) -> NDArray[np.float64]:
    u, v = (vectorizer.transform(texts).toarray().astype(float) for texts in zip(*some, strict=True))
    return np.hstack([u, v, np.abs(u - v), u * v])


def test_answers_are_words_of_the_context_and_follow_from_it(written: Materialised) -> None:
    split = written.split("test", "questions")
    people = {*FEMALE, *MALE}
    for index, one in enumerate(questions("test")):
        context = split.source.columns["text"].row(index).tobytes()
        assert split.source.columns["second"].row(index).tobytes().decode() == one.question
        answers = {context[begin:end].decode() for begin, end in split.rows("answer")[index].tolist()}
        if one.question.startswith("who"):
            assert len(answers) == 1
            assert answers < people
            assert not answers & set(one.question[:-1].split())
        else:
            assert any(answers <= set(claim.value.split()) for claim in claims(context.decode())), one


def test_no_labelled_example_lies_in_two_splits() -> None:
    for split in SPLITS:
        assert {owner(sentence.text) for sentence, _ in sentences(split)} == {split}
        assert {owner(*pair) for pair, _ in pairs(split)} == {split}
        assert {owner(one.context, one.question) for one in questions(split)} == {split}


def test_neighbours_do_not_share_their_labels() -> None:
    for labels in ([topic for _, topic in sentences()], [label for _, label in pairs()]):
        repeats = np.mean([left == right for left, right in pairwise(labels)])
        assert repeats == pytest.approx(1 / len(set(labels)), abs=5 * (0.25 / len(labels)) ** 0.5)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"train": 5}, "train: 5 examples cannot hold 6 classes"),
        ({"labelled": 0}, "labelled: 0 is not between 1 and 4"),
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, int], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        GrammarConfig(**wrong)
