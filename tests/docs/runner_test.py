"""The runner of the pages' commands notices what is wrong with a page; with a stand-in for the program that only has a --help."""
import contextlib
import io
import pathlib
import re
import tempfile
import unittest

import page
import reader
import run_commands
import session

STAND_IN = '''#!/bin/sh
case "$*" in
  --help) printf '  serve       run a node\\n  publish     publish\\n' ;;
  'serve --help') printf '  --data DIR   the data directory\\n' ;;
  broken) exit 3 ;;
esac
'''


class Runner(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.addCleanup(self.scratch.cleanup)
        self.program = pathlib.Path(self.scratch.name, 'carillon')
        self.program.write_text(STAND_IN)
        self.program.chmod(0o755)

    def wrong_with(self, text, name='planted.md'):
        with contextlib.redirect_stdout(io.StringIO()):
            return '\n'.join(run_commands.type_page(str(self.program), name, text))

    def test_a_page_that_is_right_passes(self):
        self.assertEqual('', self.wrong_with('Type this, or `carillon serve --data ./data`:\n\n'
                                             '    export WORD=said   # It holds on.\n    test "$WORD" = said\n'
                                             '    mkdir here && cd here\n    cd .. \\\n      && test -d here\n\n'
                                             '```json\n{"a":1}\n{"b":2}\n```\n\n    a ─▶ drawing\n'))

    def test_a_command_that_fails_is_noticed(self):
        self.assertIn('exit code 3', self.wrong_with('    build/carillon broken\n'))
        self.assertIn('exit code 127', self.wrong_with('1. One.\n\n       there-is-no-such-program\n'))
        self.assertIn('exit code 3', self.wrong_with('Try `build/carillon broken`.'))

    def test_a_mention_of_what_is_not_there_is_noticed(self):
        self.assertIn('no play', self.wrong_with('See `carillon play LOG`.'))
        self.assertIn('no --fast', self.wrong_with('See `serve --fast`.'))

    def test_a_command_that_nobody_types_and_nobody_lists_is_noticed(self):
        self.assertIn('neither typed nor', self.wrong_with('Then `systemctl restart carillon`.'))
        self.assertIn('background', self.wrong_with('    sleep 1 &\n'))
        self.assertIn('no test knows', self.wrong_with('```yaml\na: 1\n```\n'))

    def test_what_is_listed_and_on_no_page_any_more_is_noticed(self):
        self.assertIn('no such command any more: ctest -R', self.wrong_with('Nothing.', 'docs/security.md'))

    def test_tables_name_what_is_there(self):
        """Pages one by one cannot notice that a page is gone, or what is meant for all of them."""
        pages = {name for name, *_ in reader.SHOWS + reader.NOT_TYPED} | {name for name, _ in reader.BEFORE}
        words = {item.words for name in pages for item in page.items_of((run_commands.ROOT / name).read_text())}
        for command in [*reader.NEEDS, *reader.SMALLER]:
            self.assertIn(command, words)
        for form, _ in reader.LASTING:
            self.assertTrue(any(re.match(form, one) for one in words), form)

    def test_json_that_is_none_is_noticed(self):
        self.assertIn('Expecting', self.wrong_with('```json\n{"a":}\n```\n'))

    def test_what_never_shows_that_it_works_is_noticed_and_ended(self):
        self.addCleanup(setattr, session, 'WITHIN_S', session.WITHIN_S)
        session.WITHIN_S = 0.3
        self.assertIn('not seen', self.wrong_with('    curl -N file:///dev/zero >nothing\n'))
        self.assertIn('did not end', self.wrong_with('    tail -f /dev/null\n'))

    def test_blocks_in_lists_and_spans_over_lines_are_found(self):
        found = [(item.kind, item.words, item.line) for item in page.items_of(
            '- Do `./dev\n  test` now:\n\n      one \\\n        two   # Why.\n      three\n\n  And `prose --with option`.\n')]
        self.assertEqual([('command', './dev test', 1), ('command', 'one two', 4), ('command', 'three', 6)], found)


if __name__ == '__main__':
    unittest.main()
