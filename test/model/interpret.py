"""Runs statements and the actions that they set off: docs/language.md, "Actions", "In which order", "Steps".

What the docs leave open is a Choice: run.py runs a case under several and compares only where all agree.
"""
from dataclasses import dataclass, field
from typing import Any

import sql
from bind import references
from names import Undecided
from program import compile_spec
from spec import operation_of
from store import Store
from values import Failure, evaluate, strict

ARITHMETIC = {'+', '-', '*', '/', '%'}
MAX_DEPTH = 5          # specql.max_cascade_depth of the runs
USER = 'postgres'


class TooMuch(Exception):
    """A case whose events multiply beyond what is worth comparing."""


@dataclass(frozen=True)
class Choice:
    """What the docs do not say.

    backwards: in which order a statement that says none takes its rows.
    by_event: whether the steps of a set of events are done event by event.
    apart: whether changes of one row by several events of a set are one statement or several.
    referrers_first: whether a deletion is told of the rows that refer to what is gone before it is told of that."""
    backwards: bool = False
    by_event: bool = False
    apart: bool = False
    referrers_first: bool = False


CHOICES = [Choice(), Choice(backwards=True), Choice(by_event=True), Choice(apart=True),
           Choice(referrers_first=True)]


@dataclass
class Event:
    """A change of a row, or a custom event with its payload."""
    old: Any = None
    new: Any = None
    payload: Any = None
    depth: int = 1

    @property
    def there(self):
        return self.old if self.new is None else self.new


@dataclass
class Context:
    """An event whose steps are being done: what its names give."""
    event: Event
    before: dict                          # the tables before the action's first step
    local: dict = field(default_factory=dict)
    ended: list = field(default_factory=list)
    begun: Any = None                     # the event as it was before what a rule before the row has set

    def with_local(self, name, value):
        return Context(self.event, self.before, {**self.local, name: value}, self.ended)


class Model:
    """The state of one database with one spec."""

    def __init__(self, spec, choice=Choice(), programs=None):
        self.spec = spec
        self.choice = choice
        self.programs = programs or compile_spec(spec)
        self.store = Store(spec)
        self.deliveries = []
        self.failures = []
        self.caller = {}
        self.events = 0
        self.origin = (None, None)          # the action and the row of the event that a bulk operation is done for

    # --- taking back -----------------------------------------------------------------------------------------------

    def save(self):
        return self.store.snapshot(), len(self.deliveries), len(self.failures)

    def restore(self, saved):
        tables, deliveries, failures = saved
        self.store.restore(tables)
        del self.deliveries[deliveries:]
        del self.failures[failures:]

    # --- statements ------------------------------------------------------------------------------------------------

    def execute(self, text):
        """Runs a statement as people type it; its SQLSTATE if it fails, else None."""
        statement = sql.parse_statement(text)
        saved = self.save()
        try:
            self.run_statement(statement)
        except Failure as failure:
            self.restore(saved)
            return failure.sqlstate
        return None

    def run_statement(self, statement):
        if statement.kind == 'emit':
            self.dispatch_custom(statement.subject, [Event(payload=statement.payload)])
            return
        if statement.kind == 'call':
            self.run_call(statement.subject, statement.payload, 0, (None, None))
            return
        entity = next(e for e in self.spec.entities.values() if e.table == statement.subject)
        if statement.kind == 'insert':
            rows = []
            for values in statement.rows:
                given = {c: typed(entity, c, evaluate(v, None)) for c, v in zip(statement.columns, values)}
                rows.append(self.whole_row(entity, given))
            self.changed(entity, 'insert', self.store.insert(entity, rows), 0)
            return
        found = [row for row in self.in_order(entity) if evaluate(statement.where, column_of(row)) is True]
        if statement.kind == 'delete':
            self.flush_deleted(entity, [row['id'] for row in found], 0)
            return
        changes = self.store.update(entity, [(row['id'], {**row, **{
            c: typed(entity, c, evaluate(v, column_of(row))) for c, v in statement.assignments}}) for row in found])
        self.changed(entity, statement.kind, changes, 0)

    def in_order(self, entity):
        rows = list(self.store.tables[entity.name].values())
        return rows[::-1] if self.choice.backwards else rows

    def whole_row(self, entity, given):
        row = {'id': given.get('id') or self.store.new_id()}
        for column in entity.fields:
            default = column.default.value if column.default is not None else None
            row[column.column] = given.get(column.column, default)
        return row

    # --- events ----------------------------------------------------------------------------------------------------

    def changed(self, entity, operation, changes, depth):
        """The actions that hear a statement's changes, "one after the other"."""
        for program in self.listeners(lambda on: on.entity == entity.name and operation in on.operations):
            self.handle(program, [Event(old, new, depth=depth + 1) for old, new in changes
                                  if program.action.on.hears(old, new)])

    def dispatch_custom(self, name, events):
        for program in self.listeners(lambda on: on.event == name):
            if program.action.bulk:
                for event in events:
                    self.run_bulk_event(program, event)
            else:
                self.handle(program, events)

    def listeners(self, hears):
        """"those with a smaller `order:` first; of equals the invariants (`on_error: abort`) first; then in the order
        of the text"."""
        found = [p for p in self.programs if p.action.on and not p.action.before and hears(p.action.on)]
        return sorted(found, key=lambda p: (p.action.order, not p.action.abort))

    def handle(self, program, events):
        """Runs an action for the events of a statement "as a set". If that fails, "the rows of the statement are then
        handled one by one"; with `on_error: abort` the statement fails."""
        before = self.store.snapshot()
        # A change that matches no condition is no event; a custom event is one before its conditions are read.
        if program.action.on.event is None:
            matching = [e for e in events if self.matches(program, Context(e, before))]
            for event in events:
                if event not in matching:
                    self.demand_rows(program, Context(event, before))
            events = matching
        if not events:
            return
        if events[0].depth > MAX_DEPTH and any(r.way for c, _, _ in program.branches for r in references(c)):
            raise TooMuch('whether an event is one too many before its condition has read other rows')
        self.events += len(events)
        if self.events > 200:
            raise TooMuch()
        groups = [[e] for e in events] if self.choice.by_event else [events]
        for group in groups:
            saved = self.save()
            try:
                self.run_set(program, group)
            except Failure as failure:
                self.restore(saved)
                if program.action.abort:
                    raise
                if len(group) == 1:
                    self.failed(program, group[0], failure)
                else:
                    for event in group:
                        self.handle_alone(program, event)

    def matches(self, program, context):
        try:
            return any(otherwise or self.holds(condition, context) for condition, _, otherwise in program.branches)
        except Failure:
            # That is for the handler to fail with.
            return True

    def handle_alone(self, program, event):
        saved = self.save()
        try:
            self.run_set(program, [event])
        except Failure as failure:
            self.restore(saved)
            self.failed(program, event, failure)

    def failed(self, program, event, failure):
        self.failures.append((program.action.name, failure.sqlstate, event.there['id'] if event.there else None))

    def run_set(self, program, events):
        before = self.store.snapshot()
        if any(e.depth > MAX_DEPTH for e in events):
            # Whether a condition that reads other rows is looked at before is not told.
            raise TooMuch('the cascade is too deep')
        contexts = [Context(e, before) for e in events]
        for context in contexts:
            self.demand_keys(program, context)
        chosen = []
        for condition, steps, otherwise in program.branches:
            held = [self.holds(condition, c) for c in contexts]
            chosen += [([c for c, h in zip(contexts, held) if h], steps),
                       ([c for c, h in zip(contexts, held) if not h], otherwise)]
        for context in contexts:
            if not all(self.holds(v, context) for v in program.validations):
                raise Failure('SQ206')
        for group, steps in chosen:
            self.run_steps(program, steps, group)

    def demand_keys(self, program, context):
        """"A key that the action uses must be in the payload"; a row that it names must be there too."""
        for reference in program.used:
            if reference.key:
                payload_value(context.event, reference.key)
        for reference in program.used:
            if reference.kind == 'row':
                self.row_value(reference, context)

    def demand_rows(self, program, context):
        """Whether an event whose condition does not hold fails for want of a row is left open."""
        try:
            self.demand_keys(program, context)
        except Failure as failure:
            raise Undecided('a row that is gone, which the condition does not ask for') from failure

    # --- steps -----------------------------------------------------------------------------------------------------

    def run_steps(self, program, steps, contexts):
        for step in steps:
            contexts = [c for c in contexts if not c.ended]
            if contexts:
                getattr(self, 'step_' + step.kind)(program, step, contexts)

    def step_insert(self, program, step, contexts):
        rows = [self.whole_row(step.entity, {f.column: self.value(v, c) for f, v in step.columns}) for c in contexts]
        self.changed(step.entity, 'insert', self.store.insert(step.entity, rows), contexts[0].event.depth)

    step_append = step_insert

    def step_update(self, program, step, contexts):
        self.update_rows(step, contexts)
        for context in contexts:
            self.demand_values(step, context)

    def demand_values(self, step, context):
        """A value of the event alone that cannot be computed: does the step fail if it is computed for no row?"""
        for part in operations_in([step.rows.where, *[v for _, v in step.columns]]):
            if part.name in ARITHMETIC and all(r.kind != 'target' for r in references(part)):
                try:
                    self.value(part, context)
                except Failure as failure:
                    raise TooMuch('a value that fails, if any row needs it') from failure

    def update_rows(self, step, contexts):
        depth = contexts[0].event.depth
        before, changes = {}, {}
        for context in contexts:
            for row in self.rows_of(step, context):
                target = changes.get(row['id'], row)
                if row['id'] in changes and (self.choice.apart or self.choice.by_event):
                    self.flush(step.entity, changes, depth)
                    changes, target = {}, self.store.tables[step.entity.name].get(row['id'])
                    if target is None:
                        continue
                if step.rows.where is not None and not self.holds(step.rows.where, context, target):
                    continue
                changes[row['id']] = {**target, **{f.column: self.value(v, context, target) for f, v in step.columns}}
        self.flush(step.entity, changes, depth)

    def flush(self, entity, changes, depth):
        """One UPDATE; without a row it changes nothing, and no action runs."""
        done = self.store.update(entity, list(changes.items()))
        if done:
            self.changed(entity, 'update', done, depth)

    def step_delete(self, program, step, contexts):
        keys = list(dict.fromkeys(row['id'] for c in contexts for row in self.rows_of(step, c)))
        self.flush_deleted(step.entity, keys, contexts[0].event.depth)

    def flush_deleted(self, entity, keys, depth):
        """One DELETE, and what refs do then: "the actions of a table run when the rows of that table are done"."""
        done = self.store.delete(entity, keys)
        if not keys:
            return
        for entity, operation, changes in done[::-1] if self.choice.referrers_first else done:
            self.changed(entity, operation, changes, depth)

    def step_call(self, program, step, contexts):
        """`<action>: "f(args)"`, a call of a bulk operation."""
        for context in contexts:
            arguments = [self.value(v, context) for v in step.columns]
            self.run_call(step.name, arguments, context.event.depth, self.about(program, context))

    def rows_of(self, step, context):
        if step.rows.reference:
            key = self.value(step.rows.reference, context)
            row = self.store.tables[step.entity.name].get(key)
            chosen = row and (step.rows.where is None or self.holds(step.rows.where, context, row))
            return [row] if chosen else []
        return [row for row in self.in_order(step.entity) if self.holds(step.rows.where, context, row)]

    def step_emit(self, program, step, contexts):
        events = [Event(payload={k: self.value(v, c) for k, v in step.columns}, depth=c.event.depth + 1)
                  for c in contexts]
        self.dispatch_custom(step.name, events)

    def deliver(self, kind, program, step, contexts):
        for context in contexts:
            self.deliveries.append((kind, *step.words, *self.about(program, context)))

    def about(self, program, context):
        """The action and the row that are noted with a delivery: those of the event that is handled."""
        if program.action.bulk:
            return self.origin
        row = context.event.there
        return program.action.name, row['id'] if row else None

    def step_call_external(self, program, step, contexts):
        self.deliver('call', program, step, contexts)

    def step_notify(self, program, step, contexts):
        self.deliver('notify', program, step, contexts)

    def step_escalate(self, program, step, contexts):
        self.deliver('escalation', program, step, contexts)

    def step_validate(self, program, step, contexts):
        if not all(self.holds(step.condition, c) for c in contexts):
            raise Failure('SQ206')

    def step_if(self, program, step, contexts):
        held = [self.holds(step.condition, c) for c in contexts]
        self.run_steps(program, step.then, [c for c, h in zip(contexts, held) if h])
        self.run_steps(program, step.otherwise, [c for c, h in zip(contexts, held) if not h])

    def step_let(self, program, step, contexts):
        for context in contexts:
            context.local[step.name] = self.value(step.condition, context)

    def step_foreach(self, program, step, contexts):
        for context in contexts:
            for item in self.value(step.condition, context) or []:
                self.run_steps(program, step.then, [context.with_local(step.name, item)])

    def step_return(self, program, step, contexts):
        for context in contexts:
            context.ended.append(True)

    # --- values ----------------------------------------------------------------------------------------------------

    def holds(self, condition, context, target=None):
        """"NULL never matches"."""
        return self.value(condition, context, target) is True

    def value(self, expression, context, target=None):
        return evaluate(expression, lambda reference: self.referred(reference, context, target))

    def referred(self, reference, context, target):
        event = context.event
        if reference.kind == 'target':
            return target[reference.field.column]
        if reference.kind == 'local':
            return context.local[reference.key]
        if reference.kind == 'payload':
            return payload_value(event, reference.key)
        if reference.kind == 'difference':
            column = reference.field.column
            return strict('-', [(event.new or {}).get(column), (event.old or {}).get(column)])
        if reference.kind == 'operation':
            return operation_of(event.old, event.new)
        if reference.kind == 'caller':
            return USER if reference.key == 'user' else self.caller.get(reference.key)
        if reference.kind == 'sql':
            return USER
        return self.row_value(reference, context)

    def row_value(self, reference, context):
        """A column of the event's row, or of the one that its refs lead to, as it was before the first step. Rows that
        "a deleted row, or the old row," leads to may be gone."""
        deleted = not reference.key and (reference.side == 'old' or context.event.new is None)
        if reference.key:
            way = reference.way
            # The entity that the payload's key names is where the way begins.
            row = self.payload_row(reference, context)
        else:
            way = reference.way
            row = getattr(context.begun if way and context.begun else context.event, reference.side)
        for ref in way:
            key = None if row is None else row[ref.column]
            row = context.before[ref.ref].get(key)
            if key is not None and row is None and not deleted:
                raise Failure('SQ201', f'{ref.name} {key}')
        return None if row is None else row[reference.field.column]

    def payload_row(self, reference, context):
        """The row that a payload's key names. SQ201: "an event names a row that does not exist"."""
        key = payload_value(context.event, reference.key)
        word = reference.key[:-3] if reference.key.endswith('_id') else reference.key
        row = context.before[self.spec.entity(word).name].get(key)
        if row is None:
            raise Failure('SQ201', reference.key)
        return row


def operations_in(expressions):
    found = [e for e in expressions if isinstance(e, sql.Operation)]
    return found + [o for e in found for o in operations_in(e.operands)]


def payload_value(event, key):
    """"A key that the action uses must be in the payload, though it may be JSON null"."""
    if key not in event.payload:
        raise Failure('SQ200', key)
    return event.payload[key]


def typed(entity, column, value):
    """A literal of an array, as the array."""
    if entity.field(column).base == 'integer[]' and isinstance(value, str):
        return [int(v) for v in value.strip('{}').split(',') if v]
    return value


def column_of(row):
    """Of a statement that people type, every name is a column."""
    return lambda name: row[name.parts[-1]]
