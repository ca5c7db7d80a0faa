"""The tables of the model: rows by id, constraints, and what a statement changes."""
import itertools

from names import Undecided
from values import Failure, evaluate


class Store:
    """Tables as dicts of rows by id. Rows are never changed in place, so that a copy of the dicts is a snapshot."""

    def __init__(self, spec):
        self.spec = spec
        self.tables = {e.name: {} for e in spec.entities.values()}
        self.numbers = itertools.count(1)
        self.before_row = lambda entity, old, new, by_ref=False: new      # what is written for a row

    def snapshot(self):
        return {name: dict(rows) for name, rows in self.tables.items()}

    def restore(self, snapshot):
        self.tables = {name: dict(rows) for name, rows in snapshot.items()}

    def new_id(self):
        """An id that nobody has said; compare.py takes it for any other such."""
        return f'made-{next(self.numbers)}'

    # --- one statement: returns the changes as (old, new) pairs, in order ------------------------------------------

    def insert(self, entity, rows):
        table, done = self.tables[entity.name], []
        for row in rows:
            row = self.before_row(entity, None, row)
            self.check(entity, row)
            if row['id'] in table:
                raise Failure('23505', f'{entity.name} {row["id"]}')
            table[row['id']] = row
            done.append((None, row))
        self.check_changes(entity, done)
        return done

    def update(self, entity, changes):
        """changes: (id, new row). An updated row goes to the end, as in a heap."""
        self.check_log(entity)
        table, done = self.tables[entity.name], []
        for key, row in changes:
            row = self.before_row(entity, table[key], row)
            self.check(entity, row)
            done.append((table.pop(key), row))
            table[key] = row
        self.check_changes(entity, done)
        return done

    def delete(self, entity, keys):
        """(entity, operation, changes) of each table: of this one first, then of those whose refs lead to it."""
        self.check_log(entity)
        table = self.tables[entity.name]
        self.held = False
        done = []
        for key in keys:
            self.before_row(entity, table[key], None)
            done.append((table.pop(key), None))
        changes = {(entity.name, 'delete'): done}
        self.follow(entity, keys, changes)
        referring = []
        for (name, kind), found in changes.items():
            touched = [old['id'] for old, _ in found]
            if len(touched) > len(set(touched)) or kind == 'update' and set(touched) & {
                    old['id'] for old, _ in changes.get((name, 'delete'), [])}:
                raise Undecided('a row that several refs change')
            if kind == 'delete':
                referring += self.referring(self.spec.entities[name], touched)
        self.check_referring(referring)
        if self.held:
            raise Undecided('a row that refers to what is gone, until it is gone itself')
        return [(self.spec.entities[name], kind, found) for (name, kind), found in changes.items()]

    def follow(self, entity, keys, changes):
        """What refs with `on_delete` do when the rows that they lead to are gone: cascade, or set null."""
        keys = set(keys)
        for other in self.spec.entities.values():
            table = self.tables[other.name]
            for field in other.fields:
                found = [row for row in table.values() if field.ref == entity.name and row[field.column] in keys]
                if not found:
                    continue
                if field.on_delete in ('cascade', 'set null'):
                    for row in found:
                        gone = field.on_delete == 'cascade'
                        self.before_row(other, row, None if gone else {**row, field.column: None}, by_ref=True)
                if field.on_delete == 'cascade':
                    changes.setdefault((other.name, 'delete'), []).extend((table.pop(r['id']), None) for r in found)
                    self.follow(other, [row['id'] for row in found], changes)
                elif field.on_delete == 'set null':
                    done = changes.setdefault((other.name, 'update'), [])
                    for row in found:
                        del table[row['id']]
                        table[row['id']] = {**row, field.column: None}
                        self.check(other, table[row['id']])
                        done.append((row, table[row['id']]))
                else:
                    self.held = True

    # --- constraints -----------------------------------------------------------------------------------------------

    def check_log(self, entity):
        """Statements on an append-only log are refused, if they touch a row or not."""
        if entity.name in self.spec.appended:
            raise Failure('SQ204', f'{entity.name} is append-only')

    def check(self, entity, row):
        for field in entity.fields:
            value = row[field.column]
            if value is None and field.required:
                raise Failure('23502', f'{entity.name}.{field.name}')
        for field in entity.fields:
            value = row[field.column]
            if value is not None and field.values and value not in field.values:
                raise Failure('23514', f'{entity.name}.{field.name} = {value}')

    def check_changes(self, entity, changes):
        """What is looked at when the statement's rows are written: refs, and the states that they come into."""
        failures = self.lost_refs(entity, changes) + self.wrong_states(entity, changes)
        if len({f.sqlstate for f in failures}) > 1:
            raise Undecided('two constraints that fail differently')
        if failures:
            raise failures[0]

    def lost_refs(self, entity, changes):
        found = []
        for old, new in changes:
            refs = [f for f in entity.fields if f.ref]
            if old is None or any(old[f.column] != new[f.column] for f in refs):
                found += [Failure('23503', f'{entity.name}.{f.name} = {new[f.column]}') for f in refs
                          if new[f.column] is not None and new[f.column] not in self.tables[f.ref]]
        return found

    @staticmethod
    def wrong_states(entity, changes):
        """"Any other change is an error (SQ206) of the statement that makes it, whoever makes it"; "an insertion in
        another state is refused"."""
        states = entity.states
        return [Failure('SQ206', f'{entity.name}: {old} to {new}') for old, new in changes
                if states and not may_follow(states, old, new)]

    def referring(self, entity, keys):
        """The refs, as (entity, field), by which there are rows that lead to the keys."""
        keys = set(keys)
        refs = [(o, field) for o in self.spec.entities.values() for field in o.fields if field.ref == entity.name]
        return [(o, field) for o, field in refs if any(r[field.column] in keys for r in self.tables[o.name].values())]

    @staticmethod
    def check_referring(found):
        states = {'23001' if field.on_delete == 'restrict' else '23503' for _, field in found}
        if len(states) > 1:
            raise Undecided('two refs that fail differently')
        if found:
            raise Failure(states.pop(), 'referred to by ' + ', '.join(f'{o.name}.{field.name}' for o, field in found))


def may_follow(states, old, new):
    column = states.field.column
    if old is None:
        return new[column] == states.initial
    if old[column] == new[column]:
        return True
    sides = {'old': old, 'new': new}
    return any(old[column] in t.before and new[column] == t.after and (
        t.guard is None or evaluate(t.guard, lambda r: sides[r.side][r.field.column]) is True)
        for t in states.transitions)
