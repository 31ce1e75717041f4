"""Between us and the broker: the only package that imports hop-client and the Kafka client beneath it.

hop-client finds the credentials and writes; reading goes through the consumer class that hop-client itself uses, because
hop's reading loop waits for a hundred records or a second before it hands over the first. Every message is
acknowledged, every wait is bounded, and foreign errors become ours, with the next step.
"""

from __future__ import annotations

from snews_drill.transport.clients import credentials_for, find_credentials
from snews_drill.transport.credential_store import (
    Credential,
    check_private,
    delete_credential,
    described,
    store_credential,
    store_path,
    stored_credentials,
)
from snews_drill.transport.failures import raise_undelivered
from snews_drill.transport.membership import Membership
from snews_drill.transport.permissions import TopicRights
from snews_drill.transport.producing import MAX_RECORD_BYTES
from snews_drill.transport.reading import Reader, Start
from snews_drill.transport.records import Receipt, Receipts, Record
from snews_drill.transport.versions import versions
from snews_drill.transport.writing import Transport

__all__ = [
    "MAX_RECORD_BYTES",
    "Credential",
    "Membership",
    "Reader",
    "Receipt",
    "Receipts",
    "Record",
    "Start",
    "TopicRights",
    "Transport",
    "check_private",
    "credentials_for",
    "delete_credential",
    "described",
    "find_credentials",
    "raise_undelivered",
    "store_credential",
    "store_path",
    "stored_credentials",
    "versions",
]
