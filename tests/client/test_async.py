from __future__ import annotations

import asyncio
import time

import pytest

from tests.client.service import Service, hang
from tidegauge.client import AsyncClient


def test_an_asynchronous_service_sends_beside_its_loop(service: Service) -> None:
    async def main() -> AsyncClient:
        async with AsyncClient(service.url, stream="queries", flush_seconds=60) as client:

            @client.wrap
            async def embed(text: str) -> list[float]:
                await asyncio.sleep(0)
                return [1.0, float(len(text))]

            assert await asyncio.gather(*(embed("x" * n) for n in range(3))) == [[1, 0], [1, 1], [1, 2]]
            client.observe([5, 6], id="a")
            client.outcome("a", success=True)
            assert await client.flush(5)
            assert (service.rows(), service.rows("outcomes")) == (4, 1)
            client.observe([7, 8])
        return client

    client = asyncio.run(main())
    assert (client.stats.rows.sent, service.rows()) == (5, 5)


def test_the_loop_goes_on_while_a_flush_waits(service: Service) -> None:
    service.then(hang)

    async def main() -> int:
        client = AsyncClient(service.url, stream="queries", timeout=5)
        client.observe([1, 2])
        turns = 0
        flushing = asyncio.ensure_future(client.flush(0.3))
        while not flushing.done():
            await asyncio.sleep(0.01)
            turns += 1
        assert not flushing.result()
        assert not await client.aclose(0.01)
        return turns

    assert asyncio.run(main()) >= 5


def test_a_flush_may_be_cancelled(service: Service) -> None:
    service.then(hang)

    async def main() -> None:
        client = AsyncClient(service.url, stream="queries", timeout=5)
        client.observe([1, 2])
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.flush(0.5), 0.05)
        assert client.stats.rows.waiting == 1
        await client.aclose(0)

    began = time.monotonic()
    asyncio.run(main())
    assert time.monotonic() - began < 4
