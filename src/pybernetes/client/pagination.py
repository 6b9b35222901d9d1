"""Lists in pages.

Upstream: client-go/tools/pager.
"""

from collections.abc import AsyncIterator, Callable
from typing import TypeVar

from pybernetes.apimachinery import errors
from pybernetes.client import rest

T = TypeVar("T")
PAGE = 500


async def pages(
    resource: rest.Resource[T],
    namespace: str = "",
    *,
    label_selector: str = "",
    field_selector: str = "",
    limit: int = PAGE,
    resource_version: str = "",
    adapt: Callable[[T], T] | None = None,
) -> AsyncIterator[rest.Page[T]]:
    """Page after page of one consistent list; `Expired` when the server has forgotten the list in the middle."""
    token = ""
    while True:
        page = await resource.list(
            namespace,
            label_selector=label_selector,
            field_selector=field_selector,
            limit=limit,
            continue_token=token,
            # a token brings its own resourceVersion
            resource_version="" if token else resource_version,
            adapt=adapt,
        )
        yield page
        token = page.continue_token
        if not token:
            return


async def list_all(
    resource: rest.Resource[T],
    namespace: str = "",
    *,
    label_selector: str = "",
    field_selector: str = "",
    limit: int = PAGE,
    resource_version: str = "",
    adapt: Callable[[T], T] | None = None,
) -> rest.Page[T]:
    """The whole list; a list that expires in the middle is read again in one piece."""
    items: list[T] = []
    try:
        async for page in pages(
            resource,
            namespace,
            label_selector=label_selector,
            field_selector=field_selector,
            # with a resourceVersion the list comes from the server's cache, which is cheap in one piece only
            limit=0 if resource_version else limit,
            resource_version=resource_version,
            adapt=adapt,
        ):
            items += page.items
            version = page.resource_version
    except errors.Expired:
        if not items:
            raise
        page = await resource.list(namespace, label_selector=label_selector, field_selector=field_selector, adapt=adapt)
        return page
    return rest.Page(tuple(items), version)
