"""A shell as a reader has one: what a command exports, and where it goes, holds for the next one; what lasts gets a terminal of
its own. Everything has a deadline and ends with the session.
"""
import contextlib
import dataclasses
import os
import pathlib
import select
import signal
import subprocess
import time

WITHIN_S = 60  # For each thing that is waited for.


class Failure(Exception):
    """A command did not do what its page says; the text says what it did."""


def wait_until(holds, what):
    deadline = time.monotonic() + WITHIN_S
    while not holds():
        if time.monotonic() > deadline:
            raise Failure(f'within {WITHIN_S} s: not {what}')
        time.sleep(0.02)


@dataclasses.dataclass
class Lasting:
    """A command in a terminal of its own."""
    command: str
    process: int  # And process group.
    files: pathlib.Path  # What it prints, and its exit code with the suffix .code.

    @property
    def output(self):
        return self.files.read_text(errors='replace')

    @property
    def exit_code(self):
        """None while it runs."""
        code = self.files.with_suffix('.code')
        return int(code.read_text()) if code.exists() and code.read_text().endswith('\n') else None

    def check_it_runs(self):
        if self.exit_code is not None:
            raise Failure(f'ended, with exit code {self.exit_code}:\n{self.output[-4000:]}')

    def end(self, by):
        """Its exit code, after the signal `by`."""
        if self.exit_code is None:
            if by == signal.SIGKILL:  # The command alone: the shell round it is to write down how it ended.
                subprocess.run(['pkill', '-KILL', '-P', str(self.process)], check=True)
            else:
                os.killpg(self.process, by)
            wait_until(lambda: self.exit_code is not None, f'ended by {by.name}: {self.command}')
        return self.exit_code


class Session:
    def __init__(self, directory, logs, environment):
        self.logs, self.count, self.lasting = logs, 0, []
        self.answers, answer_to = os.pipe()
        self.answer_to = answer_to
        with open(logs / 'shell', 'w') as complaints:
            self.shell = subprocess.Popen(['bash', '--norc', '--noprofile'], cwd=directory, env=environment, text=True,
                                          stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=complaints,
                                          pass_fds=[answer_to])
        os.close(answer_to)
        os.mkfifo(logs / 'terminal')  # Where nobody types.
        self.tell('set -m')  # Each command is a process group.

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Ends what still runs, whether it wants to or not: the lasting commands, and one that did not end in time."""
        self.shell.stdin.close()  # It ends when nothing is in the foreground any more.
        for by, patience_s in ((signal.SIGTERM, 10), (signal.SIGKILL, 10)):
            children = subprocess.run(['pgrep', '-P', str(self.shell.pid)], capture_output=True, text=True).stdout.split()
            groups = {process.process for process in self.lasting if process.exit_code is None} | {int(one) for one in children}
            for group in groups:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(group, by)
            deadline = time.monotonic() + patience_s
            while time.monotonic() < deadline and (self.shell.poll() is None or
                                                   any(process.exit_code is None for process in self.lasting)):
                time.sleep(0.02)
            if self.shell.poll() is not None and all(process.exit_code is not None for process in self.lasting):
                break
        os.close(self.answers)

    def tell(self, script):
        self.shell.stdin.write(script + '\n')
        self.shell.stdin.flush()

    def answer(self):
        deadline, line = time.monotonic() + WITHIN_S, b''
        while not line.endswith(b'\n'):
            if not select.select([self.answers], [], [], max(0, deadline - time.monotonic()))[0]:
                raise Failure(f'did not end within {WITHIN_S} s')
            piece = os.read(self.answers, 4096)
            if not piece:
                raise Failure('the shell ended: ' + (self.logs / 'shell').read_text())
            line += piece
        return int(line)

    def next_file(self):
        self.count += 1
        return self.logs / f'{self.count}.out'

    def run(self, command):
        """Its exit code and what it printed."""
        file = self.next_file()
        self.tell(f'{{ {command}\n}} >{file} 2>&1 </dev/null; echo $? >&{self.answer_to}')
        try:
            return self.answer(), file.read_text(errors='replace')
        except Failure as failure:
            raise Failure(f'{failure}\n{file.read_text(errors="replace")[-4000:]}') from None

    def start(self, command):
        """Begins `command` in another terminal. The signals that end it leave the shell round it time to write down how it ended."""
        file = self.next_file()
        code = file.with_suffix('.code')
        file.touch()
        self.tell(f'{{ trap : TERM INT; {command}\necho $? >{code}; }} >{file} 2>&1 <>{self.logs}/terminal {self.answer_to}>&- &\n'
                  f'echo $! >&{self.answer_to}')
        self.lasting.append(Lasting(command, self.answer(), file))
        return self.lasting[-1]
