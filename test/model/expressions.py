"""Random expressions, printed as SQL text.

Every name has one type wherever it stands (`qty` is always an integer), so that an expression is well typed whatever
its names mean: which of them mean what is for names.py, and nothing here knows it."""
from dataclasses import dataclass, field, replace
from functools import lru_cache

from hypothesis import strategies as st


@lru_cache(None)
def below(n):
    return st.integers(0, n - 1)


class Drawn:
    """Draws from hypothesis; earlier options are simpler, and what a case is shrunk to."""

    def __init__(self, draw):
        self.draw = draw

    def pick(self, options):
        return options[0] if len(options) == 1 else options[self.draw(below(len(options)))]

    def number(self, least, most):
        return least + self.draw(below(most - least + 1))

    def chance(self, percent):
        return self.draw(below(100)) >= 100 - percent

    def some(self, options, least=0, percent=50):
        """A part of the options, in their order."""
        found = [o for o in options if self.chance(percent)]
        return found if len(found) >= least else list(options[:least])


@dataclass
class Place:
    """Where an expression stands: what may be named there, as the generator guesses."""
    spec: object
    entity: object = None                 # of the event's row
    target: object = None                 # of update and delete
    keys: dict = field(default_factory=dict)      # of a custom event's payload: name → type
    local: dict = field(default_factory=dict)     # of foreach
    taken: bool = False                   # the row is one that a bulk operation has taken

    def with_local(self, name, kind):
        return replace(self, local={**self.local, name: kind})

    def onto(self, target):
        """The same place in a step that writes rows of that entity."""
        return replace(self, target=target)


TYPES = {'integer': 'integer', 'text': 'text', 'boolean': 'boolean', 'uuid': 'uuid'}
UNKNOWN = {'integer': 'qtty', 'text': 'lable', 'boolean': 'urgend', 'uuid': 'prodact_id'}
ENUM_LITERALS = ["'open'", "'paid'", "'closed'"]
NEAR_ENUM = ["'payed'", "'opn'"]


def kind_of(found):
    return 'enum' if found.values else found.base


def spelled(found, drawn):
    """A ref goes by either of its names."""
    return drawn.pick(sorted(found.names)) if found.ref else quoted(found.name)


def quoted(name):
    return '"user"' if name == 'user' else name


def names(place, kind):
    """Names of a type in the event's scope, in every spelling: (weight, text)."""
    found = []
    for key, key_kind in place.keys.items():
        if key_kind == kind:
            found += [(6, key), (2, f'payload.{key}')]
    for name, local_kind in place.local.items():
        if local_kind == kind:
            found.append((12, name))
    if place.entity:
        found += [(w, n) for w, n in own_names(place, kind) if not place.taken or is_plain(n)]
        found += led_names(place.spec, place.entity, kind)
    else:
        for key in place.keys:
            led = place.spec.entity(key[:-3]) if key.endswith('_id') else None
            if led:
                found += [(1, f'{led.table}.{f.name}') for f in led.fields if kind_of(f) == kind]
    return found


def own_names(place, kind):
    entity, found = place.entity, []
    for f in entity.fields:
        if kind_of(f) != kind:
            continue
        for name in sorted(f.names):
            found += [(4, quoted(name)), (3, f'new.{name}'), (2, f'old.{name}')]
            if not f.ref and place.target is not entity:
                found.append((1, f'{entity.name}.{name}'))
        found += [(1, f'new_{f.name}'), (1, f'previous_{f.name}'), (1, f'old_{f.name}'), (1, f'current_{f.name}')]
        words = f.name.split('_')[1:]
        if kind == 'integer':
            found += [(1, f'{w}_change') for w in [f.name, *words]]
        found += [(1, prefix + w) for w in words for prefix in WORDS]
        if f.name == 'user':
            found.append((4, 'user'))
    if kind == 'uuid':
        found += [(3, 'id'), (2, 'new.id'), (1, 'old.id'), (2, entity.table), (2, entity.table + '_id')]
    return found


WORDS = ['new_', 'current_', 'available_', 'previous_']


def is_plain(name):
    """No old row, and no word for a field."""
    return not name.startswith(('old', 'previous_', 'new_', 'current_', 'available_')) and not name.endswith('_change')


def led_names(spec, entity, kind):
    found = []
    for ref in entity.fields:
        if not ref.ref:
            continue
        led = spec.entities[ref.ref]
        for f in led.fields:
            if kind_of(f) == kind:
                name = f.name
                found += [(2, f'{ref.name}.{name}'), (1, quoted(name)), (1, f'{led.name}.{name}'),
                          (1, f'old.{ref.name}.{name}'), (1, f'new.{ref.name}.{name}')]
                found += [(1, prefix + name.split('_')[-1]) for prefix in WORDS[:2] if kind != 'uuid']
            if f.ref:
                found += [(1, f'{side}{ref.name}.{f.name}.{g.name}') for g in spec.entities[f.ref].fields
                          if kind_of(g) == kind for side in ('', 'old.')]
        if kind == 'uuid':
            found.append((1, f'{ref.name}.id'))
    return found


def target_names(place, kind, bare=True):
    entity, found = place.target, []
    for f in [entity.field('id'), *entity.fields]:
        if kind_of(f) == kind:
            for name in sorted(f.names):
                found.append((1, f'target.{name}'))
                found.append((1, f'{entity.name}.{name}'))
                if bare:
                    found.append((6, quoted(name)))
    return found


def weighted(drawn, found):
    return drawn.pick([text for weight, text in found for _ in range(weight)])


LITERALS = {'integer': ['0', '1', '2', '3', '5'], 'text': ["'a'", "'b'", "''"], 'boolean': ['true', 'false'],
            'enum': ENUM_LITERALS, 'uuid': ['NULL'],
            'integer[]': ['NULL']}


def literal(drawn, kind):
    if kind == 'enum' and drawn.chance(4):
        return drawn.pick(NEAR_ENUM)
    return drawn.pick(LITERALS[kind])


def name(drawn, place, kind, more=()):
    found = names(place, kind) + list(more)
    if drawn.chance(2) and (place.entity or kind == 'uuid'):
        # Of a custom event it is a key, of whatever type it is used for, unless that ends in _id.
        return UNKNOWN.get(kind, 'statsu')
    if not found or (kind not in ('uuid', 'integer[]') and drawn.chance(10)):
        return literal(drawn, kind)
    return weighted(drawn, found)


def value(drawn, place, kind, depth=1, more=()):
    """An expression of a type; `more` are names beside those of the event."""
    def part(inner=kind):
        return value(drawn, place, inner, depth - 1, more if inner == kind else ())

    form = drawn.number(0, 9) if depth else 0
    if form < 5 or kind in ('uuid', 'integer[]'):
        return name(drawn, place, kind, more)
    if form == 5:
        return f'CASE WHEN {condition(drawn, place, 0)} THEN {part()} ELSE {part()} END'
    if form == 6:
        return f'coalesce({part()}, {literal(drawn, kind)})'
    if kind == 'integer':
        operator = drawn.pick(['+', '-', '*', '+', '/'])
        return f'{part()} {operator} {divisor(drawn, place, more) if operator == "/" else part()}'
    if kind == 'text':
        return f'{part()} || {part(drawn.pick(["text", "integer"]))}'
    if kind == 'boolean':
        return '(' + condition(drawn, place, 0) + ')'
    return name(drawn, place, kind, more)


def divisor(drawn, place, more):
    """No literal zero: PostgreSQL would divide by it before there is a row."""
    found = names(place, 'integer') + list(more)
    return weighted(drawn, found) if found else '2'


COMPARE = ['=', '=', '<>', '<', '>=', 'IS DISTINCT FROM', 'IS NOT DISTINCT FROM']


def condition(drawn, place, depth=1):
    """An expression over the event's names that is true or not."""
    form = drawn.number(0, 9) if depth else drawn.number(0, 5)
    if form < 4:
        kind = drawn.pick(['integer', 'enum', 'text', 'uuid', 'integer'])
        left = name(drawn, place, kind)
        right = literal(drawn, kind) if kind == 'enum' or drawn.chance(40) else value(drawn, place, kind, 0)
        operator = drawn.pick(COMPARE[:3] if kind in ('enum', 'uuid') else COMPARE)
        return f'{left} {operator} {right}'
    if form == 4:
        if place.entity and not place.taken and drawn.chance(20):
            return 'event_operation IS NOT NULL'
        if place.entity and drawn.chance(20):
            return drawn.pick(['new', 'old']) + ' IS ' + ('NOT NULL' if drawn.chance(10) else 'NULL')
        return f'{name(drawn, place, drawn.pick(list(TYPES)))} IS {drawn.pick(["", "NOT "])}NULL'
    if form == 5:
        return name(drawn, place, 'boolean') if drawn.chance(60) else \
            f'{name(drawn, place, "enum")} IN ({literal(drawn, "enum")}, {literal(drawn, "enum")})'
    if form == 9:
        return f'NOT ({condition(drawn, place, depth - 1)})'
    joined = drawn.pick([' AND ', ' OR '])
    return f'({condition(drawn, place, depth - 1)}{joined}{condition(drawn, place, depth - 1)})'


# --- WHERE ---------------------------------------------------------------------------------------------------------


def where(drawn, place):
    form = drawn.number(0, 19)
    if form == 19:
        return 'true'
    if form < 12:
        return where_atom(drawn, place)
    if form == 18:
        return f'NOT ({where_atom(drawn, place)})'
    return where_atom(drawn, place) + (' AND ' if form < 16 else ' OR ') + where_atom(drawn, place)


def where_atom(drawn, place):
    """A comparison, of each kind in "What WHERE binds"."""
    entity = place.target
    form = drawn.number(0, 11)
    field = drawn.pick([entity.field('id'), *entity.fields, *[f for f in entity.fields if f.ref] * 2])
    kind = kind_of(field)
    operator = drawn.pick(COMPARE) if kind == 'integer' else drawn.pick(COMPARE[:2] if kind != 'boolean' else ['='])
    column = spelled(field, drawn)
    if kind.endswith('[]'):
        return f'{column} IS NOT NULL'
    if form < 3:
        return f'{column} {operator} {spelled(field, drawn)}'
    if form < 6:
        return f'{column} {operator} {name(drawn, place, kind)}'
    if form == 6 and kind != 'uuid':
        return f'{column} {operator} {literal(drawn, kind)}'
    if form == 7:
        return f'{column} {operator} {weighted(drawn, target_names(place, kind))}'
    if form == 8:
        return f'{weighted(drawn, target_names(place, kind, False))} {operator} {name(drawn, place, kind)}'
    if form == 9:
        return condition(drawn, place, 0)
    if form == 10 and kind == 'integer':
        return f'{column} {operator} {value(drawn, place, kind)}'
    if form == 11:
        return f'{name(drawn, place, kind)} {operator} {column}'
    return f'{column} IS {drawn.pick(["", "NOT "])}NULL'
