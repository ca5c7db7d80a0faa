"""Rules before a row is written: the chapter of that name in docs/language.md. A part of interpret.Model."""
from dataclasses import replace

from interpret import Context, Event, Model
from names import Undecided
from spec import operation_of
from values import Failure


class RowModel(Model):
    """The model with what happens to a row before the store has it, and with `set:`."""

    def __init__(self, *given):
        super().__init__(*given)
        self.store.before_row = self.before_row

    def rules(self, entity, operation=None):
        """"PostgreSQL fires row triggers in the order of their names": `before_gift_card` of `on_gift_card`."""
        found = [p for p in self.programs if p.action.before and p.action.on.entity == entity.name
                 and (operation is None or operation in p.action.on.operations)]
        return sorted(found, key=lambda p: p.action.name.removeprefix('on_'))

    def before_row(self, entity, old, new, by_ref=False):
        """The row that is written for `new`; a Failure is that of the statement."""
        for program in self.rules(entity, operation_of(old, new)):
            if by_ref:
                raise Undecided('a rule before a row that a deletion changes by a ref')
            if program.action.on.hears(old, new):
                new = self.run_rule(program, Event(old, new))
        return new

    def run_rule(self, program, event):
        """"A bare name is the row as it is by then"; "rows that refs lead to are read when the rule begins"."""
        context = Context(event, self.store.snapshot(), begun=replace(event))
        try:
            self.demand_keys(program, context)
        except Failure as failure:
            raise Undecided('a row before it is written leads to one that is not there') from failure
        for validation in program.validations:
            if not self.holds(validation, context):
                raise Failure('SQ206')
        for condition, steps, otherwise in program.branches:
            self.run_steps(program, steps if self.holds(condition, context) else otherwise, [context])
        return event.new

    def step_set(self, program, step, contexts):
        """"What one `set:` says is computed from the values before it"."""
        event = contexts[0].event
        event.new = {**event.new, **{f.column: self.value(v, contexts[0]) for f, v in step.columns}}
