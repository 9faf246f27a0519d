#!/usr/bin/env python3
"""Checks that what the guides print is what the project has: each block of C++ is a whole file of the project.

usage: check_guides.py PROJECT
"""
import glob
import os
import re
import sys

project = sys.argv[1]
files = {open(path, encoding="utf-8").read()
         for folder in ("examples", "tests/examples")
         for path in glob.glob(os.path.join(project, folder, "**", "*.*"), recursive=True)
         if path.endswith((".h", ".cc"))}
checked, unknown = 0, []
for guide in glob.glob(os.path.join(project, "docs", "guide-*.md")):
    for block in re.findall(r"```cpp\n(.*?)```", open(guide, encoding="utf-8").read(), re.S):
        checked += 1
        if block not in files:
            unknown.append(f"{guide}: no file of the project is: {block.splitlines()[0]}")
print("\n".join(unknown) or f"{checked} blocks of C++ stand in the project")
sys.exit(1 if unknown or not checked else 0)
