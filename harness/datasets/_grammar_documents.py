"""Documents: sentences about one world, which tell its facts again and again in other words."""

from __future__ import annotations

from typing import NamedTuple

from harness.datasets._grammar_clauses import (
    Clause,
    Word,
    deed,
    fact_clause,
    in_short,
    other_topic,
    question,
    scene_clause,
    tagged,
)
from harness.datasets._grammar_dice import Dice
from harness.datasets._grammar_words import CONJUNCTIONS, TEMPORAL, Topic
from harness.datasets._grammar_world import Fact, World, world

SHORTEST, LONGEST = 6, 12  # sentences of a document


class Sentence(NamedTuple):
    """Words, the mark at the end, the facts that it tells, and whether it tells of a scene."""

    words: Clause
    mark: str
    facts: tuple[Fact, ...] = ()
    scene: bool = False

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words) + self.mark

    def intervals(self) -> list[tuple[int, int]]:
        """Begin and end of each word in the UTF-8 bytes of `text`."""
        begin, found = 0, []
        for word in self.words:
            end = begin + len(word.text.encode())
            found.append((begin, end))
            begin = end + 1
        return found


class Document(NamedTuple):
    topic: int
    world: World
    sentences: tuple[Sentence, ...]


def document(topic: int, dice: Dice) -> Document:
    """Draws a world on this topic and tells of it: both persons first, then whatever comes."""
    about = world(topic, dice)
    opening = Sentence(_two_facts(about.facts[:2], about, dice, pronouns=False), ".", about.facts[:2])
    sentences, strays = [opening], None
    length = SHORTEST + dice.below(LONGEST - SHORTEST + 1)
    while len(sentences) < length:
        strays = _strays_to(strays, about, dice)
        sentences += _next_sentences(about, strays or about.topic, dice)
    return Document(topic, about, tuple(sentences[:length]))


def _strays_to(now: Topic | None, about: World, dice: Dice) -> Topic | None:
    """Scenes stray from the document's topic to another, stay there for a while, and come back: a Markov chain that
    spends a third of its time away."""
    if now is None:
        return other_topic(about, dice) if dice.percent(25) else None
    return None if dice.percent(45) else now


def _next_sentences(about: World, topic: Topic, dice: Dice) -> list[Sentence]:
    """One sentence, or a question and the sentence that answers it, or a deed and what follows from it."""
    form = dice.weighted((("facts", 25), ("fact and scene", 35), ("scene", 10), ("deed", 25), ("question", 5)))
    fact, other = _distinct(about.facts, dice)
    if form == "facts":
        return [Sentence(_two_facts((fact, other), about, dice, pronouns=True), ".", (fact, other))]
    told = fact_clause(fact, about, dice, pronouns=True)
    if form == "deed":
        done = deed(about, dice)
        return [Sentence(done.told, ".", scene=True), Sentence(in_short(done.plural, done.verb), ".", scene=True)]
    if form == "question":
        return [Sentence(question(fact, about, dice)[0], "?"), Sentence(told, ".", (fact,))]
    scene = scene_clause(about, topic, dice)
    if form == "scene":
        return [Sentence(scene, ".", scene=True)]
    return [Sentence(joined(told, scene, dice), ".", (fact,), scene=True)]


def _two_facts(facts: tuple[Fact, ...], about: World, dice: Dice, *, pronouns: bool) -> Clause:
    one, other = (fact_clause(fact, about, dice, pronouns=pronouns) for fact in facts)
    return tagged(one, f"{dice.pick(CONJUNCTIONS)}/C", other)


def joined(told: Clause, scene: Clause, dice: Dice) -> Clause:
    """A fact and a scene in either order."""
    first, second = (told, scene) if dice.percent(60) else (scene, told)
    return (*first, Word(dice.pick((*CONJUNCTIONS, *TEMPORAL)), "conjunction"), *second)


def _distinct(facts: tuple[Fact, ...], dice: Dice) -> tuple[Fact, Fact]:
    one = dice.below(len(facts))
    return facts[one], facts[(one + 1 + dice.below(len(facts) - 1)) % len(facts)]
