"""What came of a case, in the model or in the database, in a form in which both can be compared."""
import hashlib
import re
from dataclasses import dataclass, field

KNOWN_ID = re.compile(r'00000000-0000-0000-0000-\d{12}')


@dataclass
class Outcome:
    """refused: the spec was; `why` tells it. Else the SQLSTATE of each statement, and what is there at the end."""
    refused: bool = False
    why: str = ''
    statements: list = field(default_factory=list)
    tables: dict = field(default_factory=dict)          # table → rows as dicts
    deliveries: list = field(default_factory=list)      # (kind, place, what, action, id of the row)
    failures: list = field(default_factory=list)        # (action, SQLSTATE, id of the row)

    def lines(self):
        """Text lines that are equal if and only if the outcomes are."""
        if self.refused:
            return ['refused']
        names = self.names()
        found = [f'statement {i}: {state or "done"}' for i, state in enumerate(self.statements, 1)]
        for table in sorted(self.tables):
            found += sorted(f'{table}: {row_text(row, names)}' for row in self.tables[table])
        found += sorted('delivery: ' + ' '.join(shown(v, names) for v in d) for d in self.deliveries)
        found += sorted('failure: ' + ' '.join(shown(v, names) for v in f) for f in self.failures)
        return found

    def restrict_is_a_foreign_key_violation(self):
        """Before PostgreSQL 18 `on_delete: restrict` fails with the SQLSTATE of a ref that leads nowhere."""
        self.statements = ['23503' if state == '23001' else state for state in self.statements]
        self.failures = [(action, '23503' if state == '23001' else state, key) for action, state, key in self.failures]

    def names(self):
        """Names for ids that nobody has said: by what their rows hold, so that both sides have the same."""
        rows = {row['id']: (table, row) for table, found in self.tables.items() for row in found}
        made = {key for key in rows if not KNOWN_ID.fullmatch(key)}
        names = {key: '' for key in made}
        for _ in range(3):
            names = {key: digest(rows[key][0] + row_text({**rows[key][1], 'id': ''}, names)) for key in made}
        return names


def digest(text):
    return 'made:' + hashlib.sha1(text.encode()).hexdigest()[:6]


def row_text(row, names):
    return ' '.join(f'{column}={shown(value, names)}' for column, value in sorted(row.items()))


def shown(value, names):
    if value is None:
        return '-'
    if isinstance(value, bool):
        return 't' if value else 'f'
    if isinstance(value, str) and value in names:
        return names[value] or 'made'
    if isinstance(value, str) and KNOWN_ID.fullmatch(value):
        return '#' + value.lstrip('0-')
    if isinstance(value, str) and (value.startswith('made-') or re.fullmatch(r'[0-9a-f-]{36}', value)):
        return 'gone'
    return str(value)


def side_by_side(expected, actual):
    """The lines of both, those that differ marked."""
    left, right = expected.lines(), actual.lines()
    rows, right_left = [], list(right)
    for line in left:
        if line in right_left:
            right_left.remove(line)
            rows.append((' ', line, line))
        else:
            rows.append(('!', line, ''))
    rows += [('!', '', line) for line in right_left]
    rows.sort(key=lambda r: r[1] or r[2])
    width = max([len(r[1]) for r in rows] + [len('expected')])
    return '\n'.join(f'{mark} {a:{width}}   {b}' for mark, a, b in [(' ', 'expected', 'actual'), *rows])
