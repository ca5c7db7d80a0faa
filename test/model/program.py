"""A spec whose names are bound: what interpret.py runs. `compile_spec` raises Refused for what the docs call errors."""
from dataclasses import dataclass, field
from typing import Any, Optional

import sql
from bind import (assignable, bare_names, bind, bind_event, bind_order, bind_set, bind_where, checked, names_in,
                  names_of_target, same_keys, twins)
from names import EventScope, Reference, Refused, TargetScope, Undecided
from spec import Entity, Malformed, read


BEFORE = {'set', 'validate', 'let', 'if'}


@dataclass
class Rows:
    """Which rows a step writes: those that a WHERE chooses, or the one that the event leads to."""
    where: Any = None
    reference: Optional[Reference] = None


@dataclass
class Bound:
    """A step. `columns` are (field, value) pairs of insert and of SET, or (key, value) of emit."""
    kind: str
    entity: Optional[Entity] = None
    rows: Optional[Rows] = None
    columns: list = field(default_factory=list)
    condition: Any = None
    then: list = field(default_factory=list)
    otherwise: list = field(default_factory=list)
    name: str = ''
    words: tuple = ()
    order: list = field(default_factory=list)
    limit: Any = None
    limit_field: Any = None


@dataclass
class Program:
    """An action; of a bulk operation `take` takes the rows, and the steps of the one branch are behind it.

    A branch is a condition, the steps where it holds, and those where it does not, or None if it has no else."""
    action: Any
    branches: list
    validations: list = field(default_factory=list)
    before: list = field(default_factory=list)
    take: Optional[Bound] = None
    used: list = field(default_factory=list)          # References to keys of the payload, and over refs


def compile_text(text):
    """(spec, programs) of a text, or Refused."""
    try:
        spec = read(text)
    except (Malformed, sql.ParseError) as error:
        raise Refused(str(error)) from error
    return spec, compile_spec(spec)


def compile_spec(spec):
    for entity in spec.entities.values():
        bind_guards(entity)
    return [compile_one(spec, a) for a in spec.actions]


def bind_guards(entity):
    """`guard:` is "a condition over the row as it is written: its columns, `old.x` and `new.x`"."""
    def meaning(name):
        side = name.parts[0] if name.parts[0] in ('old', 'new') and not name.bare else 'new'
        found = entity.field(name.parts[-1])
        if not found or len(name.parts) > 1 + (name.parts[0] == side):
            raise Refused(f'{name} is no column of {entity.name}')
        return Reference('row', found, side)

    for transition in entity.states.transitions if entity.states else ():
        transition.guard = transition.guard and checked(bind(transition.guard, meaning))


def compile_one(spec, action):
    found = compile_bulk(spec, action) if action.bulk else compile_action(spec, action)
    if scope_is_open(action):
        raise Undecided('a name of a row that a key leads to, which no params: declare')
    found.used = [r for r in references_in(found) if r.kind in ('payload', 'row') and (r.key or r.way)]
    return found


def scope_is_open(action):
    return any(entity.field(name) for entity in action.implied for name in action.led)


def references_in(part):
    """All References of a program, or of a part of it."""
    if isinstance(part, Reference):
        return [part]
    if isinstance(part, (Program, Bound, Rows, sql.Operation)):
        part = [value for key, value in vars(part).items() if key not in ('action', 'entity')]
    if isinstance(part, (list, tuple)):
        return [r for inner in part for r in references_in(inner)]
    return []


def compile_action(spec, action):
    scope = EventScope(spec, action)
    branches = [(bind_event(condition, scope) if condition else sql.Literal(True), compile_steps(spec, steps, scope),
                 compile_steps(spec, otherwise, scope)) for condition, steps, otherwise in action.branches]
    return Program(action, branches, [bind_event(v, scope) for v in action.validations])


def compile_bulk(spec, action):
    """"The first `update:` or `delete:` of the steps takes the rows …. The taken row is for them what the event's row
    is elsewhere: a bare name is its column …, else a parameter"."""
    scope = EventScope(spec, action)
    steps = action.branches[0][1]
    at = next((i for i, s in enumerate(steps) if s.kind in ('update', 'delete')), None)
    if at is None:
        raise Undecided('a bulk operation that takes no rows')
    take = compile_step(spec, steps[at], scope)
    behind = EventScope(spec, action, bulk_entity=take.entity.name)
    return Program(action, [(sql.Literal(True), compile_steps(spec, steps[at + 1:], behind), [])],
                   [bind_event(v, scope) for v in action.validations], compile_steps(spec, steps[:at], scope), take)


def compile_steps(spec, steps, scope):
    """"Names of steps are known to the steps behind them, in the same list and within"."""
    found = []
    for step in steps:
        found.append(compile_step(spec, step, scope))
        if step.kind == 'let':
            scope = scope.with_local(step.target)
    return found


def compile_step(spec, step, scope):
    if (step.kind not in BEFORE if scope.action.before else step.kind == 'set'):
        raise Refused(f'{step.kind}: of rules before a row, or not of them')
    maker = {'insert': insertion, 'append': insertion, 'create': creation, 'update': change, 'delete': change,
             'emit': emission, 'if': choice, 'foreach': loop, 'validate': demand, 'call': call, 'let': naming,
             'set': setting}.get(step.kind)
    return maker(spec, step, scope) if maker else Bound(step.kind, words=step.words)


def target(spec, step):
    entity = spec.entity(step.target)
    if not entity:
        raise Refused(f'unknown entity {step.target}')
    return entity


def insertion(spec, step, scope):
    entity = target(spec, step)
    columns = []
    for name, value in step.columns.items():
        found = entity.field(name)
        if not found:
            raise Refused(f'{entity.name} has no field {name}')
        if found in [f for f, _ in columns]:
            raise Refused(f'{name} is given twice')
        bound = assignable(bind_event(value, scope), found)
        same_keys(bound, found.keys)
        columns.append((found, bound))
    for found in entity.fields:
        if found.required and found.default is None and found not in [f for f, _ in columns]:
            raise Refused(f'{found.name} is required and left out')
    return Bound(step.kind, entity, columns=columns)


def creation(spec, step, scope):
    """"inserts a row that takes the event's values of the same names"; which values of rows that the event leads to
    belong to these, the docs do not say."""
    entity = target(spec, step)
    columns = []
    for found in entity.fields:
        own = scope.entity and scope.entity.field(found.name)
        if own and own.column == found.column:
            columns.append((found, Reference('row', own)))
        elif scope.custom or any(scope.means_something(n) for n in found.names):
            raise Undecided(f'create: {found.name} from farther away')
        elif found.required and found.default is None:
            raise Refused(f'{found.name} is required and left out')
    return Bound('insert', entity, columns=columns)


def change(spec, step, scope):
    entity = target(spec, step)
    sentence = step.sentence
    led = sentence.where is None or sentence.via is not None
    both = TargetScope(scope, entity, led and scope.entity is entity and not sentence.via, led, sentence.via)
    columns = []
    for name, value in sentence.assignments:
        found = entity.field(name)
        if not found:
            raise Refused(f'{entity.name} has no field {name}')
        if found in [f for f, _ in columns]:
            raise Refused(f'{name} is set twice')
        columns.append((found, bind_set(value, both, found)))
    one_value_each(sentence, both)
    order = [(bind_order(key, both), down) for key, down in sentence.order]
    limit = None if sentence.limit is None else bind_event(sentence.limit, scope)
    summed = entity.field(sentence.limit_sum.parts[0]) if sentence.limit_sum else None
    if sentence.limit_sum and not summed:
        raise Refused(f'{entity.name} has no field {sentence.limit_sum}')
    return Bound(step.kind, entity, rows_of(scope, entity, sentence, both), columns, order=order, limit=limit,
                 limit_field=summed)


def one_value_each(sentence, scope):
    """Refuses "a field of both rows, which is the target's in one place (its own assignment, WHERE, …) and would be
    the event's in the value of another column"."""
    entity = scope.entity
    if scope.own_row:
        return
    assigned = [(entity.field(name), bare_names(value)) for name, value in sentence.assignments]
    of_target = [n for column, names in assigned for n in names if entity.field(n.parts[0]) == column]
    of_target = {entity.field(n.parts[0]) for n in of_target + names_of_target(sentence.where, entity)}
    for column, names in assigned:
        for name in names:
            found = entity.field(name.parts[0])
            if not found or found == column or not scope.event.has(name.parts[0]):
                continue
            if found in of_target:
                raise Refused(f'{name} is the event\'s here, and the column of {entity.name} elsewhere')
            if len({n for n in twins(sentence.where, entity) if entity.field(n.parts[0]) == found}) > 1:
                raise Undecided(f'{name}: on both sides of x = x by its two names')
    for column, names in assigned:
        for name in names:
            found = entity.field(name.parts[0])
            if found and found != column:
                one_row(name, scope.event.bare(name.parts[0]), sentence, scope)


def one_row(name, meant, sentence, scope):
    """Refuses "a field of two rows of one entity, that of the event and the one that is written", and "a column of the
    target, and of a row that the event leads to". Nothing is asked "where it is one row"."""
    if meant is None or meant.kind != 'row':
        return
    farther = bool(meant.way) or meant.key is not None
    if not farther and scope.event.entity is not scope.entity:
        return
    keyed = sentence.where is not None and any(n.parts[-1] in scope.entity.id.names for n in names_in(sentence.where))
    if meant.field in (scope.entity.id, *scope.entity.fields) and (keyed or scope.led):
        raise Undecided(f'{name}: of the row that is written, perhaps by its key')
    raise Refused(f'{name} can be of the {scope.entity.name} that is written, and of another row')


def rows_of(scope, entity, sentence, both):
    if sentence.via:
        where = None if sentence.where is None else bind_where(sentence.where, both)
        return Rows(where, way_of(scope, entity, sentence.via))
    if sentence.where is not None:
        return Rows(where=bind_where(sentence.where, both))
    # "Without WHERE: the row of `E` that the event is about, or leads to by its keys and refs"
    if scope.entity is entity:
        return Rows(reference=Reference('row', entity.field('id')))
    found = scope.way_to(entity)
    if found:
        key, way = found
        return Rows(reference=Reference('row', entity.field('id'), way=way, key=key))
    if scope.taken and scope.action.batch:
        raise Undecided('a row that a key of the element may name')
    if scope.custom and not scope.action.bulk:
        scope.action.implied.append(entity)
        return Rows(reference=Reference('row', entity.field('id'), key=entity.table + '_id'))
    raise Refused(f'nothing says which row of {entity.name} is meant')


def way_of(scope, entity, via):
    """"Which row an update or a delete is about is said by `VIA`"."""
    if scope.taken:
        raise Refused('VIA of a taken row')
    if scope.custom:
        return way_of_key(scope, entity, via)
    parts, side = via.parts, 'there'
    if parts[0] in ('old', 'new'):
        side, parts = parts[0], parts[1:]
    found = scope.follow(scope.entity, side, None, (), parts)
    if not found.field.ref:
        raise Refused(f'{via} is no ref')
    if found.field.ref != entity.name:
        raise Refused(f'{via} leads to {found.field.ref}, not to {entity.name}')
    return Reference('row', entity.field('id'), side, found.way + (found.field,))


def way_of_key(scope, entity, via):
    """The same for a custom event: a key of the payload leads to a row."""
    head, rest = via.parts[0], via.parts[1:]
    key = next((k for k in (head, head + '_id') if k in scope.keys), None)
    led = scope.spec.entity(key.removesuffix('_id')) if key else None
    if not led:
        raise Undecided(f'VIA {via}: no key that is known to lead to a row')
    found = scope.follow(led, 'there', key, (), rest or ('id',))
    way = found.way + ((found.field,) if rest else ())
    if (found.field.ref if rest else led.name) != entity.name:
        raise Refused(f'{via} leads to no row of {entity.name}')
    return Reference('row', entity.field('id'), way=way, key=key)


def emission(spec, step, scope):
    return Bound('emit', name=step.target, columns=[(k, bind_event(v, scope)) for k, v in step.columns.items()])


def choice(spec, step, scope):
    return Bound('if', condition=bind_event(step.condition, scope), then=compile_steps(spec, step.then, scope),
                 otherwise=compile_steps(spec, step.otherwise, scope))


def loop(spec, step, scope):
    if not isinstance(step.condition, sql.Name):
        raise Refused('foreach goes over one name')
    return Bound('foreach', name=step.target, condition=bind_event(step.condition, scope),
                 then=compile_steps(spec, step.then, scope.with_local(step.target)))


def naming(spec, step, scope):
    """`let:`; a name that "means something already" is an error."""
    if scope.action.bulk:
        raise Undecided('let in a bulk operation')
    if scope.means_something(step.target):
        raise Refused(f'{step.target} means something already')
    return Bound('let', name=step.target, condition=bind_event(step.condition, scope))


def setting(spec, step, scope):
    """`set:` "sets fields of the row that is about to be written". "A deletion … has nothing to set"."""
    entity = scope.entity
    operations = scope.action.on.operations
    if operations == ('delete',):
        raise Refused('a deletion has nothing to set')
    if 'delete' in operations:
        raise Undecided('set: of what may be a deletion')
    columns = []
    for name, value in step.columns:
        found = entity.field(name)
        if not found:
            raise Refused(f'{entity.name} has no field {name}')
        if found in [f for f, _ in columns]:
            raise Refused(f'{name} is set twice')
        bound = assignable(bind_event(value, scope), found)
        if isinstance(bound, Reference) and bound.field == found and bound.kind == 'row' and not bound.way \
                and bound.side != 'old':
            raise Undecided(f'{name} is set to itself before its row is written')
        same_keys(bound, found.keys)
        columns.append((found, bound))
    return Bound('set', entity, columns=columns)


def demand(spec, step, scope):
    return Bound('validate', condition=bind_event(step.condition, scope), words=step.words)


def call(spec, step, scope):
    """`<action>: "f(args)"`: "calls the function of that action"."""
    found = next((a for a in spec.actions if a.bulk and a.name == step.target), None)
    if not found:
        raise Undecided(f'a call of {step.target}')
    if len(step.arguments) != len(found.params):
        raise Refused(f'{found.name} takes {len(found.params)} arguments')
    return Bound('call', name=found.name, columns=[bind_event(a, scope) for a in step.arguments])
