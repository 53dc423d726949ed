"""Wrong values everywhere: one line in our words, whatever finds the fault."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import rtaudio as rt
from rtaudio.effects.parallel import Branch
from rtaudio.effects.registry import effect_class, effect_kinds
from rtaudio.settings import Settings

WRONG = [
    "nonsense", "", b"bytes", None, True, 1e9, -1e9, float("nan"), float("inf"), 10**400, 2 + 1j,
    [], [1], {}, {"a": 1}, {1: "x"}, (), set(), object(), Path("/nowhere"), np.ones((3, 3)), int,
    lambda: 0, rt.Gain(), [rt.Gain(), 3], [None], [{"gain_db": 3}], "x" * 500, "two\nlines",
]  # fmt: skip
FOREIGN = ("pydantic", "input should", "validation error", "for further information", "http")
FILES = {
    "model": rt.shipped_models()["crunch-light"],
    "cabinet": rt.shipped_cabinets()["british-4x12"],
}


def arguments(cls):
    if cls.kind == "parallel":
        return {"branches": [rt.Branch()]}
    return {"file": FILES[cls.kind]} if cls.kind in FILES else {}


def check(make):
    """A wrong value is refused in one line of ours; True if it is taken."""
    try:
        make()
    except (rt.RtaudioError, OSError) as error:
        refusal = error
    else:
        return True
    text = str(refusal)
    assert text
    assert "\n" not in text or isinstance(refusal, OSError)  # a file is called so
    assert not [word for word in FOREIGN if word in text.lower()], text
    return False


CLASSES = {cls.kind: cls for cls in [*map(effect_class, effect_kinds()), Branch]}


@pytest.mark.parametrize("kind", CLASSES)
def test_every_field_of_every_effect(kind):
    cls = CLASSES[kind]
    effect = cls(**arguments(cls))
    for name in [*cls.model_fields, "unknown"]:
        for value in WRONG:
            if not check(lambda name=name, value=value: setattr(effect, name, value)):
                check(lambda name=name, value=value: cls(**{**arguments(cls), name: value}))
    for value in WRONG:
        if value is not None:  # the default of some
            check(lambda value=value: cls(value))


@pytest.mark.parametrize("value", WRONG, ids=lambda value: type(value).__name__)
def test_the_settings(value):
    check(lambda: Settings(interface_dbu=value))
    check(lambda: Settings(unknown=value))


def test_the_words_of_some():
    for make, words in (
        (lambda: rt.Chain(3), "chain.effects[0] = 3 is not an Effect"),
        (lambda: rt.Parallel(rt.Gain()), "parallel.branches[0] = Gain() is not a Branch"),
        (
            lambda: setattr(rt.Gain(), "gian_db", 3),
            "gain.gian_db: unknown key; did you mean 'gain_db'?",
        ),
        (lambda: Settings(interface_dbu=99), "interface_dbu = 99 is out of range -20 .. 40 dBu"),
    ):
        with pytest.raises(rt.RtaudioError) as error:
            make()
        assert str(error.value) == words
