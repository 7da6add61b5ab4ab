"""A loopback model provider: OpenAI, Anthropic, Gemini and Bedrock wire formats, steered by model name or last message.

    with running_provider() as provider:
        provider.url            # http://127.0.0.1:PORT; OpenAI clients add /v1
        provider.calls          # what it saw, as `Call`s
        provider.accept_keys = {"the only key"}     # other keys get 401; None accepts every key
        provider.leak = "text of the directive `leak`"

What may stand in a model name is in `provider_script.py`. In a process of its own: `python -m tests.servers.provider --port 0`
prints its address; `GET /_ledger` shows the books without bodies, `POST /_seen` counts the requests that contained a text,
`POST /_control` sets `accept_keys` and `leak`, `POST /_reset` forgets.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gzip
import itertools
import json
import socket
import struct
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import orjson
import uvicorn

from tests.servers import provider_anthropic, provider_bedrock, provider_canaries, provider_gemini, provider_openai
from tests.servers.provider_calls import Call, Price, bill
from tests.servers.provider_script import Reply, Script, Tally, compose, read_script, texts_in, tokens_of

MODELS = ["echo", "gpt-5-mini", "claude-sonnet-4-5"]


class Provider:
    """The ASGI application and its books."""

    def __init__(self, *, keep: bool = True) -> None:
        self.url = ""
        self.keep = keep
        self.accept_keys: set[str] | None = None
        self.leak = ""
        self.open_lists = False
        self.refuse_with = 0
        self.looks: list[provider_canaries.Look] = []
        self.calls: list[Call] = []
        self.tries: dict[str, int] = {}
        self.closing = threading.Event()
        self._ids = itertools.count(1)
        self._bombs: dict[str, bytes] = {}

    def bill(self, prices: dict[str, Price]) -> int:
        """What this provider charges for everything it answered, in micro-dollars."""
        return bill(self.calls, prices)

    def saw(self, text: str) -> list[Call]:
        """The calls whose body, path or headers contain a text."""
        needle = text.encode()
        return [c for c in self.calls if needle in c.raw or text in c.path or any(text in value for value in c.headers.values())]

    @property
    def keys(self) -> list[str]:
        """The keys in the order in which they were used."""
        return [call.key for call in self.calls]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one HTTP request."""
        if scope["type"] != "http":
            return
        chunks = []
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            chunks.append(message.get("body", b""))
            if not message.get("more_body"):
                break
        raw = b"".join(chunks)
        path = unquote(scope["raw_path"].decode("latin-1")) if scope.get("raw_path") else scope["path"]
        if path.startswith("/_"):
            await _send_json(send, 200, self._own(path, raw))
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if scope["method"] == "GET" and provider_canaries.is_canary(path):
            self.looks.append(provider_canaries.Look(path, scope.get("query_string", b"").decode(), _key_of(headers), headers))
            refused = self.accept_keys is not None and not self.open_lists and _key_of(headers) not in self.accept_keys
            await _send_json(
                send, *(provider_canaries.refused(path, self.refuse_with) if refused else provider_canaries.answer(path, MODELS))
            )
            return
        await _Exchange(self, scope, receive, send).run(path, headers, raw, f"{next(self._ids):08d}")

    def _own(self, path: str, raw: bytes) -> Any:
        body = json.loads(raw) if raw else {}
        if path == "/_ledger":
            total = {"calls": len(self.calls), "billed": sum(call.billed for call in self.calls)}
            prices = {name: Price(**numbers) for name, numbers in body.get("prices", {}).items()}
            return total | {"items": [call.public() for call in self.calls]} | ({"bill_micros": self.bill(prices)} if prices else {})
        if path == "/_seen":
            return {"count": len(self.saw(body["text"]))}
        if path == "/_control":
            if "accept_keys" in body:
                self.accept_keys = None if body["accept_keys"] is None else set(body["accept_keys"])
            self.leak = body.get("leak", self.leak)
            return {"ok": True}
        if path == "/_reset":
            self.calls.clear()
            self.tries.clear()
            return {"ok": True}
        return {"error": "no such path"}

    def bomb(self, kind: str) -> bytes:
        """A gzip body that unpacks to 256 MiB: JSON, or one event of a stream. Made once."""
        if kind not in self._bombs:
            start, end = (b"data: {", b"}\n\n") if kind == "stream" else (b"{", b"}")
            blank = b" " * (1 << 20)
            packer = gzip.GzipFile(fileobj=(out := _Buffer()), mode="wb", mtime=0)
            packer.write(start)
            for _ in range(256):
                packer.write(blank)
            packer.write(end)
            packer.close()
            self._bombs[kind] = bytes(out.data)
        return self._bombs[kind]


class _Buffer:
    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, piece: bytes) -> int:
        self.data += piece
        return len(piece)

    def flush(self) -> None:
        """Nothing is buffered."""


def _key_of(headers: dict[str, str]) -> str:
    """The credential of a request, in whichever header its format puts it."""
    for name in ("x-api-key", "x-goog-api-key", "api-key"):
        if name in headers:
            return headers[name]
    authorization = headers.get("authorization", "")
    if authorization.startswith("AWS4-HMAC-SHA256"):
        return authorization.partition("Credential=")[2].partition("/")[0]
    return authorization.removeprefix("Bearer ").strip()


def _format_of(path: str) -> str:
    """Which wire format and call a path means."""
    ends = (
        ("/chat/completions", "chat"),
        ("/completions", "completions"),
        ("/embeddings", "embeddings"),
        ("/messages/count_tokens", "count"),
        ("/messages", "messages"),
        (":generateContent", "gemini"),
        (":streamGenerateContent", "gemini-stream"),
        (":batchEmbedContents", "gemini-embed"),
        (":countTokens", "gemini-count"),
        ("/converse", "converse"),
        ("/converse-stream", "converse-stream"),
        ("/invoke", "invoke"),
        ("/invoke-with-response-stream", "invoke-stream"),
    )
    return next((name for end, name in ends if path.endswith(end)), "")


def _last_user(body: dict[str, Any]) -> str:
    """The text of the last user message, in any of the formats."""
    if "prompt" in body and not body.get("messages"):
        prompt = body["prompt"]
        return prompt if isinstance(prompt, str) else str(prompt[0])
    turns = body.get("messages") or body.get("contents") or []
    for turn in reversed(turns):
        if turn.get("role", "user") == "user":
            text = "".join(texts_in(turn.get("content", turn.get("parts"))))
            if text:
                return text
    return ""


def _first_tool(body: dict[str, Any]) -> str:
    """The name of the first offered tool, in any of the formats."""
    tools = body.get("tools") or (body.get("toolConfig") or {}).get("tools") or []
    for tool in tools:
        declared = tool.get("functionDeclarations") or tool.get("function_declarations") or [tool]
        for item in declared:
            name = item.get("name") or item.get("function", {}).get("name") or item.get("toolSpec", {}).get("name")
            if name:
                return str(name)
    return ""


class _Exchange:
    """One request being answered."""

    def __init__(self, provider: Provider, scope: Any, receive: Any, send: Any) -> None:
        self.provider, self.scope, self.receive, self.send = provider, scope, receive, send
        self.kind = ""
        self.call = Call("", "", "", "", {}, b"", None)
        self.script = Script()

    async def run(self, path: str, headers: dict[str, str], raw: bytes, ident: str) -> None:
        kind = self.kind = _format_of(path)
        try:
            body = orjson.loads(raw) if raw else {}
        except ValueError:
            body = None
        model = ""
        if isinstance(body, dict):
            model = str(body.get("model") or "") or path.rsplit("/", 1)[-1].partition(":")[0]
            if kind.startswith(("converse", "invoke")):
                model = path.split("/model/", 1)[-1].rsplit("/", 1)[0]
            elif "gemini" in kind:
                model = path.rsplit("/models/", 1)[-1].rsplit(":", 1)[0]
            elif "/deployments/" in path:
                model = path.split("/deployments/", 1)[1].split("/", 1)[0]
        provider = self.provider
        self.call = Call(ident, path, model, _key_of(headers), headers, raw if provider.keep else b"", body if provider.keep else None)
        self.call.client = ":".join(map(str, self.scope.get("client") or ()))
        provider.calls.append(self.call)
        if not kind or not isinstance(body, dict):
            await self.fail(404 if not kind else 400, "Nothing here." if not kind else "The body is not a JSON object.")
            return
        self.script, prompt = read_script(model, _last_user(body))
        watcher = asyncio.ensure_future(self.watch())
        try:
            if not await self.trouble(body):
                await self.answer(body, prompt)
        finally:
            watcher.cancel()

    async def watch(self) -> None:
        """Notice that the client has gone."""
        message = await self.receive()
        if message["type"] == "http.disconnect" and not self.call.finished:
            self.call.disconnected = True

    async def hang(self) -> None:
        """Say nothing more until the client goes or the server stops."""
        while not (self.call.disconnected or self.provider.closing.is_set()):
            await asyncio.sleep(0.02)

    async def reset(self) -> None:
        """Break the connection with a TCP reset."""
        transport = self.send.__self__.transport
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
        while not self.call.disconnected:  # until the server has noticed, or it would log an unfinished answer
            await asyncio.sleep(0)

    async def trouble(self, body: dict[str, Any]) -> bool:
        """Everything that is decided before the answer begins; whether that was all."""
        script, provider, flags = self.script, self.provider, self.script.flags
        if "slow" in script.values:
            await asyncio.sleep(float(script.values["slow"]))
        if script.at.get("hang") == 0:
            await self.hang()
            return True
        if script.at.get("rst") == 0:
            await self.reset()
            return True
        if "error-echo" in script.values:
            await self.fail(int(script.values["error-echo"]), f"Refused: the request carried {self.call.key} as its key.", echo=True)
            return True
        if provider.accept_keys is not None and self.call.key not in provider.accept_keys:
            await self.fail(401, "The key is not known here.")
            return True
        if script.status in (401, 403) and provider.accept_keys is not None:
            return False
        if script.status:
            await self.fail(script.status, f"Scripted failure {script.status}.")
            return True
        if "flaky" in script.values:
            status, _, times = script.values["flaky"].partition(":")
            tried = provider.tries[script.name] = provider.tries.get(script.name, 0) + 1
            if tried <= int(times or 1):
                await self.fail(int(status), f"Scripted failure {status}, time {tried}.")
                return True
        return await self.oddity(flags, streamed=bool(body.get("stream")))

    async def oddity(self, flags: set[str], *, streamed: bool) -> bool:
        """Answers that no client expects."""
        if "context" in flags or "filter" in flags:
            await self.respond(400, provider_openai.special_error("context" if "context" in flags else "filter"))
        elif "bigerror" in flags:
            await self.respond(500, {"error": {"message": "x" * (1 << 20), "type": "server_error", "param": None, "code": None}})
        elif "html" in flags:
            await self.raw(200, b"<html><body>A page.</body></html>", "text/html")
        elif "redirect" in flags:
            await self.raw(307, b"", "text/plain", {"location": f"{self.provider.url}/v1/elsewhere"})
        elif "bomb" in flags:
            packed = self.provider.bomb("stream" if streamed else "json")
            await self.raw(200, packed, "text/event-stream" if streamed else "application/json", {"content-encoding": "gzip"})
        elif "longline" in flags:
            await self.raw(200, b"data: " + b"x" * (16 << 20) + b"\n\n", "text/event-stream")
        else:
            return False
        return True

    async def answer(self, body: dict[str, Any], prompt: str) -> None:
        """Compose the answer and send it in the request's format."""
        kind, call = self.kind, self.call
        if kind in ("embeddings", "gemini-embed"):
            await self.embed(body)
            return
        settings = body.get("inferenceConfig") or body.get("generationConfig") or {}
        limit = (
            body.get("max_completion_tokens") or body.get("max_tokens") or settings.get("maxTokens") or settings.get("max_output_tokens")
        )
        limit = limit or settings.get("maxOutputTokens")
        sent = "".join(texts_in(body.get("system") or body.get("system_instruction") or body.get("systemInstruction")))
        sent += "".join(texts_in(body.get("messages") or body.get("contents") or body.get("prompt")))
        count = int(body.get("n") or settings.get("candidateCount") or settings.get("candidate_count") or 1)
        leak = self.provider.leak
        reply = compose(self.script, prompt, sent=sent, n=count, tool=_first_tool(body), leak=leak, max_tokens=limit)
        if kind in ("chat", "completions"):
            # OpenAI bills no cache writes
            reply.tally.written_5m = reply.tally.written_1h = 0
        call.tally = reply.tally
        if kind in ("count", "gemini-count"):
            total = reply.tally.prompt
            call.tally = Tally()
            await self.respond(200, {"input_tokens": total} if kind == "count" else {"totalTokens": total})
            return
        call.stream = bool(body.get("stream")) if kind in ("chat", "completions", "messages") else kind.endswith("-stream")
        call.billed = True
        if call.stream:
            await self.stream(reply, body)
        else:
            await self.respond(200, self.whole(reply))

    def whole(self, reply: Reply) -> dict[str, Any]:
        """The answer as one body."""
        ident, model = self.call.ident, self.call.model
        if self.kind == "chat":
            return provider_openai.chat(reply, f"chatcmpl-{ident}", model)
        if self.kind == "completions":
            return provider_openai.completion(reply, f"cmpl-{ident}", model)
        if self.kind in ("messages", "invoke"):
            return provider_anthropic.message(reply, f"msg_{ident}", model)
        if self.kind == "gemini":
            return provider_gemini.content(reply, ident, model)
        return provider_bedrock.converse(reply)

    def pieces(self, reply: Reply, body: dict[str, Any]) -> tuple[Iterator[bytes], bytes, bytes]:
        """The answer as stream pieces, the terminator, and what an error looks like in the middle."""
        ident, model = self.call.ident, self.call.model
        text = "Scripted failure in the stream."
        if self.kind in ("chat", "completions"):
            usage = bool((body.get("stream_options") or {}).get("include_usage"))
            make = provider_openai.chat_stream if self.kind == "chat" else provider_openai.completion_stream
            prefix = "chatcmpl-" if self.kind == "chat" else "cmpl-"
            broken = b"data: " + json.dumps(provider_openai.error(500, text)).encode() + b"\n\n"
            return make(reply, prefix + ident, model, include_usage=usage), provider_openai.DONE, broken
        if self.kind == "messages":
            return (
                provider_anthropic.message_stream(reply, f"msg_{ident}", model),
                provider_anthropic.STOP,
                provider_anthropic.error_event(text),
            )
        if self.kind == "gemini-stream":
            broken = b"data: " + json.dumps(provider_gemini.error(503, text)).encode() + b"\r\n\r\n"
            return provider_gemini.content_stream(reply, ident, model), b"", broken
        broken = provider_bedrock.exception("modelStreamErrorException", text)
        if self.kind == "invoke-stream":
            return provider_bedrock.invoke_stream(reply, f"msg_{ident}", model), b"", broken
        return provider_bedrock.converse_stream(reply), b"", broken

    async def stream(self, reply: Reply, body: dict[str, Any]) -> None:
        """Send the pieces, each as its own write, and whatever is scripted to happen between them."""
        call, at = self.call, self.script.at
        pieces, terminator, broken = self.pieces(reply, body)
        pace = float(self.script.values.get("pace", 0))
        kind = (
            "application/vnd.amazon.eventstream"
            if self.kind in ("converse-stream", "invoke-stream")
            else "text/event-stream; charset=utf-8"
        )
        call.status = 200
        await self.send({"type": "http.response.start", "status": 200, "headers": self.headers(kind)})
        for count, piece in enumerate(pieces):
            if call.disconnected:
                return
            if count and count == at.get("hang"):
                await self.hang()
                return
            if count and count == at.get("rst"):
                await self.reset()
                return
            if count == at.get("error", -1):
                await self.send({"type": "http.response.body", "body": broken, "more_body": False})
                return
            if count == at.get("trunc", -1):
                await self.send({"type": "http.response.body", "body": b"", "more_body": False})
                return
            if pace:
                await asyncio.sleep(pace)
            await self.send({"type": "http.response.body", "body": piece, "more_body": True})
            call.pieces += 1
        call.finished = True
        await self.send({"type": "http.response.body", "body": terminator, "more_body": False})

    async def embed(self, body: dict[str, Any]) -> None:
        """Answer an embedding request."""
        with_usage = "nousage" not in self.script.flags
        if self.kind == "embeddings":
            tree, tokens = provider_openai.embeddings(body, self.call.model, with_usage=with_usage)
        else:
            texts = ["".join(texts_in(item)) for item in body.get("requests", [])]
            tree = {"embeddings": [{"values": provider_openai.vector(text, 8)} for text in texts]}
            tokens = sum(tokens_of(text) for text in texts)
        self.call.tally = Tally(prompt=tokens)
        self.call.billed = True
        await self.respond(200, tree)

    def headers(self, content_type: str, more: dict[str, str] | None = None) -> list[tuple[bytes, bytes]]:
        """Response headers; the request id under every provider's name for it."""
        ident = f"req_{self.call.ident}"
        pairs = {"content-type": content_type, "x-request-id": ident, "request-id": ident, "x-amzn-requestid": ident, **(more or {})}
        return [(name.encode(), value.encode()) for name, value in pairs.items()]

    async def raw(self, status: int, body: bytes, content_type: str, more: dict[str, str] | None = None) -> None:
        """Send a whole body."""
        self.call.status = status
        self.call.finished = True
        await self.send({"type": "http.response.start", "status": status, "headers": self.headers(content_type, more)})
        await self.send({"type": "http.response.body", "body": body, "more_body": False})

    async def respond(self, status: int, tree: Any, more: dict[str, str] | None = None) -> None:
        """Send a JSON body."""
        await self.raw(status, orjson.dumps(tree), "application/json", more)

    async def fail(self, status: int, text: str, *, echo: bool = False) -> None:
        """Send an error in the request's format; `echo` also repeats the credential headers in it."""
        more: dict[str, str] = {}
        if status == 429:
            more["retry-after"] = self.script.values.get("429") or "1"
        if self.kind in ("messages", "count"):
            tree = provider_anthropic.error(status, text)
        elif "gemini" in self.kind:
            tree = provider_gemini.error(status, text)
        elif self.kind.startswith(("converse", "invoke")):
            tree = provider_bedrock.error(text)
            more["x-amzn-errortype"] = provider_bedrock.ERROR_TYPES.get(status, "InternalServerException")
        else:
            tree = provider_openai.error(status, text)
        if echo:
            names = ("authorization", "x-api-key", "x-goog-api-key", "api-key")
            tree["received_headers"] = {name: self.call.headers[name] for name in names if name in self.call.headers}
        await self.respond(status, tree, more)


async def _send_json(send: Any, status: int, tree: Any) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps(tree).encode(), "more_body": False})


def _server(provider: Provider, port: int) -> tuple[uvicorn.Server, socket.socket]:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    provider.url = f"http://127.0.0.1:{sock.getsockname()[1]}"
    config = uvicorn.Config(
        provider,
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=60,
        timeout_graceful_shutdown=1,
    )
    return uvicorn.Server(config), sock


@contextlib.contextmanager
def running_provider(*, keep: bool = True, port: int = 0) -> Iterator[Provider]:
    """Run the provider in a thread with a loop of its own; `keep=False` forgets bodies (for benchmarks)."""
    provider = Provider(keep=keep)
    server, sock = _server(provider, port)
    sock.listen(1024)  # connections wait in the backlog until the loop is up, so nobody has to poll
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True, name="loopback-provider")
    thread.start()
    try:
        yield provider
    finally:
        provider.closing.set()
        server.should_exit = True
        thread.join(timeout=10)
        sock.close()


def main() -> None:
    """Run the provider as a process of its own and print its address as the first line."""
    parser = argparse.ArgumentParser(description="The loopback provider of Lockgate's tests.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--keep", action="store_true", help="keep request bodies, for POST /_seen")
    options = parser.parse_args()
    provider = Provider(keep=options.keep)
    server, sock = _server(provider, options.port)
    print(provider.url, flush=True)
    server.run(sockets=[sock])


if __name__ == "__main__":
    main()
