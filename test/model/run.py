"""Compares specql with the model: first the fixed sentences, then random cases until the time is over.

    run.py [--seconds N] [--seed N] [--no-fixed] [--most N]

The last line is "N passed, N failed", of cases. A seed that is given is the only one that is run."""
import argparse
import random
import sys
import time

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings

from cases import compare
from generate import cases
from names import Undecided
from outcome import side_by_side
from server import Server

EXAMPLES = 200         # of one seed


class Different(Exception):
    """Model and database say different things of a case."""


class Random:
    """Random cases, seed after seed."""

    def __init__(self, server):
        self.server = server
        self.passed = self.refused = self.undecided = 0
        self.differences = []

    def try_seed(self, number, until):
        """Runs the cases of a seed, unless the time is over; shrinks and prints a difference."""
        last, started = [None], []

        @seed(number)
        @settings(max_examples=EXAMPLES, database=None, deadline=None, print_blob=False, report_multiple_bugs=False,
                  verbosity=Verbosity.quiet, suppress_health_check=list(HealthCheck),
                  phases=[Phase.generate, Phase.shrink])
        @given(cases())
        def check(case):
            if time.time() > until and not last[0]:
                return
            try:
                expected, actual = compare(self.server, case)
            except Undecided:
                self.undecided += not last[0]
                return
            if expected.lines() != actual.lines():
                last[0] = (case, expected, actual)
                raise Different()
            if not last[0]:
                self.passed += 1
                self.refused += expected.refused

        try:
            check()
        except Different:
            self.differences.append((number, *last[0]))
            print(report(number, *last[0]), flush=True)


def report(number, case, expected, actual):
    """A difference, ready to paste."""
    parts = [f'=== DIFFERENCE, SEED={number}', case.script(), '', side_by_side(expected, actual)]
    if expected.refused != actual.refused:
        parts.append('the model ' + (f'refuses: {expected.why}' if expected.refused else 'accepts'))
    parts.append('specql says: ' + (actual.why.strip() or 'nothing'))
    return '\n'.join(parts) + '\n'


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument('--seconds', type=float, default=60)
    arguments.add_argument('--seed', type=int)
    arguments.add_argument('--no-fixed', action='store_true')
    arguments.add_argument('--most', type=int, default=5, help='stop after so many differences')
    given_ = arguments.parse_args()

    server = Server()
    passed, failed = (0, 0)
    until = time.time() + given_.seconds
    found = Random(server)
    first = given_.seed if given_.seed is not None else random.randrange(10**6)
    print(f'random cases for {given_.seconds:.0f} s, SEED={first} and on', flush=True)
    number = first
    while time.time() < until and len(found.differences) < given_.most:
        found.try_seed(number, until)
        number += 1
        print(f'{found.passed} cases agree, {found.refused} of them refused; {found.undecided} undecided; '
              f'{len(found.differences)} differences', flush=True)
        if given_.seed is not None:
            break
    server.close()
    passed += found.passed
    failed += len(found.differences)
    print(f'{passed} passed, {failed} failed')
    return failed != 0


if __name__ == '__main__':
    sys.exit(main())
