"""A generated search product: the queries of a shop's help search, week 0 to week 8, with known drift.

Nothing here was ever asked by a person: topics, texts, sessions, vectors and outcomes are generated from a seed.
The vectors look like a sentence encoder's: unit length, a large common mean, a spectrum that falls as a power law,
topics as clusters of unequal traffic. Three things happen one after another, and the outcomes suffer from the last
one only:

=======  ==================================================================================================
week     what is true
=======  ==================================================================================================
0        the reference
1, 2     unchanged
3, 4     the mean has moved: the search box now completes queries, which turns every vector the same way
5        and the spread within topics has grown by 15 %: queries have become longer and more diverse
6 to 8   and a new topic, "gift cards", that the index does not cover, carries 4 %, 8 % and 12 % of the queries
=======  ==================================================================================================
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import product as combinations
from typing import Final

import numpy as np
import numpy.typing as npt

from tidegauge.records import Batch

DIMENSION: Final = 96
WEEKS: Final = 9
NEW_TOPIC: Final = "gift cards"

_WEEK = 7 * 86_400
_START = 1_767_571_200  # Monday 2026-01-05 00:00 UTC
_MEAN_FROM, _SPREAD_FROM = 3, 5
_NEW_SHARE: Final = {6: 0.04, 7: 0.08, 8: 0.12}
_SPREAD = 1.15
_MEAN_NORM, _TOPIC_NORM, _NOISE_NORM = 0.75, 0.55, 0.60
_SHIFT_PC1, _SHIFT_ELSEWHERE = 0.6, 0.2  # in standard deviations of the first principal component
_SUCCESS, _SUCCESS_NEW = 0.88, 0.15
_CLICKED, _CLICKED_FAILED = 0.66, 0.18
_ANSWERED = 0.97

# Topic -> what a person wants to know about it. Four neighbours in this list form a family that sessions stay within.
_TOPICS: Final[dict[str, tuple[str, ...]]] = {
    "opening hours": ("when do you open {when}", "are you open {when}", "opening hours {store}"),
    "parking": ("where can I park near {store}", "is parking free at {store}", "parking garage {store} {when}"),
    "store finder": ("nearest store to me", "how do I get to {store}", "address of {store}"),
    "click and collect": (
        "can I pick up {item} at {store}",
        "is my {item} ready to collect",
        "click and collect {when}",
    ),
    "delivery time": ("when will my {item} arrive", "how long does delivery take", "delivery of {item} {when}"),
    "delivery cost": ("how much is delivery for {item}", "free delivery from what amount", "shipping cost abroad"),
    "parcel tracking": ("where is my parcel", "tracking number for my {item}", "track my {item} order"),
    "change address": (
        "change delivery address of {item}",
        "send my order to another address",
        "wrong address on my order",
    ),
    "refund": ("when do I get my money back for {item}", "refund for {item}", "refund not received"),
    "return parcel": ("how do I send back {item}", "print a return label", "return {item} at {store}"),
    "exchange size": ("exchange {item} for a bigger size", "swap {item} for another colour", "size of {item} is wrong"),
    "damaged item": ("my {item} arrived damaged", "{item} is broken", "missing part in {item}"),
    "password reset": ("I forgot my password", "password reset email does not come", "how do I change my password"),
    "account locked": ("my account is locked", "cannot sign in {when}", "too many sign-in attempts"),
    "newsletter": ("unsubscribe from the newsletter", "stop emails about {item}", "newsletter discount code"),
    "delete account": ("delete my account and data", "close my account", "what data do you keep about me"),
    "payment methods": ("can I pay for {item} by invoice", "which cards do you take", "pay in instalments for {item}"),
    "card declined": ("my card was declined", "payment for {item} failed", "charged twice for {item}"),
    "invoice copy": ("copy of my invoice", "invoice for {item} with company name", "download last invoice"),
    "discount code": ("discount code does not work on {item}", "student discount", "voucher for {item} expired"),
    "stock": ("is {item} in stock at {store}", "when is {item} available again", "tell me when {item} is back"),
    "size guide": ("size guide for {item}", "what size of {item} fits me", "does {item} run small"),
    "washing care": ("how do I wash {item}", "can {item} go in the dryer", "remove stains from {item}"),
    "warranty": ("how long is the warranty on {item}", "warranty claim for {item}", "repair {item} under warranty"),
}
_NEW_TEXTS: Final = (
    "how do I redeem a gift card",
    "balance of my gift card",
    "gift card for {item}",
    "can I buy a gift card at {store}",
    "gift card code is not accepted {when}",
    "does a gift card expire",
)
_FAMILY = 4
_FILLINGS: Final = {
    "{item}": (
        "shoes",
        "a winter coat",
        "a rain jacket",
        "a backpack",
        "the blue tent",
        "running socks",
        "a sleeping bag",
    ),
    "{store}": ("the store", "the city store", "the station", "the outlet", "the airport store"),
    "{when}": ("today", "on Sunday", "tomorrow", "this weekend", "on the holiday", "after six"),
}
_TAILS: Final = (
    "",
    "",
    "",
    ", and what does it cost?",
    ", I need it this week",
    " for an order from last month",
    ", please help",
)


@dataclass(frozen=True, slots=True)
class Truth:
    """What is true of one generated week, against week 0.

    Attributes
    ----------
    drift, mean_shift, spread_change : bool
        Whether anything changed, and what.
    new_share : float
        Share of the queries in the new topic, in [0, 1].
    sentence : str
        The same in words.
    """

    week: int
    mean_shift: bool
    spread_change: bool
    new_share: float
    sentence: str

    @property
    def drift(self) -> bool:
        """Whether anything changed."""
        return self.mean_shift or self.spread_change or self.new_share > 0


class Product:
    """A generated search product; the same seed gives the same product, week by week.

    Parameters
    ----------
    seed : int
        Chooses the product and everything that happens in it.

    Examples
    --------
    >>> week = Product(seed=1).week(0, rows=500)
    >>> week.x.shape, week.source
    ((500, 96), 'generated product, week 0')
    >>> Product(seed=1).truth(6).sentence
    'mean shift; wider topics; 4 % of the queries in a new topic, gift cards'
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        rng = np.random.default_rng([seed, 0])
        self.topics: tuple[str, ...] = (*_TOPICS, NEW_TOPIC)
        old = len(_TOPICS)

        # A random orthonormal basis; its first axis is the common mean, the others carry a power-law spectrum.
        basis = np.linalg.qr(rng.standard_normal((DIMENSION, DIMENSION)))[0].T
        axes = basis[1:]
        rank = np.arange(1, DIMENSION)
        topic_scale, noise_scale = rank**-0.5, rank**-0.4
        self._noise_axes = axes * (noise_scale * _NOISE_NORM / np.linalg.norm(noise_scale))[:, None]
        self._mean = _MEAN_NORM * basis[0]

        weights = 1 / np.arange(2, old + 2) ** 0.7
        self._weights = rng.permutation(weights / weights.sum())
        centres = rng.standard_normal((old, DIMENSION - 1)) * topic_scale
        centres -= self._weights @ centres
        centres *= _TOPIC_NORM / np.sqrt(self._weights @ (centres**2).sum(axis=1))
        # The new topic lies where the old ones have little: partly along the second axis, mostly in the flat end.
        new = np.zeros(DIMENSION - 1)
        new[DIMENSION // 2 :] = rng.standard_normal(DIMENSION - 1 - DIMENSION // 2)
        new *= 0.8 * _TOPIC_NORM * 1.4 / np.linalg.norm(new)
        new[1] = 0.6 * _TOPIC_NORM * 1.4
        self._centres = np.vstack([centres, new]) @ axes

        # The mean's turn: mostly along the first principal component, orthogonal to the mean, so that length stays.
        covariance = (self._centres[:old].T * self._weights) @ self._centres[
            :old
        ] + self._noise_axes.T @ self._noise_axes
        values, vectors = np.linalg.eigh(covariance)
        pc1 = vectors[:, -1] * np.sign(vectors[np.abs(vectors[:, -1]).argmax(), -1])  # the same sign on every machine
        turn = np.sqrt(values[-1]) * (_SHIFT_PC1 * pc1 + _SHIFT_ELSEWHERE * axes[DIMENSION // 3])
        turn -= (turn @ basis[0]) * basis[0]
        moved = self._mean + turn
        self._moved = moved * (_MEAN_NORM / np.linalg.norm(moved))

    def truth(self, k: int) -> Truth:
        """Say what is true of week ``k`` against week 0."""
        _check_week(k)
        mean, spread, share = k >= _MEAN_FROM, k >= _SPREAD_FROM, _NEW_SHARE.get(k, 0.0)
        parts = [
            "mean shift" if mean else "",
            "wider topics" if spread else "",
            f"{100 * share:.0f} % of the queries in a new topic, {NEW_TOPIC}" if share else "",
        ]
        sentence = "; ".join(part for part in parts if part) or "unchanged"
        return Truth(k, mean, spread, share, sentence)

    def week(self, k: int, rows: int = 1500) -> Batch:
        """Generate week ``k``, in the order of time.

        Parameters
        ----------
        k : int
            0 to 8; what happens when is in the head of this module.
        rows : int
            Number of queries.

        Returns
        -------
        Batch
            With ids, texts, times, sessions, segments (``web`` or ``app``) and the outcomes ``success``, ``clicked``
            and ``answered``. A session is a person with one to six queries in one family of topics; sessions are
            independent of each other. ``answered`` never changes; ``success`` is low in the new topic, and
            ``clicked`` follows it.
        """
        _check_week(k)
        if rows < 1:
            raise ValueError(f"rows: got {rows}, want 1 or more")
        truth = self.truth(k)
        rng = np.random.default_rng([self.seed, 1, k])
        session = _sessions(rng, rows)
        topic = self._choose_topics(rng, session, truth.new_share)

        spread = np.where(topic == len(_TOPICS), 0.8, _SPREAD if truth.spread_change else 1.0)
        x = spread[:, None] * (rng.standard_normal((rows, DIMENSION - 1)) @ self._noise_axes)
        x += self._centres[topic] + (self._moved if truth.mean_shift else self._mean)
        x /= np.linalg.norm(x, axis=1, keepdims=True)

        success = rng.random(rows) < np.where(topic == len(_TOPICS), _SUCCESS_NEW, _SUCCESS)
        clicked = rng.random(rows) < np.where(success, _CLICKED, _CLICKED_FAILED)
        answered = rng.random(rows) < _ANSWERED
        times, order = _times(rng, session, _START + k * _WEEK)
        texts = self._choose_texts(rng, topic, longer=truth.spread_change)
        segments = np.where(rng.random(session[-1] + 1) < 0.6, "web", "app")[session]
        return Batch(
            x=x[order].astype(np.float32),
            ids=_names(f"w{k}-", range(rows), 6),
            texts=texts[order],
            times=times[order],
            sessions=_names(f"w{k}-s", session[order].tolist(), 5),
            segments=segments[order],
            outcomes={
                "success": _outcome(success[order]),
                "clicked": _outcome(clicked[order]),
                "answered": _outcome(answered[order]),
            },
            source=f"generated product, week {k}",
        )

    def _choose_topics(
        self, rng: np.random.Generator, session: npt.NDArray[np.intp], new_share: float
    ) -> npt.NDArray[np.intp]:
        """A family for each session, a topic of it for each row; any row may be about the new topic."""
        old = len(_TOPICS)
        by_family = self._weights.reshape(-1, _FAMILY)
        mass = by_family.sum(axis=1)
        family = rng.choice(len(mass), size=session[-1] + 1, p=mass / mass.sum())[session]
        cumulative = np.cumsum(by_family / mass[:, None], axis=1)[family]
        within = (rng.random(len(session))[:, None] > cumulative[:, :-1]).sum(axis=1)
        return np.where(rng.random(len(session)) < new_share, old, family * _FAMILY + within)

    def _choose_texts(
        self, rng: np.random.Generator, topic: npt.NDArray[np.intp], *, longer: bool
    ) -> npt.NDArray[np.str_]:
        """A text of its topic for each row; with a tail on about half of them where queries have become longer."""
        phrases, counts = self._phrases
        texts = phrases[topic, (rng.random(len(topic)) * counts[topic]).astype(np.intp)]
        tails = np.asarray(_TAILS)[rng.integers(len(_TAILS), size=len(topic))]
        return np.char.add(texts, tails) if longer else texts

    @cached_property
    def _phrases(self) -> tuple[npt.NDArray[np.str_], npt.NDArray[np.intp]]:
        """Every text of every topic, padded to a rectangle, and how many each topic has."""
        lists = [_expand(templates) for templates in (*_TOPICS.values(), _NEW_TEXTS)]
        longest = max(len(each) for each in lists)
        padded = np.array([each + [""] * (longest - len(each)) for each in lists])
        return padded, np.array([len(each) for each in lists])


def _check_week(k: int) -> None:
    if not 0 <= k < WEEKS:
        raise ValueError(f"week: got {k}, want 0 to {WEEKS - 1}")


def _expand(templates: Iterable[str]) -> list[str]:
    """Every template with every filling."""
    texts: list[str] = []
    for template in templates:
        slots = [slot for slot in _FILLINGS if slot in template]
        for words in combinations(*(_FILLINGS[slot] for slot in slots)):
            text = template
            for slot, word in zip(slots, words, strict=True):
                text = text.replace(slot, word)
            texts.append(text)
    return texts


def _sessions(rng: np.random.Generator, rows: int) -> npt.NDArray[np.intp]:
    """The session of each row: 0, 0, 1, 2, 2, 2, ... with one to six rows each."""
    sizes = np.minimum(rng.geometric(0.5, size=rows), 6)
    return np.repeat(np.arange(rows), sizes)[:rows]


def _times(
    rng: np.random.Generator, session: npt.NDArray[np.intp], start: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.intp]]:
    """Seconds since 1970 inside the week that begins at ``start``, busier by day, and the order of time."""
    count = session[-1] + 1
    hour = np.clip(rng.normal(14, 4, size=count), 0, 23)
    begin = start + 86_400 * rng.integers(7, size=count) + 3600 * hour
    times = np.round(begin[session] + rng.uniform(0, 1800, size=len(session)), 3)
    return times, np.argsort(times, kind="stable")


def _names(prefix: str, numbers: Iterable[int], digits: int) -> npt.NDArray[np.str_]:
    return np.array([f"{prefix}{number:0{digits}d}" for number in numbers])


def _outcome(happened: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Numerator and denominator of each row."""
    return np.column_stack([happened, np.ones(len(happened))]).astype(np.float64)
