"""Random statements that people type. A part of generate.Maker."""


class Statements:
    """Draws them: insertions first, so that there are rows, then any."""

    def statements(self):
        entities = self.declared
        self.made = {e.name: [] for e in entities}
        found = [self.insert(e) for e in entities if e.name != 'Note' or self.drawn.chance(30)]
        heard = [self.spec.entities[n] for n in self.heard if n]
        for _ in range(self.drawn.number(1, 5)):
            entity = self.drawn.pick(heard * 3 + entities)
            form = self.drawn.number(0, 9)
            if self.bulk and form in (3, 4):
                found.append(self.call())
            elif self.events and form >= 6:
                found.append(self.emit())
            elif form < 2 or not self.made[entity.name]:
                found.append(self.insert(entity))
            elif form == 9 or form == 5:
                found.append(f'DELETE FROM m.{entity.table}' + self.which(entity))
            else:
                found.append(self.update(entity))
        return found

    def insert(self, entity):
        fields = self.drawn.some(entity.fields, 1, 80)
        fields += [f for f in entity.fields if f.required and f.default is None and f not in fields]
        if entity.states and self.drawn.chance(85):
            # Any other state than the first is refused.
            fields = [f for f in fields if f.name != entity.states.field.name]
        rows = []
        for _ in range(self.drawn.number(1, 3)):
            key = uuid(100 * (1 + list(self.spec.entities).index(entity.name)) + len(self.made[entity.name]) + 1)
            self.made[entity.name].append(key)
            rows.append(f"('{key}', " + ', '.join(self.given(f) for f in fields) + ')')
        columns = ', '.join(['id'] + [f'"{f.column}"' for f in fields])
        return f'INSERT INTO m.{entity.table} ({columns}) VALUES ' + ', '.join(rows)

    def given(self, found):
        drawn = self.drawn
        if found.base == 'integer[]':
            return drawn.pick(["'{1,2}'", "'{}'", "'{3}'", 'NULL'])
        if found.base == 'uuid':
            known = self.made.get(found.ref) or [k for keys in self.made.values() for k in keys]
            return f"'{drawn.pick(known)}'" if known and drawn.chance(80) else 'NULL'
        if drawn.chance(2 if found.required else 10):
            return 'NULL'
        return drawn.pick({'integer': ['1', '2', '3', '0', '7', '-1'], 'text': ["'a'", "'b'"],
                           'boolean': ['true', 'false']}[found.base] if not found.values
                          else [f"'{v}'" for v in found.values])

    def update(self, entity):
        fields = self.drawn.some(entity.fields, 1, 40)
        if entity.states and self.drawn.chance(40):
            fields = [entity.states.field]
        sets = ', '.join(f'"{f.column}" = ' + (f'{f.column} + 1' if f.base == 'integer' and self.drawn.chance(40)
                                               else self.given(f)) for f in fields)
        return f'UPDATE m.{entity.table} SET {sets}' + self.which(entity)

    def which(self, entity):
        """One row, or all."""
        return f" WHERE id = '{self.drawn.pick(self.made[entity.name])}'" if self.drawn.chance(75) else ''

    def call(self):
        """The bulk operation, as a function or by its event."""
        if self.batch:
            elements = '[' + ', '.join(self.arguments() for _ in range(self.drawn.number(0, 3))) + ']'
            if self.drawn.chance(50):
                return f"SELECT m.load('{elements}')"
            return f"""SELECT specql.emit('truck_arrived', '{{"{self.batch}": {elements}}}')"""
        if len(self.bulk) == 1 and self.drawn.chance(70):
            return 'SELECT m.load(' + self.argument(*self.bulk.values()).replace('"', "'") + ')'
        return f"SELECT specql.emit('truck_arrived', '{self.arguments()}')"

    def arguments(self):
        """A JSON object with the keys of the bulk operation; of an array's element one may be missing."""
        left_out = self.drawn.pick(sorted(self.bulk)) if self.batch and self.drawn.chance(15) else None
        return '{' + ', '.join(f'"{k}": {self.argument(t)}' for k, t in self.bulk.items() if k != left_out) + '}'

    def argument(self, kind):
        return str(self.drawn.number(0, 8)) if kind == 'integer' else self.drawn.pick(['"a"', '"b"'])

    def emit(self):
        event = self.drawn.pick(sorted(self.events))
        given = []
        for key, kind in self.events[event].items():
            known = self.made.get(next((e.name for e in self.spec.entities.values() if key == e.table + '_id'), ''))
            text = {'integer': str(self.drawn.number(0, 3)), 'text': '"a"',
                    'uuid': f'"{self.drawn.pick(known)}"' if known else 'null',
                    'integer[]': '[' + ', '.join('123'[:self.drawn.number(0, 2)]) + ']'}[kind]
            given.append(f'"{key}": {text}')
        return f"SELECT specql.emit('{event}', '{{{', '.join(given)}}}')"


def uuid(number):
    return f'00000000-0000-0000-0000-{number:012}'
