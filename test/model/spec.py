"""What a spec says, read from its YAML text: entities with fields, actions with steps.

The shape alone; what the names in expressions mean is for names.py. The model knows the part of the language that
generate.py writes; the chapter of docs/language.md that a rule comes from is named with it.
"""
import re
from dataclasses import dataclass, field, replace
from typing import Any, Optional

import yaml

import sql

# "Three things that look natural and are not YAML": of these, columns below `insert: Entity SET`.
SET_LINE = re.compile(r'^(\s*- )((?:insert|append|create|update|emit): [^"\n]*\bSET)[ ]*$', re.M)

BASES = {'integer': 'integer', 'text': 'text', 'boolean': 'boolean', 'uuid': 'uuid', 'jsonb': 'jsonb'}


class Malformed(Exception):
    """The text has another shape than the language's."""


def snake(name):
    """"Names go to snake case (`InventoryEvent` → `inventory_event`)"."""
    return re.sub(r'(?<=[a-z0-9])(?=[A-Z])', '_', name).lower()


@dataclass(frozen=True)
class Field:
    """A column; `names` are those it goes by: a ref has two."""
    name: str
    column: str
    base: str
    values: Optional[tuple] = None
    ref: Optional[str] = None
    on_delete: str = 'no action'
    required: bool = False
    default: Any = None
    of: Optional[str] = None             # the entity whose key this is, of `id`

    @property
    def names(self):
        return {self.name, self.column}

    @property
    def keys(self):
        """The entity whose rows this names, or None."""
        return self.ref or self.of


@dataclass
class Transition:
    """`{from: …, to: …, guard: …}` of "States"."""
    before: tuple
    after: str
    guard: Any = None


@dataclass
class States:
    """`states:` of an entity."""
    field: Field
    initial: Optional[str]
    transitions: list


@dataclass
class Entity:
    name: str
    fields: list
    declared: bool = True
    states: Optional[States] = None

    @property
    def table(self):
        return snake(self.name)

    def field(self, name):
        """The field that goes by this name, or None."""
        return next((f for f in [self.id, *self.fields] if name in f.names), None)

    @property
    def id(self):
        return Field('id', 'id', 'uuid', required=True, of=self.name)


@dataclass
class Step:
    kind: str
    target: str = ''
    sentence: Optional[sql.Sentence] = None
    columns: dict = field(default_factory=dict)
    condition: Any = None
    then: list = field(default_factory=list)
    otherwise: list = field(default_factory=list)
    arguments: list = field(default_factory=list)
    words: tuple = ()


@dataclass
class Trigger:
    """What raises an event: operations on an entity, or a custom event. An update is one if one of the fields has
    another value, or if no fields are named."""
    operations: tuple = ()
    entity: Optional[str] = None
    fields: tuple = ()
    event: Optional[str] = None

    def hears(self, old, new):
        """Is this change of a row of the entity one of those?"""
        operation = operation_of(old, new)
        if operation != 'update' or not self.fields:
            return operation in self.operations
        return any(old[f.column] != new[f.column] for f in self.fields)


def operation_of(old, new):
    """What `event_operation` says of a row's change."""
    return 'insert' if old is None else 'delete' if new is None else 'update'


@dataclass
class Action:
    name: str
    on: Optional[Trigger]
    branches: list                       # (condition or None, steps, steps of its else)
    abort: bool = False
    order: int = 0
    params: dict = field(default_factory=dict)
    bulk: bool = False
    validations: list = field(default_factory=list)
    batch: Optional[str] = None          # the payload's key that holds the array
    errors: str = 'stop_on_error'
    before: bool = False                 # "Before a row is written"
    led: set = field(default_factory=set)          # bare names that a row farther away has
    implied: list = field(default_factory=list)    # entities of rows that keys name which nothing declares


@dataclass
class Spec:
    entities: dict
    actions: list
    appended: set = field(default_factory=set)
    emitted: dict = field(default_factory=dict)   # event → keys that some step gives it

    def entity(self, word):
        """The entity of this name, in any case of letters, or None."""
        return next((e for e in self.entities.values() if word in (e.name, e.table, e.name.lower())), None)


def read(text):
    """The spec of a YAML text; raises Malformed or sql.ParseError."""
    quoted = SET_LINE.sub(lambda m: m.group(1) + '"' + m.group(2) + '":', text)
    documents = [d for d in yaml.load_all(quoted, Loader=LOADER) if d]
    spec = Spec({}, [])
    for document in documents:
        if 'entity' in document:
            name = document['entity']
            fields = [read_field(n, t) for n, t in (document.get('fields') or {}).items()]
            spec.entities[name] = with_states(Entity(name, fields), document.get('states'))
    for document in documents:
        for action in document.get('actions') or []:
            spec.actions += read_action(spec, action)
    for action in spec.actions:
        for _, steps, otherwise in action.branches:
            note_targets(spec, steps + otherwise)
    return spec


LOADER = getattr(yaml, 'CBaseLoader', yaml.BaseLoader)


def read_field(name, text):
    """`name: type! = default`, see "Entities and fields"."""
    kind, _, default = text.partition(' = ')
    required = kind.endswith('!')
    kind = kind.rstrip('!')
    default = sql.parse(default) if default else None
    ref = re.fullmatch(r'ref\((\w+)(?:, on_delete: ([a-z ]+))?\)', kind)
    if ref:
        return Field(name, name + '_id', 'uuid', ref=ref.group(1), on_delete=ref.group(2) or 'no action',
                     required=required)
    values = re.fullmatch(r'enum\((.*)\)', kind)
    if values:
        return Field(name, name, 'text', values=tuple(v.strip() for v in values.group(1).split(',')),
                     required=required, default=default)
    array = re.fullmatch(r'list\((\w+)\)', kind)
    if array:
        return Field(name, name, array.group(1) + '[]', required=required, default=default)
    return Field(name, name, BASES[kind], required=required, default=default)


def with_states(entity, given):
    """"It is the field `state` or `status`, or the one that `field:` names." `initial:` "is also the default of the
    field; left out, it is the field's default"."""
    if not given:
        return entity
    words = [given['field']] if 'field' in given else ['state', 'status']
    found = [f for f in entity.fields if f.name in words and f.values]
    if len(found) != 1:
        raise Malformed('states: of which field?')
    initial = given.get('initial') or (found[0].default and found[0].default.value)
    whole = replace(found[0], default=initial and sql.Literal(initial))
    transitions = []
    for one in given['transitions']:
        before = one['from'] if isinstance(one['from'], list) else [one['from']]
        guard = sql.parse(one['guard']) if 'guard' in one else None
        transitions.append(Transition(tuple(before), one['to'], guard))
    for state in [initial, *[s for t in transitions for s in (*t.before, t.after)]]:
        if state and state not in whole.values:
            raise Malformed(f'{state} is no value of {whole.name}')
    fields = [whole if f is found[0] else f for f in entity.fields]
    return Entity(entity.name, fields, states=States(whole, initial, transitions))


# --- actions -------------------------------------------------------------------------------------------------------


def read_action(spec, given):
    """The action, once for each entity whose changes it hears."""
    bulk = 'bulk' in given.get('pattern', '')
    if 'conditions' in given:
        branches = [(sql.parse(b['if']), read_steps(b['then']), read_steps(b.get('else')))
                    for b in given['conditions']]
    else:
        condition = sql.parse(given['condition']) if 'condition' in given else None
        branches = [(condition, read_steps(given['steps']), [])]
    params = {k: v for k, v in (given.get('params') or {}).items()}
    if bulk:
        heard = [Trigger(event=given['trigger']) if 'trigger' in given else None]
    elif isinstance(given.get('on'), list):
        heard = read_list(spec, given['on'])
    else:
        heard = [read_on(spec, given['on']) if 'on' in given else read_trigger(spec, given['trigger'])]
    before = given.get('when') == 'before'
    if before and (heard[0].event or {'on_error', 'order'} & set(given)):
        raise Malformed('a rule before a row has a row, and neither on_error nor order')
    return [Action(given['name'], on, branches, given.get('on_error') == 'abort', int(given.get('order', 0)), params,
                   bulk, [sql.parse(v) for v in given.get('validations') or []],
                   given.get('batch_field'), given.get('error_handling', 'stop_on_error'), before) for on in heard]


def read_list(spec, texts):
    """"A list is of changes of rows, of one entity or of several"."""
    found = [read_on(spec, text) for text in texts]
    if any(on.event for on in found):
        raise Malformed('a custom event in a list')
    merged = {}
    for on in found:
        merged.setdefault(on.entity, []).append(on)
    triggers = []
    for entity, parts in merged.items():
        heard = [(o, f) for on in parts for o in on.operations for f in on.fields or (None,)]
        if any(one != other and one[0] == other[0] and None in (one[1], other[1]) for one in heard for other in heard) \
                or len(heard) > len(set(heard)):
            raise Malformed('one change includes the other')
        triggers.append(Trigger(tuple(dict.fromkeys(o for o, _ in heard)), entity, tuple(f for _, f in heard if f)))
    return triggers


def read_on(spec, text):
    """The table of `on:` in "What raises an event"."""
    words = text.split()
    if words[0] == 'event':
        return Trigger(event=words[1])
    operations = ('insert', 'update', 'delete')
    if words[0] in operations:
        operations, words = (words[0],), words[1:]
    name, _, changed = words[0].partition('.')
    entity = spec.entity(name)
    if not entity:
        raise Malformed(f'on: names no entity: {text}')
    if not changed:
        return Trigger(operations, entity.name)
    if not entity.field(changed) or operations not in (('update',), ('insert', 'update', 'delete')):
        raise Malformed(f'on: {text}')
    return Trigger(('update',), entity.name, (entity.field(changed),))


def read_trigger(spec, name):
    """`trigger:` by "the first of these rules that gives exactly one answer"; words in common are not modelled."""
    ends = {'created': 'insert', 'inserted': 'insert', 'updated': 'update', 'deleted': 'delete'}
    found = [Trigger((operation,), e.name) for e in spec.entities.values() for end, operation in ends.items()
             if name == f'{e.table}_{end}']
    if not found:
        found = [Trigger(('update',), e.name, (f,)) for e in spec.entities.values() for f in e.fields
                 if name in [p + n + '_changed' for p in (e.table + '_', '') for n in f.names]]
    if len(found) > 1:
        raise Malformed(f'the trigger {name} can mean several things')
    return found[0] if found else Trigger(event=name)


def read_steps(given):
    return [read_step(s) for s in given or []]


def read_step(given):
    if 'if' in given:
        return Step('if', condition=sql.parse(given['if']), then=read_steps(given['then']),
                    otherwise=read_steps(given.get('else')))
    if 'foreach' in given:
        item, array = given['foreach'].split(' in ')
        return Step('foreach', item.strip(), condition=sql.parse(array), then=read_steps(given['do']))
    if 'validate' in given:
        return Step('validate', condition=sql.parse(given['validate']), words=(given.get('error'),))
    (key, value), = given.items()
    if ':' in key:                                         # "insert: Note SET", see SET_LINE
        key, _, head = key.partition(':')
        target = head.split()[0]
        columns = {c.lower(): sql.parse(v) for c, v in value.items()}
        if key == 'update':
            sentence = sql.parse_sentence(head.rsplit(' SET', 1)[0])
            sentence.assignments = list(columns.items())
            return Step(key, target, sentence)
        return Step(key, target, columns=columns)
    if key in ('update', 'delete'):
        sentence = sql.parse_sentence(value)
        return Step(key, sentence.entity, sentence)
    if key == 'let':
        name, _, text = value.partition(' = ')
        return Step(key, name.strip(), condition=sql.parse(text))
    if key == 'set':
        pairs = [(c, sql.parse(v)) for c, v in value.items()] if isinstance(value, dict) else sql.parse_set(value)
        return Step(key, columns=pairs)
    if key in ('call_external', 'notify', 'escalate'):
        place, _, what = value.partition(' ')
        return Step(key, words=(place, what.strip('"')))
    if key in ('insert', 'append', 'create', 'emit'):
        sentence = sql.parse_sentence(value)
        return Step(key, sentence.entity, columns=dict(sentence.assignments))
    if key == 'return':
        return Step(key)
    name, arguments = sql.parse_call(value)
    return Step('call', name, arguments=arguments)


def all_steps(steps):
    for step in steps:
        yield step
        yield from all_steps(step.then)
        yield from all_steps(step.otherwise)


def note_targets(spec, steps):
    """Logs are made from `append:`, and keys of events from `emit:`."""
    for step in all_steps(steps):
        if step.kind in ('append', 'create') and not spec.entity(step.target):
            spec.entities[step.target] = Entity(step.target, [Field(c, c, 'unknown') for c in step.columns], False)
        if step.kind == 'append':
            spec.appended.add(spec.entity(step.target).name)
        if step.kind == 'emit':
            spec.emitted.setdefault(step.target, set()).update(step.columns)
