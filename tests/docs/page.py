"""What a page of the documentation holds: its blocks and its commands, in the page's order. Pure.

A block is fenced, or indented by four columns or more behind an empty line. An indented one is for a shell, unless it is drawn
with lines. In prose, what stands between backquotes is a command to type when it begins with ./dev or build/carillon, and a
mention of one when it begins with any other program that the pages know.
"""
import dataclasses
import re

DRAWN = re.compile('[─│┌└▶▼◀]')
TYPED = re.compile(r'(\./dev|build/\w+) \S')
OF_CARILLON = re.compile(r'(carillon|serve|cluster|bench|token|deadletters) \S')
OF_OTHERS = re.compile(r'(apt-get|systemctl|journalctl|etcdctl|ctest|npm|node|curl|openssl|python3|etcd|sudo) \S')


@dataclasses.dataclass
class Item:
    kind: str  # 'command', 'mention' (of carillon), 'other' (a mention of another program), or a block's language.
    text: str
    line: int

    @property
    def words(self):
        """The command on one line, without its comment: how tables name it."""
        return without_comment(' '.join(self.text.replace('\\\n', ' ').split()))


def without_comment(command):
    return re.sub(r'\s+#\s.*$', '', command)


def commands_of(block, line):
    """The commands of a shell's block: one a line, unless it goes on behind a backslash."""
    command, begun = '', line
    for number, text in enumerate(block.split('\n'), line):
        if not command:
            begun = number
        command += text
        if text.endswith('\\'):
            command += '\n'
            continue
        if command.strip() and not command.lstrip().startswith('#'):
            yield Item('command', command, begun)
        command = ''
    if command:
        yield Item('command', command, begun)


def spans_of(paragraph, line):
    for match in re.finditer(r'`([^`]+)`', paragraph):
        text = ' '.join(match[1].split())
        at = line + paragraph[:match.start()].count('\n')
        for kind, form in (('command', TYPED), ('mention', OF_CARILLON), ('other', OF_OTHERS)):
            if form.match(text):
                yield Item(kind, text, at)


def dedent(lines):
    columns = min(len(line) - len(line.lstrip()) for line in lines if line.strip())
    return '\n'.join(line[columns:] for line in lines).rstrip('\n')


def items_of_unit(text):
    """What a unit of systemd starts."""
    return [Item('mention', match[2], text[:match.start()].count('\n') + 1)
            for match in re.finditer(r'(?m)^Exec\w+=/(\S+/)?(carillon .*)$', text)]


def items_of(text):
    """Everything on a page that can be checked, in order."""
    lines, at, paragraph, begun = text.split('\n'), 0, [], 0

    def end_of_paragraph():
        found = list(spans_of('\n'.join(paragraph), begun + 1))
        paragraph.clear()
        return found

    while at < len(lines):
        line = lines[at]
        fence = re.match(r'\s*```(\w*)\s*$', line)
        is_indented = re.match(r' {4,}\S', line) and not paragraph
        if fence:
            yield from end_of_paragraph()
            end = next(number for number in range(at + 1, len(lines)) if lines[number].strip() == '```')
            block, first = '\n'.join(lines[at + 1:end]), at + 2
            yield from commands_of(block, first) if fence[1] in ('sh', 'bash') else [Item(fence[1], block, first)]
            at = end + 1
        elif is_indented:
            end = at
            while end < len(lines) and (lines[end].startswith('    ') or not lines[end].strip()):
                end += 1
            block = dedent(lines[at:end])
            if not DRAWN.search(block):
                yield from commands_of(block, at + 1)
            at = end
        else:
            if line.strip():
                if not paragraph:
                    begun = at
                paragraph.append(line)
            else:
                yield from end_of_paragraph()
            at += 1
    yield from end_of_paragraph()
