"""The tree of errors: as drawn, with a next step each, and able to travel between processes."""

from __future__ import annotations

import copy
import inspect
import pickle
import re

import pytest

from snews_drill import errors
from snews_drill.errors import DrillError, Problem

PROBLEM = Problem("SigTier", "t_bin_width", "is missing.", "Give a number.")
SAMPLES: dict[str, DrillError] = {
    "NameNotSet": errors.NameNotSet(),
    "UnknownDetector": errors.UnknownDetector("XENON1T", ["XENONnT"]),
    "InvalidMessage": errors.InvalidMessage([PROBLEM]),
    "UnreadableRecord": errors.UnreadableRecord("It is not JSON.", b"\xff"),
    "DeliveryFailed": errors.DeliveryFailed(
        "One was lost.", next_step="Send again.", undelivered=[{"_id": "x"}]
    ),
}
CLASSES = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, DrillError)]


def sample(kind: type[DrillError]) -> DrillError:
    return SAMPLES.get(kind.__name__) or kind("It broke.", next_step="Mend it.")


def drawn_tree() -> dict[str, str]:
    """Return class -> parent as the drawing at the top of the module has it."""
    parents, above = {}, [(0, "DrillError")]
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"([ │├└─]+)([A-Z]\w+)  ", line)
        if not found or "─" not in found[1]:
            continue
        depth = len(found[1])
        while above[-1][0] >= depth:
            above.pop()
        parents[found[2]] = above[-1][1]
        above.append((depth, found[2]))
    return parents


def test_the_drawing_is_the_tree() -> None:
    """Every class is drawn below its parent, and nothing else is drawn."""
    assert drawn_tree() == {
        kind.__name__: kind.__mro__[1].__name__ for kind in CLASSES if kind is not DrillError
    }


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_ends_with_the_next_step(kind: type[DrillError]) -> None:
    """Reason and next step are two attributes, and the text has both."""
    error = sample(kind)
    assert error.reason
    assert error.next_step
    assert str(error) == f"{error.reason}\n  Next step: {error.next_step}"
    assert kind.__doc__


@pytest.mark.parametrize("kind", CLASSES)
def test_errors_survive_pickling_and_copying(kind: type[DrillError]) -> None:
    """An error raised in another process is the same error here, with all it carries."""
    error = sample(kind)
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(again) is kind
        assert str(again) == str(error)
        assert vars(again) == vars(error)
        assert again.args == error.args


def test_an_invalid_message_names_every_field_and_all_remedies_once() -> None:
    """Two problems with one remedy tell it once; ValueError catches it."""
    error = errors.InvalidMessage([PROBLEM, Problem("", "p_val", "is 2.", "Give a number.")])
    assert error.reason == "SigTier.t_bin_width: is missing.; p_val: is 2."
    assert error.next_step == "Give a number."
    assert isinstance(error, ValueError)


def test_problems_read_as_sentences() -> None:
    """Where, why, and what would be right."""
    assert str(PROBLEM) == "SigTier.t_bin_width: is missing. Give a number."
    assert str(Problem("", "p_val", "is 2.", "Mend it.")) == "p_val: is 2. Mend it."


def test_long_names_are_cut() -> None:
    """A hostile name does not flood the screen."""
    assert len(str(errors.UnknownDetector("x" * 10**6, []))) < 300
