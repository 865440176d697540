"""What was done to vectors before they were measured, in words."""

from __future__ import annotations

from collections.abc import Iterable

from tidegauge.records import Stored


def stored_notes(sides: Iterable[tuple[str, Stored, int]]) -> tuple[str, ...]:
    """Caveats about the label, storage and width of each side; what holds for all sides is said once.

    Examples
    --------
    >>> stored_notes([("before", Stored(), 256), ("after", Stored(width=768), 256)])
    ('after: vectors truncated to their first 256 of 768 dimensions and renormalised.',)
    >>> stored_notes([("before", Stored(1 / 127), 8), ("after", Stored(1 / 127), 8)])
    ('int8 vectors, rescaled by 1/127.',)
    """
    said = [(label, treatments(stored, width)) for label, stored, width in sides]
    common = [text for text in said[0][1] if all(text in texts for _, texts in said)] if said else []
    own = [f"{label}: {text}." for label, texts in said for text in texts if text not in common]
    return (*(f"{text}." for text in common), *own)


def rounding_notes(reference: Stored, window: Stored) -> tuple[str, ...]:
    """What to say of an int8 window beside a reference of floats.

    Examples
    --------
    >>> rounding_notes(Stored(unit=True), Stored(scale=1 / 127))
    ('The int8 vectors of the window were made unit length again, as those of the reference are.',)
    """
    if reference.scale or not window.scale:
        return ()
    if reference.unit and not window.width:
        return ("The int8 vectors of the window were made unit length again, as those of the reference are.",)
    return (
        "The window is int8 and the reference is not: rounding alone may show; a reference fitted on int8 vectors sees "
        "none of it.",
    )


def treatments(stored: Stored, width: int) -> list[str]:
    """What was done to vectors that are now of this width.

    Examples
    --------
    >>> treatments(Stored(scale=0.01), 4), treatments(Stored(width=4), 4)
    (['int8 vectors, rescaled by 0.01'], ['vectors renormalised'])
    """
    said: list[str] = []
    if stored.scale:
        inverse = 1 / stored.scale
        fraction = inverse > 1.5 and abs(inverse - round(inverse)) < 1e-6 * inverse and inverse % 10
        said.append(f"int8 vectors, rescaled by {f'1/{inverse:.0f}' if fraction else f'{stored.scale:g}'}")
    if stored.width > width:
        said.append(f"vectors truncated to their first {width} of {stored.width} dimensions and renormalised")
    elif stored.width:
        said.append("vectors renormalised")
    return said
