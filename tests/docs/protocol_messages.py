"""Every message that docs/protocol.md prints in a block of its own is what a node takes, or what it says.

usage: protocol_messages.py PROGRAM        (exit code 77: python3-websockets is not installed)

Goal: who writes a client from that page alone meets no message that looks otherwise.
Method: the page's messages are played on one WebSocket, in their order. One of a client is sent as it is printed; one of a server
is waited for, and must have the members of the printed one, of the same types: no fewer and no more.
"""
import asyncio
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import page

try:
    import websockets
except ImportError:
    print('skipped: there is no python3-websockets here; run ./dev setup')
    sys.exit(77)

ROOT = pathlib.Path(__file__).resolve().parents[2]
OF_CLIENTS = ('publish', 'follow', 'acknowledge', 'positions')
WITHIN_S = 60
# Members that the page says are absent on a node without keys, or of an event without a trace.
ABSENT = {'welcome': ('subject', 'expires_at')}


def messages():
    """(name, body) of each; what is no message, as one event for itself, is left out."""
    for item in page.items_of((ROOT / 'docs/protocol.md').read_text(encoding='utf-8')):
        text = item.text.strip() if item.kind == 'json' else ''
        while text:
            message, end = json.JSONDecoder().raw_decode(text)
            text = text[end:].lstrip()
            if len(message) == 1:
                yield from message.items()


def differences(printed, said, where):
    if isinstance(printed, dict) and isinstance(said, dict) and where.rpartition('.')[2] != 'payload':
        for member in printed.keys() - said.keys():
            yield f'{where} has no {member}'
        for member in said.keys() - printed.keys():
            yield f'{where} has {member}, which the page does not print'
        for member in printed.keys() & said.keys():
            yield from differences(printed[member], said[member], f'{where}.{member}')
    elif isinstance(printed, list) and isinstance(said, list) and printed:
        if not said:
            yield f'{where} is empty'
        for one in said:
            yield from differences(printed[0], one, where)
    elif type(printed) is not type(said):
        yield f'{where} is {said!r}, and printed as {printed!r}'


async def next_message(socket):
    while True:
        [(name, body)] = json.loads(await asyncio.wait_for(socket.recv(), WITHIN_S)).items()
        if name != 'ping':
            return name, body


async def play(address):
    wrong, played = [], 0
    async with websockets.connect(address, subprotocols=['carillon.v1']) as socket, \
            websockets.connect(address, subprotocols=['carillon.v1']) as other:
        # The page's player has 45 notifications.
        events = [{'sequence': number, 'entity': 'player/ana', 'type': 'treasure_found', 'payload': {}} for number in range(1, 46)]
        await other.send(json.dumps({'publish': {'id': 1, 'producer': 'before', 'events': events}}))
        while (await next_message(other))[0] != 'published':
            pass
        for name, printed in messages():
            played += 1
            if name in OF_CLIENTS:
                await socket.send(json.dumps({name: printed}))
                continue
            said_name, said = await next_message(socket)
            while said_name == 'events' != name:  # What is followed live comes when it comes.
                said_name, said = await next_message(socket)
            if said_name != name:
                return played, wrong + [f'after {played - 1} messages it says {said_name}, not {name}: {said}']
            there = {member: value for member, value in printed.items() if member not in ABSENT.get(name, ())}
            wrong += sorted(set(differences(there, said, name)))
    return played, wrong


def main(program):
    with tempfile.TemporaryDirectory(dir=pathlib.Path(program).parent) as directory:
        ready = pathlib.Path(directory, 'ready')
        words = [program, 'serve', '--data', f'{directory}/data', '--listen', '127.0.0.1:0', '--http', '127.0.0.1:0',
                 '--ready-file', str(ready)]
        with open(f'{directory}/log', 'w') as log, subprocess.Popen(words, stdout=log, stderr=log) as node:
            try:
                deadline = time.monotonic() + WITHIN_S
                while not ready.exists():
                    assert node.poll() is None and time.monotonic() < deadline, pathlib.Path(directory, 'log').read_text()
                    time.sleep(0.02)
                played, wrong = asyncio.run(play(f'ws://{json.loads(ready.read_text())["http"]}/ws'))
            finally:
                node.terminate()
    print('\n'.join(wrong) or f'{played} messages, as printed')
    return 1 if wrong or played < 10 else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1]))
