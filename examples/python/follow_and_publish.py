#!/usr/bin/python3
"""Publishes lines from standard input to a stream, exactly once, and prints what the stream shows, without a gap.

Usage: follow_and_publish.py ws://127.0.0.1:7480/ws player/ana PRODUCER [SHOW]   (ends when SHOW events are shown)

Written from docs/protocol.md alone, with Debian's python3-websockets: a client in another language, and a start for yours.
A token, where one is needed, is taken from $CARILLON_TOKEN. The numbering begins at 1 with each start, so a PRODUCER names
one input: the same lines again, under the same name, change nothing.
"""
import asyncio
import json
import math
import os
import random
import sys
import threading
import time

import websockets

SPAN = 1000  # Fewer than the 1,024 sequences that may be under way.
LIMIT_EXCEEDED = 4429
FINAL = ("malformed", "unauthenticated", "forbidden")
PASSING = ("overloaded", "unavailable")


class Refused(Exception):
    """No repetition can mend it."""


def lines_of(file, most):
    """Nothing in place of those that are longer than `most` bytes, however long they are."""
    while line := file.readline(most):
        if len(line) < most or line.endswith(b"\n"):
            yield line
            continue
        while len(line) == most and not line.endswith(b"\n"):
            line = file.readline(most)
        yield b""


async def first_of(*works):
    """Runs them side by side until one ends, or fails: then so does this, and the others are given up."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Client:
    def __init__(self, address, entity, producer, show):
        self.address, self.entity, self.producer, self.show = address, entity, producer, show
        self.unconfirmed = []  # (sequence, event as JSON), in order.
        self.next_offset = 1
        self.limits = {}  # The welcome.
        self.room = threading.Semaphore(SPAN)
        self.changed = asyncio.Event()  # There is something to publish.

    def is_done(self):
        return self.show and self.next_offset > self.show and not self.unconfirmed

    def read_input(self, loop, broken):
        """In a thread, for files and terminals make whoever reads wait. What goes wrong is told to the future `broken`."""
        try:
            # Not sys.stdin: Python closes that when the program ends, and fails while somebody reads there.
            most = self.limits["payload_bytes_max"]
            for sequence, line in enumerate(lines_of(open(0, "rb", closefd=False), most), 1):
                payload = json.dumps({"text": line.decode().rstrip("\n")}, ensure_ascii=False) if line else ""
                if not line or len(payload.encode()) > most:
                    print(f"line {sequence}: too long", file=sys.stderr)
                    continue
                entity = json.dumps(self.entity, ensure_ascii=False)
                event = f'{{"sequence":{sequence},"entity":{entity},"type":"line","payload":{payload}}}'
                self.room.acquire()
                loop.call_soon_threadsafe(self.add, (sequence, event))
        except Exception as error:
            loop.call_soon_threadsafe(broken.set_exception, error)

    def add(self, event):
        self.unconfirmed.append(event)
        self.changed.set()

    def next_batch(self):
        """The first events, as many as a message has room for, and one at least."""
        room, batch = self.limits["message_bytes_max"] - 1024, []  # The rest is for what is round them.
        for sequence, event in self.unconfirmed[:100]:
            room -= len(event.encode()) + 1
            if batch and room < 0:
                break
            batch.append((sequence, event))
        return batch

    async def publish(self, socket, answers):
        """One batch at a time: what is not accepted is sent again before anything new, so nothing overtakes."""
        await answers.get()  # The welcome.
        number, producer = 1, json.dumps(self.producer, ensure_ascii=False)
        while not self.is_done():
            while not self.unconfirmed:
                self.changed.clear()
                await self.changed.wait()
            batch, number = self.next_batch(), number + 1
            events = ",".join(event for _, event in batch)
            await socket.send(f'{{"publish":{{"id":{number},"producer":{producer},"events":[{events}]}}}}')
            answer = await answers.get()
            pause, kept = 0, []
            refusals = {refusal["index"]: refusal for refusal in answer.get("refusals", [])}
            if "error" in answer:  # Refused as a whole.
                refusals = {index: answer for index in range(len(batch))}
            for index, (sequence, event) in enumerate(batch):
                refusal = refusals.get(index)
                if refusal and refusal["error"] in PASSING:
                    pause = max(pause, refusal.get("retry_after_ms", 100))
                    kept.append((sequence, event))
                    continue
                self.room.release()
                if refusal:
                    print(f"line {sequence}: {refusal['message']}", file=sys.stderr)
            self.unconfirmed[: len(batch)] = kept
            await asyncio.sleep(pause / 1000)

    async def follow(self, socket):
        await socket.send(json.dumps({"follow": {"id": 1, "entity": self.entity, "from": self.next_offset}}))

    async def receive(self, socket, answers):
        async for text in socket:
            [(name, body)] = json.loads(text).items()
            if name == "welcome":
                self.welcomed(body)
                answers.put_nowait(body)
                await self.follow(socket)
            elif name == "ping":
                await socket.send('{"pong":{}}')
            elif name == "events":
                self.take(body)
            elif name == "ended":
                if body["error"] not in PASSING:
                    raise Refused(f"{self.entity}: {body['message']}")
                await asyncio.sleep(body.get("retry_after_ms", 100) / 1000)
                await self.follow(socket)
            elif name == "error":  # A close follows.
                if body["error"] in FINAL:
                    raise Refused(body["message"])
                self.retry_after = body.get("retry_after_ms", 0) / 1000
            elif name == "published" or (name == "refused" and body["id"] != 1):
                answers.put_nowait(body)
            if self.is_done():
                return

    def welcomed(self, welcome):
        self.limits, self.welcomed_at = welcome, time.monotonic()
        if self.reader.ident is None:  # Only now is it known how long a line may be.
            self.reader.start()

    def take(self, body):
        assert body["first"] == self.next_offset, "the stream has a gap"
        for event in body["events"]:
            print(self.next_offset, event["payload"].get("text"), flush=True)
            self.next_offset += 1

    async def stay_connected(self):
        headers = {"Authorization": "Bearer " + os.environ["CARILLON_TOKEN"]} if "CARILLON_TOKEN" in os.environ else {}
        options = {"subprotocols": ["carillon.v1"], "extra_headers": headers, "max_size": 1 << 24, "close_timeout": 1}
        pause = 0.1
        while not self.is_done():
            self.welcomed_at, self.retry_after, limited = math.inf, 0, False
            try:
                async with websockets.connect(self.address, **options) as socket:
                    answers = asyncio.Queue()
                    await first_of(self.receive(socket, answers), self.publish(socket, answers))
            except (OSError, asyncio.TimeoutError, websockets.WebSocketException) as error:
                print(f"lost: {error}", file=sys.stderr)
                limited = isinstance(error, websockets.ConnectionClosed) and error.code == LIMIT_EXCEEDED
            if self.is_done():
                return
            if limited:  # With many others, perhaps: they are not to come back at the same time.
                pause = max(pause, 1)
            elif time.monotonic() - self.welcomed_at >= 1:
                pause = 0.1
            least = max(self.retry_after, 1) if limited else 0
            await asyncio.sleep(least + pause * random.uniform(0.5, 1.5))
            pause = min(pause * 2, 5)

    async def run(self):
        loop = asyncio.get_running_loop()
        broken = loop.create_future()
        self.reader = threading.Thread(target=self.read_input, args=(loop, broken), daemon=True)
        await first_of(self.stay_connected(), broken)


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if len(arguments) not in (3, 4):
        sys.exit(__doc__)
    try:
        asyncio.run(Client(*arguments[:3], int(arguments[3]) if len(arguments) == 4 else 0).run())
    except Refused as refused:
        sys.exit(str(refused))
