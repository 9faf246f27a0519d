#!/usr/bin/env python3
"""Checks partition.pml: it passes in every configuration, and fails for every planted change.

Called by `./dev model`; README.md in this folder says what the model is. One line for each run. Everything that is
built or written goes to the directory that is named first.
"""
import argparse
import concurrent.futures
import os
import re
import subprocess
import sys
import time

MODEL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "partition.pml")

# What is explored in full. Bounds are explained in the model.
CONFIGURATIONS = {
    "restart": "EPOCHS=3 EVENTS=2 RESTARTS=1",
    "long": "EPOCHS=4 EVENTS=2 RESTARTS=0",
    "stranger": "EPOCHS=3 EVENTS=2 RESTARTS=0 WIPES=1 FIRST_IN_SYNC=3",
    "wiped": "EPOCHS=4 EVENTS=1 RESTARTS=0 WIPES=1",
    "links": "EPOCHS=3 EVENTS=2 RESTARTS=0 BREAKS=1 APPLIED",
    "leases": "EPOCHS=3 EVENTS=1 RESTARTS=1 LEASES SWAPS_TAKE_TIME",
    "candidate": "EPOCHS=4 EVENTS=1 RESTARTS=0 LEASES SWAPS_TAKE_TIME FIRST_IN_SYNC=3",
}
# Only with --large; minutes each.
LARGE = {
    "long restart": "EPOCHS=4 EVENTS=2 RESTARTS=1",
    "long leases": "EPOCHS=4 EVENTS=1 RESTARTS=1 LEASES SWAPS_TAKE_TIME",
    "long stranger": "EPOCHS=4 EVENTS=2 RESTARTS=0 WIPES=1 FIRST_IN_SYNC=3",
}
# Fits into a test: see --reduced.
REDUCED = ["wiped", "leases"]

# Each planted change, the configuration in which it is looked for, and the promises one of which it must break.
CHANGES = {
    "EPOCH_NOT_CHECKED": ("long", "P8"),
    "CANDIDATE_NOT_AWAITED": ("added", "P1"),
    "ADDED_BEFORE_CAUGHT_UP": ("added", "P1"),
    "CAUGHT_UP_WITH_KNOWN_COMMIT": ("inherited", "P1"),
    "TRUNCATION_BY_INDEX": ("long", "P1"),
    "TAIL_TAKEN_FOR_MATCHED": ("long", "P1"),
    "STORE_ID_IGNORED": ("wiped", "P1"),
    "NOMINATION_OUT_OF_SYNC": ("added", "P1"),
    "REMOVAL_WITHOUT_SWAP": ("long", "P1 P8"),
    "SILENT_NOT_AWAITED": ("silent", "P1"),
    "OWN_SYNC_NOT_AWAITED": ("restart", "P1"),
    "RESTART_KEEPS_EPOCH": ("restart", "P1"),
    "RESTART_WITHOUT_READING": ("restart", "P8"),
    "WINDOW_OF_WHAT_IS_APPLIED": ("long", "P2"),
    "DUPLICATE_ACKNOWLEDGED_AT_ONCE": ("long", "P1"),
    "LEASE_IGNORED": ("leases", "P8"),
    "LEASE_LOOKED_AT_ONLY_WHEN_ASKING": ("candidate", "P8"),
    "RESTART_FORGETS_LEASE": ("leases", "P8"),
    "CANDIDATE_GIVES_NO_LEASE": ("candidate", "P8"),
}
ONLY_FOR_CHANGES = {
    "added": "EPOCHS=3 EVENTS=1 RESTARTS=0 FIRST_IN_SYNC=3",
    "inherited": "EPOCHS=3 EVENTS=2 RESTARTS=0 WIPES=1",
    "silent": "EPOCHS=3 EVENTS=1 RESTARTS=0 SWAPS_TAKE_TIME",
}
MEMORY_MIB = 1900  # For each run; two run at a time.


def switches(change, configuration):
    bounds = {**CONFIGURATIONS, **LARGE, **ONLY_FOR_CHANGES}[configuration].split()
    return ["-D" + word for word in bounds] + (["-D" + change] if change else [])


def run_all(directory, runs):
    """Yields a result for each run, in order."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        yield from pool.map(lambda run: check(directory, *run), runs)


def check(directory, change, configuration, promises):
    """Builds and runs one verifier. Returns the name, the line to print, and whether it is as it should be."""
    name = change or configuration
    place = os.path.join(directory, name.replace(" ", "_"))
    os.makedirs(place, exist_ok=True)
    trail = os.path.join(place, "partition.pml.trail")
    if os.path.exists(trail):
        os.remove(trail)
    with open(MODEL, encoding="utf-8") as source, open(os.path.join(place, "partition.pml"), "w", encoding="utf-8") as copy:
        copy.write(source.read())

    def command(*words):
        return subprocess.run(words, cwd=place, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)

    # A change is looked for in breadth, so that its counterexample is a shortest one; where that is too wide, in depth.
    search = ["-O1", "-DBFS"] if change and configuration != "inherited" else ["-O2"]
    memory = MEMORY_MIB
    for words in (["spin", "-a", *switches(change, configuration), "partition.pml"],
                  ["gcc", "-w", "-DSAFETY", "-DNOCLAIM", "-DNOREDUCE", f"-DMEMLIM={memory}", *search, "-o", "pan",
                   "pan.c"]):
        built = command(*words)
        if built.returncode:
            return name, f"{name:34} could not be built:\n{built.stdout}", False
    begin = time.monotonic()
    out = command("./pan", "-n", "-E", "-m1000000").stdout
    seconds = time.monotonic() - begin
    found = re.search(r"(\d+) states, stored", out)
    states = int(found.group(1)) if found else 0
    used = re.search(r"([\d.]+)\s+total actual memory usage", out)
    mebibytes = float(used.group(1)) if used else 0.0
    complete = not re.search(r"Search not completed|max search depth too small|out of memory|memory limit", out)
    if "errors: 0" in out and complete:
        verdict, right = "holds", not change
    elif os.path.exists(trail):
        broken = promise_broken(place, change, configuration)
        verdict = f"breaks {broken}"
        right = bool(change) and broken in promises.split()
    else:
        verdict, right = "was not explored to the end:\n" + out, False
    line = f"{name:34} {configuration if change else '':10} {states:>10,} states {seconds:7.1f} s {mebibytes:6.0f} MiB  {verdict}"
    return name, line + ("" if right else "  <- not as it should be"), right


def promise_broken(place, change, configuration):
    """The promise behind the assertion that the counterexample ends with: its comment in the model."""
    played = play(place, change, configuration)
    at = re.search(r"partition\.pml:(\d+), Error: assertion violated", played)
    if not at:
        return "?"
    with open(MODEL, encoding="utf-8") as source:
        line = source.readlines()[int(at.group(1)) - 1]
    named = re.search(r"/\* (P\d) \*/", line)
    return named.group(1) if named else "?"


def play(place, change, configuration):
    out = subprocess.run(["spin", "-t", *switches(change, configuration), "partition.pml"], cwd=place, text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False).stdout
    return out.split("spin: trail ends")[0]


def main():
    parser = argparse.ArgumentParser(prog="./dev model", description=__doc__)
    parser.add_argument("directory", help=argparse.SUPPRESS)
    parser.add_argument("--large", action="store_true", help="larger configurations as well; takes many minutes")
    parser.add_argument("--reduced", action="store_true", help="two configurations and no planted changes")
    parser.add_argument("--trail", metavar="CHANGE", choices=CHANGES, help="print the counterexample of a planted change")
    arguments = parser.parse_args()
    os.makedirs(arguments.directory, exist_ok=True)

    if arguments.trail:
        configuration, promises = CHANGES[arguments.trail]
        _, line, right = check(arguments.directory, arguments.trail, configuration, promises)
        print(play(os.path.join(arguments.directory, arguments.trail), arguments.trail, configuration) + line)
        return 0 if right else 1

    configurations = REDUCED if arguments.reduced else [*CONFIGURATIONS, *(LARGE if arguments.large else [])]
    runs = [("", configuration, "") for configuration in configurations]
    if not arguments.reduced:
        runs += [(change, *where) for change, where in CHANGES.items()]
    wrong = []
    begin = time.monotonic()
    for name, line, right in run_all(arguments.directory, runs):
        print(line, flush=True)
        if not right:
            wrong.append(name)
    seconds = time.monotonic() - begin
    print(f"{len(runs)} runs in {seconds:.0f} s, " + (f"not as they should be: {', '.join(wrong)}" if wrong else "all as they should be"))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
