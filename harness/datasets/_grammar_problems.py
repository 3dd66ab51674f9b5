"""Pairs and questions about the world of a document: entailment, and answers in a context."""

from __future__ import annotations

from typing import NamedTuple

from harness.datasets._grammar_clauses import Clause, deed, fact_clause, in_short, lead_in_short, question, tagged
from harness.datasets._grammar_dice import Dice
from harness.datasets._grammar_documents import Document, Sentence
from harness.datasets._grammar_words import COLOURS, CONJUNCTIONS, MOODS, WEATHERS
from harness.datasets._grammar_world import Fact, World, altered

RELATIONS = ("entailed", "not entailed")
DEEDS = 70  # percent of the pairs that are about how many act; the others are about facts
CONTEXT = 3  # sentences in which an answer is looked for


class Pair(NamedTuple):
    premise: str
    hypothesis: str


class Question(NamedTuple):
    """Attributes:
    answers: begin and end of each accepted answer, in bytes of the context.
    """

    context: str
    question: str
    answers: tuple[tuple[int, int], ...]


def pair(relation: str, about: World, dice: Dice) -> Pair:
    """A premise about the world, and a hypothesis that the premise entails or not.

    What is asked, how it is told, and the words that both share are drawn alike whatever the relation.
    """
    return _of_deeds(relation, about, dice) if dice.percent(DEEDS) else _of_facts(relation, about, dice)


def _of_deeds(relation: str, about: World, dice: Dice) -> Pair:
    """Whether one acts or several."""
    done = deed(about, dice)
    plural = done.plural == (relation == "entailed")
    return Pair(Sentence(done.told, ".").text, Sentence(in_short(plural, done.verb), ".").text)


def _of_facts(relation: str, about: World, dice: Dice) -> Pair:
    """One of the premise's facts, in half of the cases who leads whom; or another value of it. A value that the
    premise tells in one word, the hypothesis tells in another."""
    fact = dice.weighted([(one, 4 if one.kind == "leads" else 1) for one in about.facts])
    first = dice.pick([other for other in about.facts if other is not fact])
    told = [fact_clause(one, about, dice) for one in ((first, fact) if dice.percent(50) else (fact, first))]
    claim = fact if relation == "entailed" else altered(fact, dice)
    if fact.kind == "leads":
        return Pair(_sentences(told, dice), Sentence(lead_in_short(claim.value, about), ".").text)
    said = {word.text for clause in told for word in clause}
    hypothesis = fact_clause(claim, about, dice, avoid=_unless_all(claim, said), brief=True)
    return Pair(_sentences(told, dice), Sentence(hypothesis, ".").text)


def _unless_all(claim: Fact, said: set[str]) -> set[str]:
    """Words that the hypothesis must not repeat; none where the premise has used every synonym."""
    synonyms = _synonyms(claim)
    return said if set(synonyms) - said else set()


def _sentences(clauses: list[Clause], dice: Dice) -> str:
    """Clauses joined to sentences, at random places."""
    done, open_sentence = [], clauses[0]
    for clause in clauses[1:]:
        if dice.percent(50):
            open_sentence = tagged(open_sentence, f"{dice.pick(CONJUNCTIONS)}/C", clause)
        else:
            done.append(Sentence(open_sentence, ".").text)
            open_sentence = clause
    return " ".join([*done, Sentence(open_sentence, ".").text])


def asked(document: Document, dice: Dice) -> Question | None:
    """A question on some sentences of the document in a row; None if they tell nothing to ask for."""
    start = dice.below(len(document.sentences) - CONTEXT + 1)
    context = [one for one in document.sentences[start : start + CONTEXT] if one.mark == "."]
    facts = [fact for sentence in context for fact in sentence.facts]
    if not facts:
        return None
    fact = dice.pick(facts)
    text, person = question(fact, document.world, dice)
    accepted = {_answering_person(fact, text, document.world)} if person else set(_synonyms(fact))
    answers, begin = [], 0
    for sentence in context:
        for word, (left, right) in zip(sentence.words, sentence.intervals(), strict=True):
            if word.text in accepted:
                answers.append((begin + left, begin + right))
        begin += len(sentence.text.encode()) + 1
    whole = " ".join(sentence.text for sentence in context)
    return Question(whole, Sentence(text, "?").text, tuple(answers)) if answers else None


def _answering_person(fact: Fact, asking: Clause, about: World) -> str:
    """Who it is: for a mood its holder; of the two who lead and follow, the one that the question does not name."""
    if fact.kind == "mood":
        return about.people[fact.holder].name
    named = {word.text for word in asking}
    return next(person.name for person in about.people if person.name not in named)


def _synonyms(fact: Fact) -> tuple[str, ...]:
    if fact.kind == "leads":
        return ()
    return {"mood": MOODS, "colour": COLOURS, "weather": WEATHERS}[fact.kind][fact.value]
