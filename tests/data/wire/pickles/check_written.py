"""Check that the package the models come from reads what `snews_drill` writes.

Run by hand where snews-data-formats 1.1.1 is installed:

    formats/bin/python tests/data/wire/pickles/check_written.py
"""

from __future__ import annotations

import json
import pickle
from pathlib import Path

from snews.models import messages

HERE = Path(__file__).parent


def main() -> None:
    """Unpickle each file and compare it with the model made from its fields."""
    expected = json.loads((HERE / "real" / "expected.json").read_text(encoding="utf-8"))
    for name, case in expected.items():
        model = getattr(messages, case["class"])
        wanted = model(**case["fields"])
        found = pickle.loads((HERE / "written" / f"{name}.pickle").read_bytes())
        assert type(found) is model
        assert found == wanted
        assert found.model_dump() == wanted.model_dump()
        assert found.tier is messages.Tier(wanted.tier)
        assert list(found.__dict__) == list(type(wanted).model_fields), "order of the fields"
        assert found.model_copy(update={"detector_name": "JUNO"}).detector_name == "JUNO"
        assert model.model_validate_json(found.model_dump_json()) == wanted
        real = pickle.loads((HERE / "real" / f"{name}.protocol4.pickle").read_bytes())
        assert found == real, name
        print(f"{name}: the same")


if __name__ == "__main__":
    main()
