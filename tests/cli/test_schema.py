"""`message-schema` tells every key of every tier, in both dialects, by any of its names."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from typer.testing import CliRunner

from snews_drill.cli.application import app
from snews_drill.cli.schema import ALIASES, tier_named
from snews_drill.cli.schema_fields import fields_of
from snews_drill.messages.tiers import Tier
from snews_drill.wire.dialects import DIALECTS


@pytest.mark.parametrize("dialect_name", sorted(DIALECTS))
@pytest.mark.parametrize("tier", list(Tier))
def test_every_key_is_explained_in_order(tier: Tier, dialect_name: str) -> None:
    dialect = DIALECTS[dialect_name]
    rows = fields_of(tier, dialect)
    assert [row["name"] for row in rows] == list(dialect.keys_of(tier))
    assert all(row["type"] and row["help"] for row in rows)


def test_aliases_mean_tiers() -> None:
    assert set(ALIASES.values()) == {tier.value for tier in Tier}
    assert tier_named("Timing-Tier") == "TimeTier"


def test_command_shows_tables_and_json(invoke: Callable[..., object]) -> None:
    shown = invoke("message-schema", "sig")
    assert shown.code == 0
    assert "t_bin_width" in shown.out
    found = invoke("message-schema", "all", "--json").json
    assert list(found["tiers"]) == [tier.value for tier in Tier]
    assert invoke("message-schema", "heartbeat", "--dialect", "3", "--json").json["dialect"] == "3"


def test_unknown_tier_fails_with_the_choices() -> None:
    result = CliRunner().invoke(app, ["message-schema", "foo"])
    assert result.exit_code == 1
    assert "TimeTier" in result.stderr
