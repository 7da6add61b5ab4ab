"""One translated call over our own HTTP: send it, read it whole or in chunks, and know whether it ended as it should."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from pipeline.routing.client import Http, Reader
from pipeline.routing.direct import upstream_id
from pipeline.routing.litellm_configs import Prepared
from pipeline.routing.litellm_errors import failure_by_name
from pipeline.routing.litellm_events import Events
from pipeline.routing.model import Outbound, UpstreamError
from pipeline.routing.upstream import failure_in_stream


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """What LiteLLM's configs use of an HTTP response. The body was parsed once already, and is not parsed again."""

    tree: dict[str, Any]
    headers: dict[str, str]
    status_code: int = 200
    text: str = ""

    def json(self) -> dict[str, Any]:
        """The parsed body."""
        return self.tree


class Exchange:
    """A call over a provider config.

    `ended` is true once the provider said so; `failure` keeps what stopped a stream, for readers that swallow exceptions.
    """

    def __init__(self, http: Http, request: Outbound, prepared: Prepared) -> None:
        self._http, self._request, self._prepared = http, request, prepared
        self._reader: Reader | None = None
        self.upstream_id = ""
        self.ended = False
        self.failure: Exception | None = None

    async def _open(self) -> tuple[Reader, Any]:
        prepared, target = self._prepared, self._request.target
        headers = {name: value for name, value in prepared.headers.items() if isinstance(value, str)}
        headers.setdefault("accept-encoding", "identity")
        response = await self._http.post(prepared.url, prepared.body, headers, target, self._request.departure)
        self._reader = reader = Reader(response, target)
        self.upstream_id = upstream_id(response)
        if response.status != 200:
            raise await reader.refusal(self.upstream_id)
        self._request.departure.answered = True
        return reader, response

    async def whole(self) -> Any:
        """The whole answer as LiteLLM's response object."""
        reader, response = await self._open()
        tree = await reader.tree(self.upstream_id)
        if tree.get("error") and "choices" not in tree:
            raise UpstreamError(failure_in_stream(tree), status=200, body=tree, upstream_id=self.upstream_id)
        self.ended = True
        try:
            return self._prepared.whole(RawAnswer(tree, {name.lower(): value for name, value in response.headers.items()}))
        except Exception as error:  # the boundary to LiteLLM: some of its configs make up a status for what they cannot read
            if failure_by_name(error) is not None:
                raise
            raise UpstreamError("broken_stream", status=200, upstream_id=self.upstream_id) from None

    async def chunks(self, *, texts: bool = False) -> AsyncGenerator[Any, None]:
        """The answer as LiteLLM's stream chunks. Ends only after the provider's terminator; raises UpstreamError otherwise.

        With `texts`, an event after the first that brings nothing but a piece of text comes as that text, which spares most of the cost.
        """
        try:
            reader, _ = await self._open()
            events = Events(self._prepared.stream_format)
            parse, text_of = self._prepared.parse, self._prepared.text if texts else None
            begun = False
            while piece := await reader.piece():
                trees = events.feed(piece)
                self.ended = events.done
                for tree in trees:
                    text = text_of(tree) if begun and text_of is not None else None
                    chunk = parse(tree) if text is None else text
                    if chunk is not None:
                        begun = True
                        yield chunk
                if events.failure is not None:
                    events.failure.upstream_id = self.upstream_id
                    raise events.failure
                if events.last:
                    await reader.drain()
                    return
            if not events.done:
                raise UpstreamError("broken_stream", status=200, upstream_id=self.upstream_id)
        except Exception as error:
            self.failure = error
            raise

    async def aclose(self) -> None:
        """Give the connection back, or close it when the answer was not read to its end."""
        if self._reader is not None:
            self._reader.close()
