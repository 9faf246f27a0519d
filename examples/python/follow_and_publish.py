#!/usr/bin/python3
"""Publishes lines from standard input to a stream, exactly once, and prints what the stream shows, without a gap.

Usage: follow_and_publish.py ws://127.0.0.1:7480/ws player/ana PRODUCER [SHOW]   (ends when SHOW events are shown)

Written from docs/protocol.md alone, with Debian's python3-websockets: a client in another language, and a start for yours.
A token, where one is needed, is taken from $CARILLON_TOKEN. The numbering begins at 1 with each start, so a PRODUCER names
one input: the same lines again, under the same name, change nothing.
"""
import asyncio
import json
import os
import random
import sys

import websockets

SPAN = 1000  # Fewer than the 1,024 sequences that may be under way.


class Client:
    def __init__(self, address, entity, producer, show):
        self.address, self.entity, self.producer, self.show = address, entity, producer, show
        self.unconfirmed = []  # Events in the order of their sequences.
        self.next_offset = 1
        self.done = asyncio.Event()
        self.changed = asyncio.Event()  # There is something to publish.

    async def read_input(self):
        reader = asyncio.StreamReader(limit=1 << 20)
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        sequence = 0
        while line := await reader.readline():
            sequence += 1
            payload = {"text": line.decode().rstrip("\n")}
            self.unconfirmed.append({"sequence": sequence, "entity": self.entity, "type": "line", "payload": payload})
            self.changed.set()
            while len(self.unconfirmed) >= SPAN:
                await asyncio.sleep(0.01)

    async def publish(self, socket, answers):
        """One batch at a time: what is not accepted is sent again before anything new, so nothing overtakes."""
        number = 1
        while True:
            while not self.unconfirmed:
                self.changed.clear()
                await self.changed.wait()
            batch, number = self.unconfirmed[:100], number + 1
            await socket.send(json.dumps({"publish": {"id": number, "producer": self.producer, "events": batch}}))
            answer = await answers.get()
            pause, kept = 0, []
            refusals = {refusal["index"]: refusal for refusal in answer.get("refusals", [])}
            if "error" in answer:  # Refused as a whole.
                refusals = {index: answer for index in range(len(batch))}
            for index, event in enumerate(batch):
                error = refusals.get(index, {}).get("error")
                if error in ("overloaded", "unavailable"):
                    pause = max(pause, refusals[index].get("retry_after_ms", 100))
                    kept.append(event)
                elif error:
                    print(f"line {event['sequence']}: {refusals[index]['message']}", file=sys.stderr)
            self.unconfirmed[: len(batch)] = kept
            if self.is_done():
                return await socket.close()
            await asyncio.sleep(pause / 1000)

    async def live(self, socket):
        answers = asyncio.Queue()
        greeting = json.loads(await socket.recv())
        if refusal := greeting.get("error"):  # It closes now.
            if refusal["error"] in ("malformed", "unauthenticated", "forbidden"):
                sys.exit(refusal["message"])
            return  # Connect again, after a pause.
        await socket.send(json.dumps({"follow": {"id": 1, "entity": self.entity, "from": self.next_offset}}))
        publishing = asyncio.create_task(self.publish(socket, answers))
        try:
            async for text in socket:
                [(name, body)] = json.loads(text).items()
                if name == "ping":
                    await socket.send('{"pong":{}}')
                elif name == "events":
                    self.take(body)
                elif name == "ended":
                    if body["error"] not in ("overloaded", "unavailable"):
                        sys.exit(f"{self.entity}: {body['message']}")
                    return  # Connect again, at the next offset.
                elif name == "published" or (name == "refused" and body["id"] != 1):
                    answers.put_nowait(body)
                if self.done.is_set():
                    return
        finally:
            publishing.cancel()

    def take(self, body):
        assert body["first"] == self.next_offset, "the stream has a gap"
        for event in body["events"]:
            print(self.next_offset, event["payload"].get("text"), flush=True)
            self.next_offset += 1
        self.is_done()

    def is_done(self):
        if self.show and self.next_offset > self.show and not self.unconfirmed:
            self.done.set()
        return self.done.is_set()

    async def run(self):
        reading = asyncio.create_task(self.read_input())
        protocols, pause = ["carillon.v1"], 0.1
        headers = {"Authorization": "Bearer " + os.environ["CARILLON_TOKEN"]} if "CARILLON_TOKEN" in os.environ else {}
        while not self.done.is_set():
            try:
                async with websockets.connect(
                    self.address, subprotocols=protocols, extra_headers=headers, max_size=1 << 24, close_timeout=1
                ) as socket:
                    pause = 0.1
                    await self.live(socket)
            except (OSError, asyncio.TimeoutError, websockets.WebSocketException) as error:
                print(f"lost: {error}", file=sys.stderr)
            if not self.done.is_set():
                await asyncio.sleep(pause * random.uniform(0.5, 1.5))
                pause = min(pause * 2, 5)
        reading.cancel()


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if len(arguments) not in (3, 4):
        sys.exit(__doc__)
    asyncio.run(Client(*arguments[:3], int(arguments[3]) if len(arguments) == 4 else 0).run())
