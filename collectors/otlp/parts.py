"""A large request in several, so that no row of the outbox is more than a destination takes (4 MiB, where a grpcio server is)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from collectors.otlp.shapes import Plan


def parts_of(request: Any, plan: Plan, most: int) -> Iterator[tuple[Any, int]]:
    """Requests of about `most` bytes with the same spans, log records or metrics in the same order, and how many items each has.

    One that is small enough is itself the only part; a single item (or metric) that is larger is a part of its own.
    """
    if request.ByteSize() <= most:
        yield request, count(request, plan)
        return
    part, size, items = type(request)(), 0, 0
    for groups, group, scopes, scope, name, leaf in _leaves(request, plan):
        target = None
        for item in getattr(scope, name):
            weight = item.ByteSize()
            if items and size + weight > most:
                yield part, items
                part, size, items, target = type(request)(), 0, 0, None
            if target is None:
                shell = _shell(getattr(part, groups).add(), group, scopes)
                target = getattr(_shell(getattr(shell, scopes).add(), scope, name), name)
                size += shell.ByteSize()
            target.add().CopyFrom(item)
            size += weight
            items += 1 if leaf.is_item else count(item, leaf)
    if items:
        yield part, items


def count(message: Any, plan: Plan) -> int:
    """The items in a message."""
    if plan.is_item:
        return 1
    items = sum(count(getattr(message, name), inner) for name, inner in plan.ones if inner.has_items and message.HasField(name))
    for name, inner in plan.many:
        if inner.is_item:
            items += len(getattr(message, name))
        elif inner.has_items:
            items += sum(count(one, inner) for one in getattr(message, name))
    return items


def _leaves(request: Any, plan: Plan) -> Iterator[tuple[str, Any, str, Any, str, Plan]]:
    """Every scope of a request with the names of the lists on the way to it: groups, scopes, and what stands in a scope."""
    for groups, of_group in plan.many:
        for group in getattr(request, groups):
            for scopes, of_scope in of_group.many:
                for scope in getattr(group, scopes):
                    for name, leaf in of_scope.many:
                        yield groups, group, scopes, scope, name, leaf


def _shell(target: Any, source: Any, without: str) -> Any:
    """Everything of a message but one of its lists."""
    for field, value in source.ListFields():
        if field.name == without:
            continue
        if field.message_type is not None:
            getattr(target, field.name).MergeFrom(value)
        elif field.is_repeated:
            getattr(target, field.name).extend(value)
        else:
            setattr(target, field.name, value)
    return target
