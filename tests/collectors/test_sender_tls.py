"""TLS and mutual TLS to a back end: nobody else is believed, we show who we are, and renewed files are used without a restart."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest

from collectors.otlp.destination import Destination
from collectors.otlp.sender import sender_for
from tests.servers.certificates import Authority, Pair
from tests.servers.otlp import Answer, OtlpSink, Tls, otlp_sink

PROTOCOLS = pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])


def destination(sink: OtlpSink, protocol: Any, authority: Authority | None, pair: Pair | None, **settings: Any) -> Destination:
    url = sink.http_url if protocol == "http/protobuf" else sink.grpc_url
    values: dict[str, Any] = {"timeout_s": 5.0, "ca_file": str(authority.file) if authority else None, **settings}
    if pair is not None:
        values |= {"client_cert_file": str(pair.cert), "client_key": values.get("client_key", str(pair.key))}
    return Destination("sre", url, protocol, **values)


async def outcome(where: Destination) -> tuple[str, str]:
    sender = sender_for(where)
    try:
        sent = await sender.send("traces", b"")
    finally:
        await sender.close()
    return sent.outcome, sent.reason


@PROTOCOLS
async def test_who_shows_the_right_certificate_is_served_and_nobody_else(tmp_path: Path, protocol: Any) -> None:
    ours, other = Authority(tmp_path / "ours"), Authority(tmp_path / "other")
    server, client, stranger = ours.sign("server", server=True), ours.sign("client"), other.sign("stranger")
    async with otlp_sink(Tls(server.cert, server.key, ours.file)) as sink:
        assert await outcome(destination(sink, protocol, ours, client)) == ("delivered", "")

        async def key() -> str:
            return client.key.read_text()

        assert await outcome(destination(sink, protocol, ours, client, client_key=key)) == ("delivered", "")
        for authority, pair in ((ours, None), (ours, stranger), (other, client), (None, client)):
            assert (await outcome(destination(sink, protocol, authority, pair)))[0] == "retry", "nothing is lost, and nothing is sent"
        assert len(sink.requests) == 2


@PROTOCOLS
async def test_files_that_are_missing_or_no_certificates_are_a_reason_to_wait(tmp_path: Path, protocol: Any) -> None:
    ours = Authority(tmp_path)
    server, client = ours.sign("server", server=True), ours.sign("client")

    async def fails() -> str:
        raise RuntimeError("the vault is away")

    async with otlp_sink(Tls(server.cert, server.key, ours.file)) as sink:
        missing = destination(sink, protocol, ours, client, ca_file=str(tmp_path / "none.pem"))
        assert await outcome(missing) == ("retry", "tls_files")
        assert await outcome(destination(sink, protocol, ours, client, client_key=fails)) == ("retry", "tls_reference")
        (tmp_path / "no.pem").write_text("no certificate")
        assert (await outcome(destination(sink, protocol, ours, client, ca_file=str(tmp_path / "no.pem"))))[0] == "retry"


@PROTOCOLS
async def test_a_renewed_certificate_is_used_by_the_sender_that_runs(tmp_path: Path, protocol: Any) -> None:
    ours, other = Authority(tmp_path / "ours"), Authority(tmp_path / "other")
    server, client, stranger = ours.sign("server", server=True), ours.sign("client"), other.sign("stranger")
    used = Pair(tmp_path / "used.pem", tmp_path / "used.key")
    shutil.copy(stranger.cert, used.cert)
    shutil.copy(stranger.key, used.key)
    async with otlp_sink(Tls(server.cert, server.key, ours.file)) as sink:
        sender = sender_for(destination(sink, protocol, ours, used))
        assert (await sender.send("traces", b"")).outcome == "retry"
        shutil.copy(client.cert, used.cert)
        shutil.copy(client.key, used.key)
        assert (await sender.send("traces", b"")).outcome == "delivered"
        await sender.close()


@PROTOCOLS
async def test_a_signal_whose_channel_is_renewed_disturbs_no_other(tmp_path: Path, protocol: Any) -> None:
    ours = Authority(tmp_path)
    server, client = ours.sign("server", server=True), ours.sign("client")
    sink = OtlpSink()
    tls = Tls(server.cert, server.key, ours.file)
    await sink.start(tls=tls)
    sender = sender_for(destination(sink, protocol, ours, client))
    hangs, unavailable = Answer(hang_s=0.5), Answer(status=503, code="UNAVAILABLE")
    sink.answer(hangs, unavailable)
    slow = asyncio.create_task(sender.send("metrics", b""))
    await sink.wait_for(1)
    assert (await sender.send("traces", b"")).outcome == "retry"
    assert (await slow).outcome == "delivered"
    assert (await sender.send("logs", b"")).outcome == "delivered"
    await sender.close()
    await sink.stop()


async def test_a_batch_that_is_sent_twice_has_one_id(tmp_path: Path) -> None:
    async with otlp_sink() as sink:
        for protocol, url in (("http/protobuf", sink.http_url), ("grpc", sink.grpc_url)):
            sender = sender_for(Destination("sre", url, protocol))  # type: ignore[arg-type]
            for payload in (b"\n\0", b"\n\0", b"\n\0\n\0"):
                await sender.send("traces", payload)
            await sender.close()
        ids = [{name.lower(): value for name, value in request.headers.items()}["x-lockgate-batch-id"] for request in sink.requests]
        assert ids[0] == ids[1] == ids[3] == ids[4] != ids[2] == ids[5]
