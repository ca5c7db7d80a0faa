"""Random specs and statements for hypothesis.

A case is honest or has exactly one mistake: each step that is drawn is shown to the docs' rules (program.py), and left
out if they refuse it, unless it is to be the mistake. What the docs leave undecided is left out always."""
import sql
from cases import Case
from expressions import Drawn, Place, condition, kind_of, name, spelled, value, where
from hypothesis import strategies as st
from names import Refused, Undecided
from program import compile_one
from spec import Action, Malformed, Trigger, note_targets, read, read_list
from statements import Statements

INTEGERS = ['qty', 'position', 'stock_quantity', 'reserved_quantity']
ENTITIES = ['Product', 'Stock', 'Account', 'OrderLine', 'Employee']
ENUMS = ['enum(open, paid, closed)', "enum(open, paid) = 'open'", 'enum(open, closed)']
NAMED = {'total': 'integer', 'half': 'integer', 'word': 'text', 'qty': 'integer', 'label': 'text'}
EVENTS = {'parcel_sent': {'qty': 'integer', 'label': 'text'}, 'count_asked': {'amount': 'integer'}}


@st.composite
def cases(draw):
    return Maker(Drawn(draw)).case()


class Maker(Statements):
    def __init__(self, drawn):
        self.drawn = drawn
        self.mistakes = 1 if drawn.chance(25) else 0
        self.heard = []                    # entities whose changes raise events
        self.batch = None                  # the key of an array, of a bulk operation
        self.before = False                # is it a rule before a row that is drawn?
        self.lets = []                     # the steps that give names to values, before the step that is drawn
        self.taking = []                   # the first step of the bulk operation whose other steps are drawn

    def case(self):
        entities = self.entities()
        self.spec = read('\n---\n'.join(entities))
        self.declared = list(self.spec.entities.values())
        self.events = {e: dict(keys) for e, keys in EVENTS.items() if self.drawn.chance(30)}
        for keys in self.events.values():
            if self.drawn.chance(30):
                keys['sizes'] = 'integer[]'
            for entity in self.spec.entities.values():
                if self.drawn.chance(30):
                    keys[entity.table + '_id'] = 'uuid'
        self.bulk = None
        drawn_before = self.drawn.chance(20)
        actions = [self.bulk_operation()] if self.drawn.chance(15) else []
        actions += [self.before_rule(i) if drawn_before and i < 3 else self.action(i) for i in range(1, self.drawn.number(1, 4) + 1)]
        actions = [a for a in actions if a]
        text = '\n---\n'.join(entities)
        if actions:
            text += '\n---\nschema: m\nactions:\n' + '\n'.join(line for a in actions for line in a)
        return Case(text + '\n', self.statements())

    # --- entities --------------------------------------------------------------------------------------------------

    def entities(self):
        names = self.drawn.some(ENTITIES, 1, 45)[:3]
        texts = [self.entity(names, n) for n in names]
        return texts + [self.note(names)]

    def entity(self, names, own):
        drawn, fields = self.drawn, []
        fields += [f'{n}: integer' + drawn.pick(['', '', ' = 0', ' = 0', ' = 1', '!', '! = 2'])
                   for n in drawn.some(INTEGERS, 1, 40)]
        if drawn.chance(40):
            fields.append('status: ' + drawn.pick(ENUMS))
        fields += [f for f in ('label: text', 'urgent: boolean') if drawn.chance(35)]
        if drawn.chance(15):
            fields.append('sizes: list(integer)')
        if drawn.chance(8):
            fields.append('user: text')
        for other in names[:names.index(own)]:
            if drawn.chance(70):
                pair = drawn.chance(30) and not any(f.startswith('debit') for f in fields)
                fields += [self.ref(ref, other) for ref in
                           (('debit', 'credit') if pair else (read_table(other),))]
        if drawn.chance(30):
            fields.append(self.ref('parent', own))
        states = self.states(fields) if drawn.chance(40) else ''
        return f'entity: {own}\nschema: m\nfields:\n' + '\n'.join('  ' + f for f in fields) + states

    def states(self, fields):
        """Which value of the enum may follow which."""
        enum = next((f for f in fields if f.startswith('status: ')), None)
        if not enum:
            return ''
        drawn = self.drawn
        values = enum[enum.index('(') + 1:enum.index(')')].split(', ')
        lines = ['', 'states:'] + ([] if ' = ' in enum else ['  initial: ' + values[0]]) + ['  transitions:']
        pairs = [(a, b) for a in values for b in values if a != b]
        numbers = [f.split(':')[0] for f in fields if f.split(': ')[1].startswith('integer')]
        for before, after in drawn.some(pairs, 1, 60):
            guard = drawn.pick(['', '', *[f', guard: "{side}{n} > 1"' for n in numbers for side in ('', 'old.', 'new.')]])
            lines.append(f'    - {{from: {before}, to: {after}{guard}}}')
        return '\n'.join(lines)

    def ref(self, name, other):
        gone = self.drawn.pick(['', '', '', ', on_delete: cascade', ', on_delete: set null', ', on_delete: restrict'])
        return f'{name}: "ref({other}{gone})"' if gone else f'{name}: ref({other})'

    def note(self, names):
        """What steps insert: a column of each type, with names that others have too."""
        fields = ['qty: integer', 'label: text', 'who: uuid', 'urgent: boolean', 'status: enum(open, paid)']
        if self.drawn.chance(30):
            fields.append(f'{read_table(names[0])}: ref({names[0]})')
        return 'entity: Note\nschema: m\nfields:\n' + '\n'.join('  ' + f for f in fields)

    # --- actions ---------------------------------------------------------------------------------------------------

    def action(self, number):
        """The lines of an action, or None if nothing of it is left."""
        drawn = self.drawn
        line = self.trigger()
        self.heard += [on.entity for on in self.ons]
        on = self.ons[0]
        lines = [f'  - name: action_{number}', '    ' + line]
        if drawn.chance(30):
            lines.append('    on_error: abort')
        if drawn.chance(20):
            lines.append(f'    order: {drawn.pick([0, 1, -1])}')
        keys = self.events.get(on.event, {})
        if keys:
            lines += ['    params:'] + [f'      {k}: {t}' for k, t in keys.items()]
        self.params = keys
        place = Place(self.spec, self.spec.entities.get(on.entity), keys=keys)
        form = drawn.number(0, 3)
        if form == 3:
            branches = []
            for _ in range(drawn.number(1, 2)):
                branches += self.branch(place)
            return lines + ['    conditions:'] + branches if branches else None
        tested = self.tested(place) if form == 2 else None
        if tested:
            lines.append(f'    condition: {yaml(tested)}')
        steps = self.steps(place, 3)
        return lines + ['    steps:'] + indented(steps, 6) if steps else None

    def branch(self, place):
        """The lines of one of `conditions:`."""
        tested, steps = self.tested(place), self.steps(place, 2)
        if not tested or not steps:
            return []
        otherwise = self.steps(place, 2) if self.drawn.chance(35) else []
        lines = [f'- if: {yaml(tested)}', '  then:', *indented(steps, 4)]
        return indented(lines + (['  else:', *indented(otherwise, 4)] if otherwise else []), 6)

    def before_rule(self, number):
        """The lines of a rule before a row is written, or None."""
        drawn, entity = self.drawn, self.drawn.pick(self.declared)
        self.before, self.params = True, {}
        texts = drawn.pick([[f'insert {entity.name}'], [f'update {entity.name}'], [f'update {entity.name}.{{}}'],
                            [f'insert {entity.name}', f'update {entity.name}.{{}}'],
                            [f'insert {entity.name}', f'update {entity.name}'], [f'delete {entity.name}']])
        line = self.listening([t.format(spelled(drawn.pick(entity.fields), drawn).strip('"')) for t in texts])
        self.heard += [entity.name] * 2
        place = Place(self.spec, entity)
        if drawn.chance(35):
            body = self.branch(place) + (self.branch(place) if drawn.chance(50) else [])
            lines = ['    conditions:'] + body
        else:
            body = self.steps(place, 3)
            lines = ['    steps:'] + indented(body, 6)
        self.before = False
        return [f'  - name: {drawn.pick(["", "on_"])}before_{number}', '    ' + line, '    when: before', *lines] \
            if body else None

    def bulk_operation(self):
        """The lines of a bulk operation, or None if its first step is not wanted."""
        drawn, entity = self.drawn, self.drawn.pick(self.declared)
        self.params = {'room': 'integer', **({'pieces': 'integer'} if drawn.chance(50) else {}),
                       **({'label': 'text'} if drawn.chance(30) else {})}
        self.ons = [Trigger(event='truck_arrived')]
        place = Place(self.spec, target=entity, keys=self.params)
        fields = drawn.some(plain_fields(entity), 1, 30)[:2]
        numbers = [f.name for f in entity.fields if f.base == 'integer']
        deletes = drawn.chance(30)
        if deletes:
            line = f'- delete: {entity.name}'
        else:
            line = f'- update: {entity.name} SET ' + ', '.join(
                f'{spelled(f, drawn)} = {self.assigned(place, f)}' for f in fields)
        line += ' WHERE ' + where(drawn, place)
        form = 0 if deletes else drawn.number(0, 4)
        if form > 0:
            first = drawn.pick(numbers)
            if drawn.chance(30):
                first = f'abs({first} - {value(drawn, place, "integer", 0, [(6, n) for n in numbers])})'
            line += f' ORDER BY {first}{drawn.pick(["", " DESC"])}, id'
        if form > 1:
            line += ' LIMIT ' + (f'SUM({drawn.pick(numbers)}) <= room' if form == 4 else drawn.pick(['2', '1']))
        if not self.wanted(lambda: self.check_step([line])):
            return None
        self.taking = read_lines([line])
        behind = self.steps(Place(self.spec, entity, keys=self.params, taken=True), 2) if drawn.chance(70) else []
        self.taking = []
        self.bulk = self.params = self.used([line] + behind)
        if not self.bulk:
            return None
        batch = []
        if drawn.chance(35):
            self.batch = 'moves'
            batch = ['    batch_field: moves'] + drawn.pick([[], ['    error_handling: continue_on_error'],
                                                             ['    error_handling: collect_errors']])
        return ['  - name: load', '    pattern: batch/bulk_operation', '    trigger: truck_arrived', *batch,
                '    params:', *[f'      {k}: {t}' for k, t in self.params.items()],
                '    steps:', *indented([line] + behind, 6)]

    def used(self, lines):
        """The parameters that these steps use: the function takes no others. If they are the mistake, there is none."""
        try:
            used = {r.key for r in compile_one(self.spec, *self.probes(read_lines(lines))).used}
        except (Refused, Malformed, sql.ParseError):
            return self.params
        return {k: t for k, t in self.params.items() if k in used}

    def trigger(self):
        """The line that says what raises the action; self.ons is what it is."""
        drawn = self.drawn
        if self.events and drawn.chance(50):
            event = drawn.pick(sorted(self.events))
            self.ons = [Trigger(event=event)]
            return drawn.pick([f'on: event {event}', f'trigger: {event}'])
        if drawn.chance(15):
            return self.several()
        self.ons, line = self.one_change()
        return line

    def several(self):
        """A list of changes."""
        drawn, texts = self.drawn, []
        entities = [drawn.pick(self.declared)]
        if drawn.chance(30):
            entities.append(drawn.pick(self.declared))
        for entity in entities:
            fields = [spelled(f, drawn).strip('"') for f in drawn.some(entity.fields, 1, 35)[:2]]
            texts += drawn.some([f'insert {entity.name}', f'delete {entity.name}'], 0, 50)
            texts += [f'update {entity.name}.{f}' for f in fields]
            texts += [f'update {entity.name}'] if drawn.chance(5) else []
        return self.listening(texts)

    def listening(self, texts):
        found = []
        if not self.wanted(lambda: found.extend(read_list(self.spec, texts))) or not found:
            texts = texts[:1]
            found = read_list(self.spec, texts)
        self.ons = found
        return f'on: [{", ".join(texts)}]' if len(texts) > 1 else f'on: {texts[0]}'

    def one_change(self):
        drawn = self.drawn
        entity = drawn.pick(self.declared)
        form = drawn.number(0, 6)
        if form < 3:
            operation = drawn.pick(['insert', 'update', 'delete'])
            return [Trigger((operation,), entity.name)], f'on: {operation} {entity.name}'
        if form == 3:
            return [Trigger(('insert', 'update', 'delete'), entity.name)], f'on: {entity.name}'
        if form == 4:
            return [Trigger(('insert',), entity.name)], f'trigger: {entity.table}_created'
        found = drawn.pick(entity.fields)
        spelling = spelled(found, drawn).strip('"')
        text = f'on: update {entity.name}.{spelling}' if form == 5 else f'trigger: {entity.table}_{spelling}_changed'
        return [Trigger(('update',), entity.name, (found,))], text

    def tested(self, place):
        """A condition, or None if it is not wanted."""
        text = condition(self.drawn, place)
        wanted = self.wanted(lambda: self.compile([], sql.parse(text)))
        return text if wanted else None

    def steps(self, place, most, depth=1):
        found, lets = [], self.lets
        for _ in range(self.drawn.number(1, most)):
            lines, mistakes = self.step(place, depth), self.mistakes
            if lines and (depth == 0 or self.wanted(lambda: self.check_step(lines))):
                found += lines
                if lines[0].startswith('- let: ') and self.mistakes == mistakes:
                    name = lines[0].split()[2].strip('"')
                    place = place.with_local(name, NAMED[name])
                    self.lets = self.lets + read_lines(lines)
        self.lets = lets
        return found

    def check_step(self, lines):
        steps = read_lines(lines)
        note_targets(self.spec, steps)
        self.compile(self.taking + self.lets + steps)

    def compile(self, steps, tested=None):
        for action in self.probes(steps, tested):
            compile_one(self.spec, action)

    def probes(self, steps, tested=None):
        """Actions with these steps, one for each entity that it hears."""
        return [Action('probe', on, [(tested, steps, [])], params=self.params, bulk=on.event == 'truck_arrived',
                       before=self.before) for on in self.ons]

    def wanted(self, check):
        """Is this right by the docs, or the mistake that the case is to have?"""
        try:
            check()
        except Undecided:
            return False
        except (Refused, Malformed, sql.ParseError):
            self.mistakes -= 1
            return self.mistakes >= 0
        return True

    # --- steps -----------------------------------------------------------------------------------------------------

    def step(self, place, depth):
        if self.before:
            form = self.drawn.pick(['set', 'set', 'set', 'validate', 'let', 'if', 'notify'] if self.mistakes else
                                   ['set', 'set', 'set', 'validate', 'let', 'if'])
            return self.make_set(place, depth) if form == 'if' and depth == 0 else getattr(self, 'make_' + form)(
                place, depth)
        form = self.drawn.pick(['notify', 'update', 'insert', 'update', 'insert', 'update', 'delete', 'update',
                                'validate', 'call', 'emit', 'if', 'create', 'return', 'append', 'foreach', 'let'])
        if form in ('if', 'foreach') and depth == 0:
            form = 'insert'
        return getattr(self, 'make_' + form)(place, depth)

    def make_set(self, place, depth):
        fields = self.drawn.some(plain_fields(place.entity), 1, 35)[:3]
        values = {spelled(f, self.drawn): value(self.drawn, place, kind_of(f)) for f in fields}
        if self.drawn.chance(20):
            return ['- set:'] + [f'    {column.strip(chr(34))}: {yaml(given)}' for column, given in values.items()]
        return ['- set: ' + yaml(', '.join(f'{column} = {given}' for column, given in values.items()))]

    def make_let(self, place, depth):
        named = self.drawn.pick(['total', 'total', 'half', 'word', 'qty', 'label'] if self.mistakes else
                                ['total', 'half', 'word'])
        return [f'- let: {yaml(f"{named} = {value(self.drawn, place, NAMED[named])}")}']

    def make_notify(self, place, depth):
        return [f'- {self.drawn.pick(["notify", "escalate"])}: sales "seen"']

    def make_call(self, place, depth):
        # Of several arguments the docs do not tell the order.
        if self.bulk and len(self.bulk) == 1 and not self.batch and not place.taken and self.drawn.chance(50):
            arguments = [value(self.drawn, place, kind, 0) for kind in self.bulk.values()]
            return [f'- load: {yaml("load(" + ", ".join(arguments) + ")")}']
        return [f'- call_external: warehouse "{self.drawn.pick(["pack", "count"])}"']

    def make_return(self, place, depth):
        return ['- return:']

    def make_insert(self, place, depth, key='insert'):
        entity = self.drawn.pick([self.spec.entities['Note'], *self.declared])
        lines = [f'- {key}: {entity.name} SET']
        for f in self.drawn.some(plain_fields(entity), 1, 45):
            lines.append(f'    {spelled(f, self.drawn)}: {yaml(value(self.drawn, place, kind_of(f)))}')
        return lines

    def make_append(self, place, depth):
        """A log that no document declares: its columns are made from the step."""
        return ['- append: History SET', f'    seen: {yaml(name(self.drawn, place, "integer"))}']

    def make_create(self, place, depth):
        return ['- create: ' + self.drawn.pick(self.declared).name]

    def make_update(self, place, depth):
        counted = self.counted(place) if self.drawn.chance(30) else None
        if counted:
            return [f'- update: {counted}']
        inner, head = self.target(place)
        fields = self.drawn.some(plain_fields(inner.target), 1, 25)[:2]
        assignments = ', '.join(f'{spelled(f, self.drawn)} = {self.assigned(inner, f)}' for f in fields)
        return [f'- update: {head[0]} SET {assignments}{head[1]}']

    def counted(self, place):
        """A sum of what many events give to a row that a ref of theirs leads to: "Many events, one row"."""
        refs = [f for f in place.entity.fields if f.ref] if place.entity and not place.taken else []
        if not refs:
            return None
        ref = self.drawn.pick(refs)
        led = self.spec.entities[ref.ref]
        numbers = [f.name for f in led.fields if f.base == 'integer']
        own = [f.name for f in place.entity.fields if f.base == 'integer'] + ['1', '2']
        column = self.drawn.pick(numbers)
        term = self.drawn.pick([n for n in own if n != column])
        sets = f'SET {column} = {column} {self.drawn.pick(["+", "-"])} {term}'
        if self.drawn.chance(40):
            return f'{led.name} {sets} WHERE id = new.{spelled(ref, self.drawn)}'
        return f'{led.name} VIA {spelled(ref, self.drawn)} {sets}'

    def assigned(self, place, found):
        """A value for SET: bare names of the target are the more interesting ones."""
        kind, own = kind_of(found), spelled(found, self.drawn)
        if kind == 'integer' and self.drawn.chance(50):
            return f'{own} {self.drawn.pick(["+", "-"])} {value(self.drawn, place, kind, 0)}'
        more = [(2, spelled(f, self.drawn)) for f in place.target.fields if kind_of(f) == kind]
        return value(self.drawn, place, kind, 1, more)

    def make_delete(self, place, depth):
        head = self.target(place)[1]
        return [f'- delete: {head[0]}{head[1]}']

    def target(self, place):
        """(the place with its target, (entity and VIA, WHERE))."""
        drawn = self.drawn
        entity = drawn.pick(self.declared)
        inner = place.onto(entity)
        form = drawn.number(0, 9)
        if form < 2:
            return inner, (entity.name, '')
        refs = [f for f in place.entity.fields if f.ref] if place.entity else []
        if form == 2 and refs:
            ref = drawn.pick(refs)
            via = drawn.pick(['', '', '', 'old.', 'new.']) + spelled(ref, drawn)
            farther = [f for f in self.spec.entities[ref.ref].fields if f.ref]
            if farther and drawn.chance(40):
                ref = drawn.pick(farther)
                via += '.' + spelled(ref, drawn)
            inner = place.onto(self.spec.entities[ref.ref])
            return inner, (f'{ref.ref} VIA {via}', ' WHERE ' + where(drawn, inner) if drawn.chance(20) else '')
        keys = [k for k in place.keys if k.endswith('_id') and not place.taken]
        if form == 3 and keys:
            via = drawn.pick(keys)
            entity = self.spec.entity(via[:-3])
            farther = [f for f in entity.fields if f.ref]
            via = drawn.pick([via, via[:-3]])
            if farther and drawn.chance(40):
                ref = drawn.pick(farther)
                entity, via = self.spec.entities[ref.ref], f'{via}.{spelled(ref, drawn)}'
            return place.onto(entity), (f'{entity.name} VIA {via}', '')
        return inner, (entity.name, ' WHERE ' + where(drawn, inner))

    def make_validate(self, place, depth):
        return [f'- validate: {yaml(condition(self.drawn, place))}', '  error: "not so"']

    def make_emit(self, place, depth):
        if not self.events:
            return self.make_notify(place, depth)
        event = self.drawn.pick(sorted(self.events))
        lines = [f'- emit: {event} SET']
        return lines + [f'    {k}: {yaml(value(self.drawn, place, t, 0))}' for k, t in self.events[event].items()]

    def make_if(self, place, depth):
        lines = [f'- if: {yaml(condition(self.drawn, place))}', '  then:']
        lines += indented(self.steps(place, 2, 0), 4)
        if self.drawn.chance(40):
            lines += ['  else:'] + indented(self.steps(place, 1, 0), 4)
        return lines

    def make_foreach(self, place, depth):
        arrays = place.entity.field('sizes') if place.entity else place.keys.get('sizes')
        if not arrays:
            return self.make_insert(place, depth)
        item = self.drawn.pick(['size', 'size', 'size', 'qty', 'position'])
        steps = self.steps(place.with_local(item, 'integer'), 2, 0)
        return [f'- foreach: {item} in sizes', '  do:', *indented(steps, 4)]


def plain_fields(entity):
    """Those that are no arrays."""
    return [f for f in entity.fields if not f.base.endswith('[]')]


def read_lines(lines):
    """The steps that these lines of YAML are."""
    text = 'actions:\n  - name: a\n    on: event x\n    steps:\n' + '\n'.join(indented(lines, 6))
    return read(text).actions[0].branches[0][1]


def read_table(entity):
    return ''.join('_' + c.lower() if c.isupper() else c for c in entity).lstrip('_')


def yaml(text):
    escaped = text.replace('\\', '\\\\').replace('"', '\\"')
    return f'"{escaped}"'


def indented(lines, by):
    return [' ' * by + line for line in lines]
