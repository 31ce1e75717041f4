"""The rows of the live table in the browser: newest first, sorted, searched and paged there.

A widget of our own, because a table that is rebuilt with every update loses the search, the order, the focus and the
selection (docs/decisions.md).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
import traitlets

from snews_drill.widgets.alert_rows import COLUMNS

_STATIC = Path(__file__).parent / "static"


class AlertGrid(anywidget.AnyWidget):
    """Rows as `alert_to_row` makes them.

    Attributes
    ----------
    rows : list of dict
        What to show.
    selected : int
        The number of the row that was chosen; 0 for none.
    detailed : int
        The number of the row whose details are shown: the browser tells when it has to wait for them.
    columns : list of [str, bool]
        Headlines, and whether the cells are numbers.
    """

    # As text: given a path, the library may watch the file.
    _esm = (_STATIC / "alert_grid.js").read_text(encoding="utf-8")
    _css = (_STATIC / "alert_grid.css").read_text(encoding="utf-8")

    rows: Any = traitlets.List().tag(sync=True)
    selected: Any = traitlets.Int(0).tag(sync=True)
    detailed: Any = traitlets.Int(0).tag(sync=True)
    columns: Any = traitlets.List([list(column) for column in COLUMNS]).tag(sync=True)
