"""Bulk operations: the chapter of that name in docs/language.md. A part of interpret.Model."""
import json

from before import RowModel
from interpret import Context, Event, MAX_DEPTH, payload_value
from names import Undecided
from values import Failure


class BulkModel(RowModel):
    """The model with bulk operations, called as functions or by their events."""

    def run_call(self, name, arguments, depth, origin):
        was, self.origin = self.origin, origin
        program = next(p for p in self.programs if p.action.name == name)
        if program.action.batch:
            self.run_batch(program, json.loads(arguments[0]), depth)
        else:
            self.run_bulk(program, Event(payload=dict(zip(program.action.params, arguments)), depth=depth))
        self.origin = was

    def run_bulk_event(self, program, event):
        """A call that fails is a failure of the event, or of the statement."""
        saved, was, self.origin = self.save(), self.origin, (program.action.name, None)
        try:
            if event.depth > MAX_DEPTH:
                raise Failure('SQ202', 'the cascade is too deep')
            if program.action.batch:
                self.run_batch(program, payload_value(event, program.action.batch), event.depth)
            else:
                self.run_bulk(program, event)
        except Failure as failure:
            self.restore(saved)
            if program.action.abort:
                raise
            self.failed(program, event, failure)
        self.origin = was

    def run_batch(self, program, elements, depth):
        """The steps "are done for each element, whose keys they use as those of an event's payload"."""
        whole, failed = self.save(), False
        for element in elements or []:
            saved = self.save()
            try:
                self.run_bulk(program, Event(payload=element, depth=depth))
            except Failure:
                if program.action.errors == 'stop_on_error':
                    raise
                self.restore(saved)
                failed = True
        if failed and program.action.errors == 'collect_errors':
            self.restore(whole)
            raise Failure('SQ206', 'elements failed')

    def run_bulk(self, program, event):
        context = Context(event, self.store.snapshot())
        self.demand_keys(program, context)
        if not all(self.holds(v, context) for v in program.validations):
            raise Failure('SQ206')
        self.run_steps(program, program.before, [context])
        taken = self.take(program.take, context)
        behind = [Context(Event(new=row, payload=event.payload, depth=event.depth), context.before) for row in taken]
        groups = [[c] for c in behind] if self.choice.by_event else [behind]
        for group in groups:
            if group:
                self.run_steps(program, program.branches[0][1], group)

    def take(self, step, context):
        """"rows in their order are taken while their `quantity` fits in what is left of the capacity, and the first
        that does not fit ends it"; "a `LIMIT` that is a number counts rows"."""
        found = self.ordered(step, context, self.rows_of(step, context))
        if step.limit is not None:
            left = self.value(step.limit, context)
            if left is None:
                raise Undecided('LIMIT NULL')
            if left < 0:
                raise Undecided('LIMIT of less than nothing')
            found = self.within(step, found, left)
        if step.kind == 'delete':
            self.flush_deleted(step.entity, [row['id'] for row in found], context.event.depth)
            return found
        changes = {row['id']: {**row, **{f.column: self.value(v, context, row) for f, v in step.columns}}
                   for row in found}
        self.flush(step.entity, changes, context.event.depth)
        return list(changes.values())

    def within(self, step, rows, left):
        if not step.limit_field:
            return rows[:left]
        taken = []
        for row in rows:
            amount = row[step.limit_field.column]
            if amount is None or amount < 0:
                raise Undecided('an amount that is NULL or less than nothing')
            if amount > left:
                break
            left -= amount
            taken.append(row)
        return taken

    def ordered(self, step, context, rows):
        for key, down in reversed(step.order):
            # NULLs last, as in SQL, and first if it goes down.
            rows = sorted(rows, key=lambda row: self.sorting(key, context, row), reverse=down)
        return rows

    def sorting(self, key, context, row):
        value = self.value(key, context, row)
        return (value is None, value if value is not None else 0)
