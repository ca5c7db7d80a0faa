"""A case: a spec and statements, run on the model and on specql, and compared."""
from dataclasses import dataclass

from bulk import BulkModel
from interpret import CHOICES, TooMuch
from names import Refused, Undecided
from outcome import Outcome
from program import compile_text


@dataclass
class Case:
    text: str
    statements: list

    def script(self):
        """The case as a script for psql."""
        lines = ["CREATE EXTENSION IF NOT EXISTS specql;", "CREATE SCHEMA IF NOT EXISTS m;",
                 "SELECT * FROM specql.apply($spec$", self.text.rstrip(), "$spec$);"]
        return '\n'.join(lines + [s + ';' for s in self.statements])


def predict(case):
    """(Outcome by the docs, names of its tables); Undecided if the docs allow more than one."""
    try:
        spec, programs = compile_text(case.text)
    except Refused as refusal:
        return Outcome(refused=True, why=str(refusal)), []
    found = [run(spec, programs, case, choice) for choice in CHOICES]
    first = found[0].lines()
    for other in found[1:]:
        if other.lines() != first:
            raise Undecided('the order or the grain of a set')
    return found[0], list(found[0].tables)


def run(spec, programs, case, choice):
    model = BulkModel(spec, choice, programs)
    try:
        states = [model.execute(s) for s in case.statements]
    except TooMuch as error:
        raise Undecided(str(error) or 'too many events') from error
    return Outcome(statements=states, deliveries=model.deliveries, failures=model.failures,
                   tables={e.table: list(model.store.tables[e.name].values()) for e in spec.entities.values()})


def compare(server, case):
    """(predicted, actual) Outcome of a case; Undecided if nothing can be predicted."""
    predicted, tables = predict(case)
    if server.version < 180000:
        predicted.restrict_is_a_foreign_key_violation()
    return predicted, server.run(case.text, case.statements, tables)
