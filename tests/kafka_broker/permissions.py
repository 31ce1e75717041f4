"""What a user of the test broker may do, in the terms that a collaboration asks its administrator for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from confluent_kafka.admin import AclBinding

Operation = Literal["READ", "WRITE", "DESCRIBE", "DESCRIBE_CONFIGS"]


@dataclass(frozen=True)
class Permission:
    """Operations that one user is allowed on a topic or a consumer group.

    Attributes
    ----------
    user : str
        The SCRAM user's name.
    name : str
        Name of the topic or group; with `*` at its end, every name with that beginning.
    operations : tuple of str
        READ and WRITE bring DESCRIBE with them, DESCRIBE_CONFIGS stands alone (Kafka's authorizer).
    resource : str
        "topic" or "group".
    """

    user: str
    name: str
    operations: tuple[Operation, ...]
    resource: Literal["topic", "group"] = "topic"


def may_read(user: str, *topics: str) -> list[Permission]:
    """Allow reading the topics, in consumer groups named `user-…` as hop makes them up."""
    group = Permission(user, f"{user}-*", ("READ",), resource="group")
    return [group, *(Permission(user, topic, ("READ",)) for topic in topics)]


def may_write(user: str, *topics: str) -> list[Permission]:
    """Allow writing to the topics and asking for their settings, which hop's producer does when it opens."""
    return [Permission(user, topic, ("WRITE", "DESCRIBE_CONFIGS")) for topic in topics]


def to_bindings(permissions: Iterable[Permission]) -> list[AclBinding]:
    """Return the access-control entries that state the permissions, for any client host."""
    from confluent_kafka.admin import (
        AclBinding,
        AclOperation,
        AclPermissionType,
        ResourcePatternType,
        ResourceType,
    )

    return [
        AclBinding(
            ResourceType.GROUP if permission.resource == "group" else ResourceType.TOPIC,
            permission.name.removesuffix("*") or "*",
            ResourcePatternType.PREFIXED
            if permission.name.endswith("*") and permission.name != "*"
            else ResourcePatternType.LITERAL,
            f"User:{permission.user}",
            "*",
            AclOperation[operation],
            AclPermissionType.ALLOW,
        )
        for permission in permissions
        for operation in permission.operations
    ]
