#!/usr/bin/env python3
"""Types every command of one page of the documentation, in order, as its reader would.

usage: run_commands.py PROGRAM PAGE        (PAGE as in docs/operating.md; PROGRAM: build/carillon)

Goal: what README and guides print works as it is printed, and no command comes into a page without having been tried.
Method: one shell for the page, in a scratch directory that looks like the project after ./dev build. Ports are replaced by free
ones, and what the programs take for themselves is said (reader.py). Each command must end with exit code 0 within a minute; what
does not end by itself must show that it works, and end when it is told to: nodes with exit code 0. Commands between the lines are
held against --help; JSON and JavaScript are read, a program that is whole is run. What is not typed stands in reader.py with its
reason. One line for each command.
"""
import collections
import json
import os
import pathlib
import random
import re
import shlex
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import page
import reader
from session import WITHIN_S, Failure, Session, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
LISTENS = ('--listen', '--http', '--peer', '--listen-client-urls', '--listen-peer-urls')


def free_port(taken):
    """One that nobody uses, out of those that the kernel gives to nobody who asks for any: it stays free until a node takes it."""
    while True:
        port = random.randrange(15_000, 32_000)
        if port not in taken:
            with socket.socket() as one:
                try:
                    one.bind(('', port))
                    return port
                except OSError:
                    pass


class Server:
    """A node or an etcd that a page starts: where it listens, and what it keeps its data in."""

    def __init__(self, command):
        words = shlex.split(command)
        option = lambda name: words[words.index(name) + 1] if name in words else ''
        self.command = command
        self.directory = option('--data') or option('--data-dir')
        self.name = option('--node') or pathlib.Path(self.directory).name
        self.ports = set(re.findall(r':(\d{2,})\b', ' '.join(option(name) for name in LISTENS)))
        self.is_node = 'serve' in words
        scheme = 'https' if '--tls-certificate' in words else 'http'
        port = (option('--http') or option('--listen-client-urls')).rpartition(':')[2]
        self.url = f'{scheme}://127.0.0.1:{port}'
        self.process = None

    def answers(self, path):
        """Whether it says yes at `path`. None when nobody is there."""
        if self.process is not None:
            self.process.check_it_runs()
        try:
            with urllib.request.urlopen(self.url + path, timeout=5, context=ssl._create_unverified_context()) as answer:
                return answer.status == 200
        except urllib.error.HTTPError:
            return False
        except OSError:
            return None


class Run:
    """One page, typed."""

    def __init__(self, program, name, directory, session):
        self.program, self.name, self.directory, self.session = program, name, directory, session
        self.ports, self.servers, self.fresh, self.known = {}, {}, [], {}
        self.helps, self.times = {}, collections.Counter()

    # --- What a page's words become here.

    def replaced(self, text):
        for address, here in reader.ADDRESSES.items():
            text = text.replace(address, here)
        return re.sub(r'(?<=:)(2379|2380|74\d\d)\b', lambda match: self.port(match[1]), text)

    def port(self, printed):
        if printed not in self.ports:
            self.ports[printed] = str(free_port(self.ports.values()))
        return self.ports[printed]

    def with_defaults(self, command):
        bare = command.removeprefix('build/')
        for begins, has, lacks, said in reader.DEFAULTS:
            if re.match(re.escape(begins) + r'\b', bare) and has in bare and not re.search(lacks + r'\b', bare):
                command += ' ' + said
        return command

    # --- Servers.

    def start(self, command):
        server = Server(command)
        for other in list(self.servers.values()):
            if other.ports & server.ports or other.directory == server.directory:
                self.stop(other.name)
        self.known[server.name] = server
        self.start_again(server.name)
        if server.is_node:
            self.fresh.append(server)

    def start_again(self, name):
        server = self.servers[name] = self.known[name]
        server.process = self.session.start(server.command)
        wait_until(lambda: server.answers('/healthz' if server.is_node else '/health') is not None, f'{name} answers')

    def stop(self, name, by=signal.SIGTERM):
        server = self.servers.pop(name)
        self.fresh = [one for one in self.fresh if one is not server]
        code = server.process.end(by)
        if server.is_node and by == signal.SIGTERM and code != 0:
            raise Failure(f'{server.command}\nended with {code} after SIGTERM:\n{server.process.output[-4000:]}')

    def wait_for_nodes(self):
        """A reader goes on when what was started is ready."""
        while self.fresh:
            server = self.fresh.pop()
            wait_until(lambda: server.answers('/readyz'), f'{server.name} is ready')

    def leave(self):
        """Ends what still runs. What is wrong with that, in sentences."""
        wrong = []
        for step in [self.wait_for_nodes] + [lambda name=name: self.stop(name) for name in reversed(self.servers)]:
            try:
                step()
            except Failure as failure:
                wrong.append(str(failure))
        return wrong

    # --- Commands.

    def type(self, item):
        before = reader.BEFORE.get((self.name, item.words))
        if before:
            self.wait_for_nodes()
            before(self)
        words = item.words
        command = self.replaced(reader.SMALLER.get(words) or page.without_comment(item.text))
        in_background = re.search(r'\s*&$', command)
        if in_background:
            command = command[:in_background.start()]
        command = self.replaced(self.with_defaults(command))
        for form, until in reader.LASTING:
            if re.match(form, words):
                return self.see_it_work(command, until)
        if in_background:
            raise Failure('is for the background, and reader.LASTING does not say what shows that it works')
        if re.match(r'(build/)?carillon |curl ', words):
            self.wait_for_nodes()
        pattern, wanted = self.shows(item)
        code, printed = self.session.run(command)
        deadline = time.monotonic() + WITHIN_S
        # What a hub sends comes a moment after what it was sent: who sees nothing yet looks again.
        while '--no-follow' in words and not re.search(pattern, printed) and time.monotonic() < deadline:
            time.sleep(0.02)
            code, printed = self.session.run(command)
        if code != wanted:
            raise Failure(f'exit code {code} instead of {wanted}:\n{printed[-4000:]}')
        if not re.search(pattern, printed):
            raise Failure(f'what it prints has not {pattern}:\n{printed[-4000:]}')

    def shows(self, item):
        """What it is to print this time, and its exit code."""
        key = (self.name, item.words)
        lines = [(pattern, code) for name, words, pattern, code in reader.SHOWS if (name, words) == key]
        self.times[key] += 1
        return lines[min(self.times[key], len(lines)) - 1] if lines else ('', 0)

    def see_it_work(self, command, until):
        if until is reader.UNTIL_IT_ANSWERS:
            return self.start(command)
        self.wait_for_nodes()
        process = self.session.start(command)

        def is_seen():
            if re.search(until, process.output):
                return True
            process.check_it_runs()
        try:
            wait_until(is_seen, f'seen: {until}')
        except Failure as failure:
            raise Failure(f'{failure}\n{process.output[-4000:]}') from None
        process.end(signal.SIGINT)

    # --- Mentions and blocks.

    def help_of(self, *words):
        if words not in self.helps:
            done = subprocess.run([self.program, *words, '--help'], capture_output=True, text=True)
            self.helps[words] = done.stdout if done.returncode == 0 else ''
        return self.helps[words]

    def look_up(self, item):
        words, path = item.words.removeprefix('build/').removeprefix('carillon ').split(), []
        while words and re.search(rf'(?m)^  {re.escape(words[0])}  ', self.help_of(*path)):
            path.append(words.pop(0))
        for option in [word for word in words if word.startswith('--')]:
            if not re.search(rf'(?m)^ .*{option}\b', self.help_of(*path)):
                raise Failure(f'carillon {" ".join(path)} --help has no {option}')
        if not path and words and not words[0].startswith('--'):
            raise Failure(f'carillon --help has no {words[0]}')

    def read(self, item):
        if item.kind == 'json':
            text = item.text.strip()
            while text:
                text = text[json.JSONDecoder().raw_decode(text)[1]:].lstrip()
        elif item.kind == 'js':
            self.read_javascript(item.text)
        elif item.kind not in ('cpp', 'cmake'):  # check_guides.py
            raise Failure('no test knows what to do with such a block')

    def read_javascript(self, text):
        file = self.directory / 'snippet.mjs'
        file.write_text(self.replaced(text))
        code, printed = self.session.run('node --check snippet.mjs')
        if code != 0:
            raise Failure(printed)
        if self.is_excepted('js'):
            return
        # As behind `npm install`; Node 22 has a WebSocket of its own, before that the package ws stands in, as the page says.
        modules = ROOT / 'clients/javascript/node_modules'
        if not (modules / 'ws').exists():
            subprocess.run(['npm', 'ci', '--no-audit', '--no-fund'], cwd=modules.parent, check=True, stdout=sys.stderr)
        (self.directory / 'node_modules').mkdir()
        (self.directory / 'node_modules/carillon-client').symlink_to(modules.parent)
        (self.directory / 'node_modules/ws').symlink_to(modules / 'ws')
        (self.directory / 'with_ws.mjs').write_text("import { WebSocket } from 'ws';\nglobalThis.WebSocket ??= WebSocket;\n")
        self.start(self.replaced(self.with_defaults('carillon serve --data ./data')))
        self.wait_for_nodes()
        code, printed = self.session.run('node --import ./with_ws.mjs snippet.mjs')
        if code != 0 or not printed:
            raise Failure(f'exit code {code}, printed: {printed}')

    def is_excepted(self, words):
        return (self.name, words) in [(name, command) for name, command, _ in reader.NOT_TYPED]

    def check(self, item):
        """What was done with it."""
        if item.kind in ('command', 'other') and self.is_excepted(item.words):
            if page.OF_CARILLON.match(item.words.removeprefix('build/')):
                self.look_up(item)
            return 'not typed'
        if item.words in reader.NEEDS and not shutil.which(reader.NEEDS[item.words]):
            return 'not here'
        if item.kind == 'command':
            self.type(item)
        elif item.kind == 'mention':
            self.look_up(item)
        elif item.kind == 'other':
            raise Failure('is neither typed nor in reader.NOT_TYPED')
        else:
            self.read(item)
        return 'ok'


def what_is_gone(name, items):
    """What the reader's tables say of this page that is not on it."""
    there = {item.words for item in items} | {item.kind for item in items}
    listed = [(where, command) for where, command, *_ in reader.SHOWS + reader.NOT_TYPED] + list(reader.BEFORE)
    return [f'{name} has no such command any more: {command}' for where, command in listed if where == name and command not in there]


def furnish(directory, program):
    """As the project looks after ./dev build, without anything that a command could spoil."""
    (directory / 'build').mkdir()
    (directory / 'build/carillon').symlink_to(program)
    for name in ('simulate', 'cpp_client'):
        (directory / 'build' / name).symlink_to(pathlib.Path(program).with_name(name))
    for file in ROOT.iterdir():
        if not file.name.startswith(('build', '.')) and file.name != 'dev':
            (directory / file.name).symlink_to(file)
    shutil.copy(ROOT / 'dev', directory / 'dev')  # It goes to where it is.
    (directory / '.curlrc').write_text('fail\nsilent\nshow-error\nmax-time = 60\n')
    (directory / 'bin').mkdir()
    (directory / 'bin/carillon').symlink_to(program)
    # ./dev builds before it does anything else, and installs what is missing. Here all is there, or it is an error.
    for tool, script in (('cmake', 'exit 0'), ('apt-get', 'echo "a test installs nothing" >&2; exit 1')):
        (directory / 'bin' / tool).write_text(f'#!/bin/sh\n{script}\n')
        (directory / 'bin' / tool).chmod(0o755)


def type_page(program, name, text):
    """What is wrong with the page, in sentences; prints a line for each command meanwhile."""
    items = list(page.items_of_unit(text) if name.endswith('.service') else page.items_of(text))
    wrong = what_is_gone(name, items)
    with tempfile.TemporaryDirectory(dir=pathlib.Path(program).parent, prefix='docs-') as scratch, \
            tempfile.TemporaryDirectory() as logs:
        directory = pathlib.Path(scratch)
        furnish(directory, program)
        environment = {word: value for word, value in os.environ.items() if not word.startswith('CARILLON_')}
        environment |= {'PATH': f'{directory}/bin:{os.environ["PATH"]}', 'CURL_HOME': scratch, 'NO_COLOR': '1'}
        with Session(directory, pathlib.Path(logs), environment) as session:
            run = Run(program, name, directory, session)
            session.run(run.replaced('export CARILLON_CONNECT=127.0.0.1:7411'))
            for item in items:
                began = time.monotonic()
                try:
                    outcome = run.check(item)
                except (Failure, ValueError) as failure:
                    outcome = 'FAILED'
                    wrong.append(f'{name}:{item.line}: {item.words}\n{failure}')
                print(f'{outcome:9} {time.monotonic() - began:5.1f} s  {name}:{item.line}  {item.words[:120]}', flush=True)
                if outcome == 'FAILED' and item.kind == 'command':
                    break  # What follows stands on it.
            else:
                wrong += run.leave()
            if wrong:
                wrong += [f'--- {server.command}\n{server.process.output[-2000:]}' for server in run.known.values()]
    return wrong


def main(program, name):
    wrong = type_page(program, name, (ROOT / name).read_text(encoding='utf-8'))
    print('', *wrong, sep='\n') if wrong else print(f'{name}: as printed')
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main(os.path.abspath(sys.argv[1]), sys.argv[2]))
