#!/usr/bin/env python3
"""Checks that what the pages print and name is what the project has.

usage: check_guides.py PROJECT

Each block of C++ or CMake in a guide, or in the README of the client in C++, is a whole file of the project; or a piece of one, where
it includes nothing. Each test that security.md names for an attack is there; each link within the project leads to a file, and to a
heading where it names one.
"""
import pathlib
import re
import sys

PROJECT = pathlib.Path(sys.argv[1])


def read(path):
    return path.read_text(encoding='utf-8')


def pages():
    for pattern in ('*.md', '*/*.md', '*/*/*.md'):
        yield from (path for path in PROJECT.glob(pattern) if not path.relative_to(PROJECT).parts[0].startswith('build'))


def unknown_blocks():
    files = {read(path) for folder in ('examples', 'tests/examples', 'tests/actors')
             for path in (PROJECT / folder).rglob('*')
             if path.suffix in ('.h', '.cc') or path.name == 'CMakeLists.txt'}
    for guide in [*PROJECT.glob('docs/guide-*.md'), PROJECT / 'clients/cpp/README.md']:
        for language, block in re.findall(r'```(cpp|cmake)\n(.*?)```', read(guide), re.S):
            is_piece = language == 'cpp' and '#include' not in block
            yield (any('\n' + block in file for file in files) if is_piece else block in files,
                   f'{guide}: no file of the project has: {block.splitlines()[0]}')


def unknown_tests():
    sources = '\n'.join(read(path) for path in (PROJECT / 'tests').rglob('*_test.cc'))
    tests = set(re.findall(r'TEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\)', sources))
    security = read(PROJECT / 'docs/security.md')
    for suite, name in re.findall(r'`([A-Z]\w+)\.(\w+)`', security):
        yield (suite, name) in tests, f'security.md: there is no test {suite}.{name}'
    for path in re.findall(r'`(tests/[^`]+\.\w+)`', security):
        yield (PROJECT / path).exists(), f'security.md: there is no {path}'


def headings_of(page):
    """As GitHub makes anchors of them."""
    return {re.sub(r'[^\w -]', '', line.lstrip('#').strip().lower()).replace(' ', '-')
            for line in read(page).splitlines() if line.startswith('#')}


def dead_links():
    for page in pages():
        for link in re.findall(r'\]\(([^)\s]+)\)', read(page)):
            if '://' in link:
                continue
            name, _, heading = link.partition('#')
            target = page.parent / name if name else page
            yield target.exists() and (not heading or heading in headings_of(target)), f'{page}: {link} leads nowhere'


failed = 0
for what, checks in (('blocks of C++', unknown_blocks()), ('tests of attacks', unknown_tests()), ('links', dead_links())):
    checks = list(checks)
    wrong = [sentence for holds, sentence in checks if not holds]
    print('\n'.join(wrong) or f'{len(checks)} {what}: all there')
    failed += len(wrong) + (not checks)
sys.exit(1 if failed else 0)
