"""Compares specql with the model: first the fixed sentences, then random cases until the time is over.

The last line is "N passed, N failed", of cases."""
import argparse
import random
import sys
import time

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis.errors import Flaky

from cases import compare
from fixed import run_fixed
from generate import cases
from names import Undecided
from outcome import side_by_side
from server import Server

EXAMPLES = 200         # of one seed
SHRINKING = 30         # seconds to make a difference smaller
TOLD = 10              # seconds between two lines that say how far it is


class Different(Exception):
    """Model and database say different things of a case."""


class Search:
    """Random cases, seed after seed."""

    def __init__(self, server, until):
        self.server = server
        self.until = until
        self.passed = self.refused = self.undecided = 0
        self.differences = []
        self.told = time.time()

    def try_seed(self, number):
        """Runs the cases of a seed, unless the time is over; shrinks and prints a difference."""
        shrinking = Shrinking()

        @seed(number)
        @settings(max_examples=EXAMPLES, database=None, deadline=None, print_blob=False, report_multiple_bugs=False,
                  verbosity=Verbosity.quiet, suppress_health_check=list(HealthCheck),
                  phases=[Phase.generate, Phase.shrink])
        @given(cases())
        def check(case):
            if shrinking.found:
                shrinking.look(case, lambda: self.differing(case))
            elif time.time() < self.until:
                self.count(case, shrinking)

        try:
            check()
        except (Different, Flaky):
            self.differences.append(shrinking.smallest)
            print(report(number, *shrinking.smallest), flush=True)

    def differing(self, case):
        """(case, expected, actual) if they differ."""
        expected, actual = compare(self.server, case)
        return (case, expected, actual) if expected.lines() != actual.lines() else None

    def count(self, case, shrinking):
        try:
            expected, actual = compare(self.server, case)
        except Undecided:
            self.undecided += 1
            return
        if expected.lines() != actual.lines():
            shrinking.begin(case, expected, actual)
        self.passed += 1
        self.refused += expected.refused
        if time.time() > self.told + TOLD:
            self.told = time.time()
            self.tell()

    def tell(self):
        print(f'{self.passed} cases agree, {self.refused} of them refused; {self.undecided} undecided; '
              f'{len(self.differences)} differences', flush=True)


class Shrinking:
    """A difference while hypothesis looks for a smaller one. When its time is over only what is known to differ does,
    so that hypothesis comes to an end."""

    def __init__(self):
        self.found = {}
        self.smallest = None
        self.until = 0

    def begin(self, case, expected, actual):
        self.until = time.time() + SHRINKING
        self.differs(case, expected, actual)

    def differs(self, case, expected, actual):
        self.found[case.script()] = self.smallest = (case, expected, actual)
        raise Different()

    def look(self, case, differing):
        known = self.found.get(case.script())
        if known:
            self.differs(*known)
        if time.time() > self.until:
            return
        try:
            difference = differing()
        except Undecided:
            return
        if difference:
            self.differs(*difference)


def report(number, case, expected, actual):
    """A difference, ready to paste."""
    parts = [f'=== DIFFERENCE, SEED={number}', case.script(), '', side_by_side(expected, actual)]
    if expected.refused != actual.refused:
        parts.append('the model ' + (f'refuses: {expected.why}' if expected.refused else 'accepts'))
    parts.append('specql says: ' + (actual.why.strip() or 'nothing'))
    return '\n'.join(parts) + '\n'


def options():
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument('--seconds', type=float, default=120, help='how long random cases are tried')
    reader.add_argument('--seed', type=int, help='run the cases of this seed and no others')
    reader.add_argument('--seeds', type=int, default=1, help='so many, from --seed on')
    reader.add_argument('--no-fixed', action='store_true', help='without the fixed sentences')
    reader.add_argument('--only-fixed', action='store_true', help='without random cases')
    reader.add_argument('--most', type=int, default=5, help='end after so many differences')
    return reader.parse_args()


def main():
    chosen = options()
    server = Server()
    passed, failed = (0, 0) if chosen.no_fixed else run_fixed(server)
    if not chosen.only_fixed:
        only = chosen.seed is not None
        first = chosen.seed if only else random.randrange(10**6)
        how_long = f', {chosen.seeds} of them' if only else f' and on, for {chosen.seconds:.0f} s'
        print(f'random cases, SEED={first}{how_long}', flush=True)
        search = Search(server, float('inf') if only else time.time() + chosen.seconds)
        number = first
        while time.time() < search.until and len(search.differences) < chosen.most:
            search.try_seed(number)
            number += 1
            if only and number >= first + chosen.seeds:
                break
        search.tell()
        passed += search.passed
        failed += len(search.differences)
    server.close()
    print(f'{passed} passed, {failed} failed')
    return failed != 0


if __name__ == '__main__':
    sys.exit(main())
