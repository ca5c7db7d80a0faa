"""The fixed sentences of sentences.yaml: what specql and the model must say of them is worked out by hand."""
import os
import re

import yaml

from cases import Case, predict
from names import Undecided
from outcome import Outcome, shown

PAGE = os.path.join(os.path.dirname(__file__), 'sentences.yaml')


class Unmodelled(Exception):
    """A sentence of a part of the language that the model does not know."""


class Sentence:
    """One of them: a case, and what must come of it."""

    def __init__(self, worlds, given):
        world = worlds[given['in']]
        self.name = given['name']
        self.given = given
        statements = list(world['statements'])
        if 'before' in given:
            statements.append(given['before'])
        statements.append(given.get('happens', world['happens']))
        self.case = Case(uuids(world['entities'] + '---\nschema: m\nactions:\n' + action(given)),
                         [uuids(s) for s in statements])

    def misses(self, found: Outcome):
        """What is not as it should be, as text lines."""
        if found.statements and str(found.statements[0]).startswith(('the server', 'apply')):
            return [found.statements[0]]
        if found.refused != bool(self.given.get('refused')):
            return ['it is refused: ' + found.why.strip() if found.refused else 'it is accepted']
        if found.refused:
            return []
        missed = []
        fails = [None if s == '-' else s for s in self.given.get('fails', [])] or [None] * len(self.case.statements)
        missed += difference('statements', fails, found.statements)
        for table, rows in self.given.get('then', {}).items():
            columns = list(rows[0]) if rows else ['id']
            wanted = [' '.join(plain(row[c]) for c in columns) for row in rows]
            there = [' '.join(plain(row[c]) for c in columns) for row in found.tables.get(table, [])]
            missed += difference(table, sorted(wanted), sorted(there))
        if 'deliveries' in self.given or 'then' not in self.given:
            missed += difference('deliveries', sorted(self.given.get('deliveries', [])),
                                 sorted(' '.join(d[:3]) for d in found.deliveries))
        missed += difference('failures', sorted(self.given.get('failures', [])),
                             sorted(' '.join(f[:2]) for f in found.failures))
        return missed


def difference(what, wanted, there):
    return [] if wanted == there else [f'{what}: {wanted} is right, there is {there}']


def plain(value):
    """A value of the page, where every value is a text, and one of a table, in the same form."""
    if isinstance(value, str):
        value = {'true': True, 'false': False, 'null': None}.get(value, uuids(value))
    return shown(value, {})


def uuids(text):
    return re.sub(r'#(\d+)', lambda m: f'00000000-0000-0000-0000-{int(m.group(1)):012}', text)


def action(given):
    """The YAML of the sentence's action, which is called `a`, or `load_parcels` if it is a bulk operation."""
    if 'actions' in given:
        return '\n'.join('  ' + line for line in given['actions'].splitlines()) + '\n'
    if 'bulk' in given:
        lines = ['  - name: load_parcels', '    pattern: batch/bulk_operation', '    trigger: truck_arrived']
        lines += ['    params:'] + [f'      {key}: {kind}' for key, kind in given['bulk'].items()]
    else:
        lines = ['  - name: a', '    on: ' + given['on']]
    if 'condition' in given:
        lines.append('    condition: ' + quoted(given['condition']))
    return '\n'.join(lines + ['    steps:'] + steps(given['steps'], 6)) + '\n'


def steps(given, indent):
    lines = []
    for step in given:
        if isinstance(step, str):
            lines.append('- ' + ' '.join(step.split()))
        elif 'set' in step:
            kind = next(k for k in step if k != 'set')
            lines.append(f'- {kind}: {step[kind]} SET')
            lines += [f'    {column}: {quoted(value)}' for column, value in step['set'].items()]
        elif 'if' in step:
            lines += [f'- if: {quoted(step["if"])}', '  then:', *steps(step['then'], 4)]
            lines += ['  else:', *steps(step['else'], 4)] if 'else' in step else []
        else:
            (key, value), = step.items()
            lines.append(f'- {key}: {quoted(value)}')
    return [' ' * indent + line for line in lines]


def quoted(text):
    return '"' + text.replace('"', '\\"') + '"'


def sentences():
    with open(PAGE, encoding='utf-8') as page:
        found = yaml.load(page, Loader=yaml.BaseLoader)
    return [Sentence(found['worlds'], given) for given in found['sentences']]


def run_fixed(server):
    """(passed, failed) of all of them; what fails is printed."""
    passed = failed = 0
    for sentence in sentences():
        missed, tables = [], list(sentence.given.get('then', {}))
        try:
            if 'unmodelled' in sentence.given:
                raise Unmodelled()
            expected, tables = predict(sentence.case)
            missed += ['the model: ' + m for m in sentence.misses(expected)]
        except Undecided as reason:
            missed.append(f'the model: undecided, {reason}')
        except Unmodelled:
            pass
        found = server.run(sentence.case.text, sentence.case.statements, tables)
        missed += ['specql: ' + m for m in sentence.misses(found)]
        if missed:
            failed += 1
            print(f'not ok - {sentence.name}', *missed, sentence.case.script() if '-v' in os.environ.get('MODEL', '')
                  else '', sep='\n    ', flush=True)
        else:
            passed += 1
            print(f'ok - {sentence.name}', flush=True)
    return passed, failed
