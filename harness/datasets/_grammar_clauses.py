"""Clauses: sequences of words with their parts of speech. Facts, questions, and scenes."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from harness.datasets._grammar_dice import Dice
from harness.datasets._grammar_words import (
    ADJECTIVES,
    ADVERBS,
    COLOURS,
    DOUBLE,
    INTRANSITIVE,
    MOODS,
    PARTICLES,
    TEMPORAL,
    TOPICS,
    WEATHERS,
    Topic,
    s_form,
)
from harness.datasets._grammar_world import Fact, World


class Word(NamedTuple):
    text: str
    tag: str


Clause = tuple[Word, ...]
FAITHFUL = 75  # percent of the nouns and verbs of scenes that are those of the document
_TAGS = {
    "N": "noun",
    "V": "verb",
    "J": "adjective",
    "D": "determiner",
    "P": "preposition",
    "R": "adverb",
    "O": "pronoun",
    "E": "name",
    "C": "conjunction",
    "A": "auxiliary",
}


def tagged(*parts: str | Clause) -> Clause:
    """Words written as "the/D boat/N", and clauses, end to end."""
    words: list[Word] = []
    for part in parts:
        if isinstance(part, str):
            pairs = (item.rsplit("/", 1) for item in part.split())
            words += [Word(text, _TAGS[tag]) for text, tag in pairs]
        else:
            words += part
    return tuple(words)


def fact_clause(
    fact: Fact, world: World, dice: Dice, *, pronouns: bool = False, avoid: Collection[str] = (), brief: bool = False
) -> Clause:
    """Tells a fact in one of several ways. With `pronouns`, persons may be pronouns. Words in `avoid` are not used to
    tell the value; `brief` leaves out what the fact does not need."""
    if fact.kind == "mood":
        mood = _synonym(MOODS[fact.value], avoid, dice)
        return tagged(_subject(fact.holder, world, dice, pronouns), f"{dice.pick(('is/A', 'feels/V'))} {mood}/J")
    if fact.kind == "colour":
        colour, thing = _synonym(COLOURS[fact.value], avoid, dice), world.thing
        owner = world.people[0]
        possessive = f"{'her' if owner.female else 'his'}/D"
        forms = [
            f"{owner.name}/E owns/V the/D {colour}/J {thing}/N",
            f"the/D {thing}/N of/P {owner.name}/E is/A {colour}/J",
        ]
        if pronouns:
            forms.append(f"{possessive} {thing}/N is/A {colour}/J")
        return tagged(dice.pick(forms))
    if fact.kind == "weather":
        weather = _synonym(WEATHERS[fact.value], avoid, dice)
        return tagged(
            dice.pick((f"the/D day/N is/A {weather}/J", f"it/O is/A {weather}/J", f"the/D sky/N stays/V {weather}/J"))
        )
    return _leads(fact.value, world, dice, pronouns=pronouns, brief=brief)


def _leads(leader: int, world: World, dice: Dice, *, pronouns: bool, brief: bool) -> Clause:
    """Four ways to say who leads whom."""
    first = dice.below(2)
    leading = first == leader
    passive = dice.percent(35)
    verb = "leads" if leading != passive else "follows"
    subject, other = _subject(first, world, dice, pronouns), _object(1 - first, world, dice, pronouns)
    predicate = f"is/A {'led' if verb == 'leads' else 'followed'}/V by/P" if passive else f"{verb}/V"
    where = "" if brief or dice.percent(60) else f"to/P the/D {dice.pick(world.topic.places)}/N"
    return tagged(subject, predicate, other, where)


def _subject(holder: int, world: World, dice: Dice, pronouns: bool) -> Clause:
    person = world.people[holder]
    if pronouns and dice.percent(50):
        return tagged("she/O" if person.female else "he/O")
    return tagged(f"{person.name}/E")


def _object(holder: int, world: World, dice: Dice, pronouns: bool) -> Clause:
    person = world.people[holder]
    if pronouns and dice.percent(50):
        return tagged("her/O" if person.female else "him/O")
    return tagged(f"{person.name}/E")


def _synonym(synonyms: tuple[str, ...], avoid: Collection[str], dice: Dice) -> str:
    return dice.pick([word for word in synonyms if word not in avoid])


def scene_clause(world: World, topic: Topic, dice: Dice) -> Clause:
    """Who does what, with words of a topic: the verb agrees with the head of its subject, however far that is."""
    if dice.percent(15):
        person = dice.pick(world.people)
        subject, plural = tagged("she/O" if person.female else "he/O"), False
    else:
        subject, plural = _subject_phrase(world, topic, dice)
    return tagged(subject, _verb_phrase(plural, world, topic, dice))


def _subject_phrase(world: World, topic: Topic, dice: Dice) -> tuple[Clause, bool]:
    """A noun phrase and its number; in every third, a noun of the other number comes between head and verb."""
    noun, plural = _noun(world, topic, dice)
    phrase = _noun_phrase(noun, plural, dice, bare=True)
    if dice.percent(33):
        attractor, _ = _noun(world, topic, dice)
        phrase = tagged(phrase, f"{dice.pick(PARTICLES)}/P", _noun_phrase(attractor, not plural, dice))
    return phrase, plural


def _verb_phrase(plural: bool, world: World, topic: Topic, dice: Dice) -> Clause:
    form = dice.weighted((("transitive", 60), ("intransitive", 20), ("copula", 5), ("person", 15)))
    if form == "transitive":
        verb = _verb(world, topic, dice)
        where = _where(topic, dice) if dice.percent(30) else ()
        return tagged(_finite(verb, plural), _noun_phrase(*_noun(world, topic, dice), dice), where)
    if form == "intransitive":
        return tagged(_finite(dice.pick(INTRANSITIVE), plural), _where(topic, dice))
    if form == "copula":
        return tagged("are/A" if plural else "is/A", f"{dice.pick(ADJECTIVES)}/J")
    person = dice.pick(world.people)
    verb = _verb(world, topic, dice)
    if dice.percent(50):
        return tagged(_finite(verb, plural), "her/O" if person.female else "him/O", _where(topic, dice))
    possessive = "her/D" if person.female else "his/D"
    return tagged(_finite(verb, plural), possessive, _nominal(*_noun(world, topic, dice), dice))


def _verb(world: World, topic: Topic, dice: Dice) -> str:
    """A transitive verb; in the document's own topic mostly one that it has used before."""
    if topic is world.topic and dice.percent(FAITHFUL):
        return dice.pick(world.verbs)
    return dice.pick(dice.weighted(((topic.both, 75), (topic.verbs, 10), (ADJECTIVES, 15))))


def _finite(verb: str, plural: bool) -> str:
    return f"{verb if plural else s_form(verb)}/V"


def _where(topic: Topic, dice: Dice) -> Clause:
    """An adverb, a particle alone, or a particle or a time with its noun phrase."""
    form = dice.weighted((("adverb", 15), ("particle", 35), ("place", 35), ("time", 15)))
    if form == "adverb":
        return tagged(f"{dice.pick(ADVERBS)}/R")
    if form == "particle":
        return tagged(f"{dice.pick(PARTICLES)}/R")
    if form == "place":
        return tagged(f"{dice.pick(PARTICLES)}/P the/D {dice.pick(topic.places)}/N")
    return tagged(f"{dice.pick(TEMPORAL)}/P the/D {dice.pick(topic.both)}/N")


def _noun(world: World, topic: Topic, dice: Dice) -> tuple[str, bool]:
    """A noun and its number; in the document's own topic mostly one that it has used before, in the same number."""
    if topic is world.topic and dice.percent(FAITHFUL):
        return dice.pick(world.nouns)
    group = dice.weighted(((topic.both, 50), (topic.people, 15), (topic.things, 10), (DOUBLE, 25)))
    return dice.pick(group), dice.percent(50)


def _noun_phrase(noun: str, plural: bool, dice: Dice, bare: bool = False) -> Clause:
    """A determiner and what it determines; where `bare`, plurals often have none."""
    if plural and bare and dice.percent(50):
        return _nominal(noun, plural, dice)
    determiner = dice.pick(("the", "the", "these", "some")) if plural else dice.pick(("the", "the", "that", "this"))
    return tagged(f"{determiner}/D", _nominal(noun, plural, dice))


def _nominal(noun: str, plural: bool, dice: Dice) -> Clause:
    """A noun, with an adjective before it in four of ten cases."""
    kind = dice.weighted((("none", 55), ("double", 28), ("plain", 17)))
    adjectives = {"none": (), "double": DOUBLE, "plain": ADJECTIVES}[kind]
    adjective = f"{dice.pick(adjectives)}/J" if adjectives else ""
    return tagged(adjective, f"{s_form(noun) if plural else noun}/N")


class Deed(NamedTuple):
    """Who does what.

    Attributes:
        told: the clause. Between the actor and the verb stands a noun of the other number: the verb agrees with the
            actor all the same, and only syntax tells how many act.
        plural: whether several act.
    """

    told: Clause
    plural: bool
    verb: str


def deed(world: World, dice: Dice) -> Deed:
    """One of the document's scenes, plain enough to be told again in short."""
    actor, plural = _noun(world, world.topic, dice)
    other, _ = _noun(world, world.topic, dice)
    verb = _verb(world, world.topic, dice)
    whom = _person(world, dice)
    if dice.percent(50):
        whom = _plain_phrase(*_noun(world, world.topic, dice), dice)
    told = tagged(
        _plain_phrase(actor, plural, dice),
        f"{dice.pick(PARTICLES)}/P",
        _plain_phrase(other, not plural, dice),
        _finite(verb, plural),
        whom,
    )
    return Deed(told, plural, verb)


def in_short(plural: bool, verb: str) -> Clause:
    """That one can do it, or several. The auxiliary has one form for both: only the pronoun tells how many."""
    return tagged(f"{'these' if plural else 'this'}/O can/A {verb}/V")


def lead_in_short(leader: int, world: World) -> Clause:
    """Which of the two leads the other."""
    return tagged("she/O leads/V him/O" if world.people[leader].female else "he/O leads/V her/O")


def _plain_phrase(noun: str, plural: bool, dice: Dice) -> Clause:
    """A noun phrase without "this" and "these", which would be words that a deed shares with its short form."""
    return tagged(f"{dice.pick(('the', 'the', 'some' if plural else 'that'))}/D", _nominal(noun, plural, dice))


def _person(world: World, dice: Dice) -> Clause:
    return tagged("her/O" if dice.pick(world.people).female else "him/O")


def question(fact: Fact, world: World, dice: Dice) -> tuple[Clause, bool]:
    """Asks for a fact, and whether the answer is a person (True) or the fact's value."""
    holder = world.people[fact.holder].name
    if fact.kind == "mood":
        if dice.percent(50):
            return tagged(f"how/R does/A {holder}/E feel/V"), False
        return tagged(f"who/O is/A {dice.pick(MOODS[fact.value])}/J"), True
    if fact.kind == "colour":
        return tagged(f"which/D colour/N is/A the/D {world.thing}/N"), False
    if fact.kind == "weather":
        return tagged(f"how/R is/A the/D {dice.pick(('day', 'sky'))}/N"), False
    leader, led = world.people[fact.value].name, world.people[1 - fact.value].name
    return tagged(f"who/O leads/V {led}/E" if dice.percent(50) else f"who/O follows/V {leader}/E"), True


def other_topic(world: World, dice: Dice) -> Topic:
    """Any other topic than the document's."""
    return dice.pick([topic for topic in TOPICS if topic is not world.topic])
