"""Does to the program's main file what the guide to behaviours asks for: two lines, each where the guide says.

usage: install_behaviour.py GUIDE MAIN RESULT
"""
import pathlib
import re
import sys

guide, main, result = map(pathlib.Path, sys.argv[1:])
step = guide.read_text(encoding='utf-8').split('\n## 3. ')[1]
include, add = re.search(r'`(#include [^`]+)`', step)[1], re.search(r'`(add\([^`]+;)`', step)[1]
text = main.read_text(encoding='utf-8')
for line, before in ((include, '#include "examples/'), ('  ' + add, '  return catalogue;')):
    assert before in text, f'{main} has no line that begins: {before}'
    text = text.replace(before, f'{line}\n{before}', 1)
result.parent.mkdir(parents=True, exist_ok=True)
result.write_text(text, encoding='utf-8')
