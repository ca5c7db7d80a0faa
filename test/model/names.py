"""What the names in expressions mean: the chapter "Names in expressions" of docs/language.md.

A name is looked for in the event's scope or in the target's, never in both at once. Each method says the sentence
of the docs that it follows. A Refused is an error in the docs; Undecided is what the docs leave open.
"""
from dataclasses import dataclass
from typing import Optional

import sql
from spec import Field


class Refused(Exception):
    """A sentence that the docs call an error."""


class Undecided(Exception):
    """A sentence of which the docs do not say what it means."""


@dataclass(frozen=True)
class Reference:
    """What a name means. kind: row, target, payload, local, difference, operation, caller, sql.

    A row's value is found from the event's row (side: new, old, or there: whichever there is), or from the row that a
    payload's key names, by following the refs of `way`."""
    kind: str
    field: Optional[Field] = None
    side: str = 'there'
    way: tuple = ()
    key: Optional[str] = None


LONGEST_WAY = 16
NEW_WORDS = ('new_', 'current_', 'available_')
OLD_WORDS = ('previous_', 'old_')


class EventScope:
    """"The event's: the row that changed, or the payload of a custom event, and what these lead to"."""

    def __init__(self, spec, action, local=(), bulk_entity=None):
        self.spec = spec
        self.local = frozenset(local)
        self.params = action.params
        self.changed = action.on.fields if action.on else ()
        name = bulk_entity or (action.on.entity if action.on else None)
        self.entity = spec.entities[name] if name else None
        self.event = action.on.event if action.on else None
        # "of a custom event that a step of some action raises, also the keys that the step gives it"
        self.keys = set(action.params) | spec.emitted.get(self.event, set())
        self.custom = self.entity is None
        self.taken = bulk_entity is not None
        self.action = action

    def with_local(self, name):
        return EventScope(self.spec, self.action, self.local | {name}, self.entity.name if self.taken else None)

    # --- bare names: "the first of these" ------------------------------------------------------------------------

    def bare(self, name):
        """The meaning of a bare name, or None; Refused if it has two."""
        if name in self.local:
            return Reference('local', key=name)
        if self.custom and name not in self.keys and name + '_id' in self.keys and self.spec.entity(name):
            # A key that leads to a row goes by either name too, as a ref does; which is nearer the docs do not say.
            if any(entity.field(name) for level in self.levels() for entity, _, _ in level):
                raise Undecided(f'{name}: the key, or a column of a row that a key leads to')
            name += '_id'
        if name in self.keys and self.taken and self.entity.field(name):
            # "a declared parameter that is called like a column is an error".
            raise Refused(f'{name}: a parameter, and a column of the taken row')
        if name in self.keys:
            return Reference('payload', self.payload_field(name), key=name)
        if self.entity:
            found = self.entity.field(name) or (None if self.taken else self.own_id(name))
            if found:
                return Reference('row', found)
            found = self.worded(name)
            if found and self.taken:
                raise Undecided(f'{name} of a taken row')
            if found:
                return found
            if name == 'event_operation' and not self.taken:
                return Reference('operation')
        if self.taken:
            # "Rows that its refs lead to are not read", and an unknown name is a parameter.
            raise Undecided(f'{name} behind an allocation, which no params: declare')
        found = self.led_to(name)
        if found:
            return found
        if self.action.bulk:
            raise Undecided(f'{name}: a parameter that no params: declare, whose place among the arguments is not told')
        if self.custom and self.spec.entity(name.removesuffix('_id')):
            raise Undecided(f'{name}: a key that leads to a row, which no params: declare')
        return Reference('payload', self.payload_field(name), key=name) if self.custom else None

    def own_id(self, name):
        """4. "`<entity>_id`, or `<entity>`: that row's `id`"."""
        return self.entity.field('id') if name in (self.entity.table, self.entity.table + '_id') else None

    def worded(self, name):
        """5. "`previous_<w>`, `old_<w>`: the old value, `new_<w>`, …, `<w>_change`: the difference"."""
        for words, side in ((OLD_WORDS, 'old'), (NEW_WORDS, 'new')):
            for word in words:
                if name.startswith(word):
                    found = self.field_of_word(name[len(word):], word != 'current_')
                    if found:
                        return Reference('row', found, side)
        if name.endswith('_change'):
            found = self.field_of_word(name[:-len('_change')])
            if found:
                if self.action.on.operations != ('update',):
                    raise Undecided(f'{name} of an event that is no update')
                if found.base != 'integer':
                    raise Refused(f'{found.name} has no difference')
                return Reference('difference', found)
        return None

    def field_of_word(self, word, share=True):
        """"the field of that name, else the changed field if its name contains the word, else the only field that
        does (not for `current_<w>`)"."""
        found = self.entity.field(word)
        if found and found.name != 'id':
            return found
        changed = [f for f in self.changed if word in f.name.split('_')]
        if len(changed) > 1 or changed and self.action.on.operations != ('update',):
            raise Undecided(f'{word}: is a field of a list of changes the one that changed?')
        if changed:
            return changed[0]
        fields = [f for f in self.entity.fields if word in f.name.split('_')]
        return fields[0] if share and len(fields) == 1 else None

    def led_to(self, name):
        """7. "a column of a row that the event leads to …, nearest first"."""
        self.action.led.add(name)
        for level in self.levels():
            found = [Reference('row', entity.field(name), way=way, key=key)
                     for entity, key, way in level if entity.field(name)]
            if len(found) > 1:
                raise Refused(f'{name} can be reached in more than one way')
            if found:
                return found[0]
        return None

    def levels(self):
        """Entities that the event leads to, by the number of refs: lists of (entity, payload key, way). An entity
        that is reached nearer is not looked for farther."""
        if self.entity:
            seen, level = {self.entity.name}, [(self.entity, None, ())]
        else:
            seen, level = set(), []
        for distance in range(LONGEST_WAY):
            if self.custom:
                # "As a payload may have any key, a custom event leads to farther rows only by a path."
                level = [] if distance else [(e, key, ()) for e in self.spec.entities.values()
                                             for key in self.keys if key in (e.table + '_id', e.table)]
            else:
                level = [(self.spec.entities[f.ref], key, way + (f,)) for entity, key, way in level
                         for f in entity.fields if f.ref and f.ref not in seen]
            if not level:
                return
            seen |= {entity.name for entity, _, _ in level}
            yield level

    def payload_field(self, key):
        """The type of a payload's key, "from `params:`"."""
        kind = self.params.get(key)
        return Field(key, key, kind) if kind else None

    # --- qualified names -------------------------------------------------------------------------------------------

    def qualified(self, parts):
        head, rest = parts[0], parts[1:]
        if head in ('new', 'old'):
            if self.custom:
                raise Refused(f'{head}: a custom event has no row')
            if self.taken and head == 'old':
                raise Undecided('old of a taken row')
            if self.taken and len(rest) > 1:
                raise Refused(f'{rest[0]}: rows that a taken row leads to are not read')
            return self.follow(self.entity, head, None, (), rest)
        if head == 'payload':
            if not self.custom and not self.taken:
                raise Refused('payload: the event has none')
            return Reference('payload', self.payload_field(rest[0]), key=rest[0])
        if head == 'caller':
            return Reference('caller', key=rest[0])
        own = self.entity.field(head) if self.entity else None
        named = self.spec.entity(head)
        if self.taken and (own or named is not self.entity):
            raise Refused(f'{head}: rows that a taken row leads to are not read')
        if own and own.ref:
            if named and named is self.entity:
                raise Undecided(f'{head} is a ref and the entity itself')
            return self.follow(self.spec.entities[own.ref], 'there', None, (own,), rest)
        if named and named is self.entity:
            return self.follow(named, 'there', None, (), rest)
        if named:
            found = self.way_to(named)
            if found:
                key, way = found
                return self.follow(named, 'there', key, way, rest)
        if self.custom:
            raise Refused(f'{head} is unknown')
        far = self.bare(head)
        if far and far.kind == 'row' and far.field.ref:
            return self.follow(self.spec.entities[far.field.ref], far.side, far.key, far.way + (far.field,), rest)
        raise Refused(f'{head} is unknown')

    def leads_by(self, head):
        """Is this the name of a ref of the event's row, or of a payload's key that leads to a row?"""
        if self.entity:
            own = self.entity.field(head)
            return own is not None and own.ref is not None
        return bool(self.keys & {head, head + '_id'})

    def follow(self, entity, side, key, way, rest):
        """"`<ref>.<ref>.x`"."""
        for name in rest[:-1]:
            found = entity.field(name)
            if not found or not found.ref:
                raise Refused(f'{name} is no ref of {entity.name}')
            way += (found,)
            entity = self.spec.entities[found.ref]
        found = entity.field(rest[-1])
        if not found:
            raise Refused(f'{entity.name} has no field {rest[-1]}')
        return Reference('row', found, side, way, key)

    def way_to(self, entity):
        """(payload key, refs) to the one row of that entity that the event leads to, or None. "A way that is nearer
        wins over one that is farther; only ways of the same length are ambiguous."."""
        for level in self.levels():
            found = [(key, way) for e, key, way in level if e is entity]
            if len(found) > 1:
                raise Refused(f'{entity.name} can be reached in more than one way')
            if found:
                return found[0]
        return None

    # --- what a name means in an expression ----------------------------------------------------------------------

    def meaning(self, name):
        """The Reference of a sql.Name anywhere but in WHERE, ORDER BY and SET of a target."""
        if not name.bare:
            if name.parts[0] == 'target':
                raise Refused('target: the step has none')
            return self.qualified(name.parts)
        word = name.parts[0]
        if word in ('new', 'old'):
            raise Undecided(f'{word} as a value')
        if word in sql.SQL_VALUES and not name.quoted:
            return self.sql_value(word)
        found = self.bare(word)
        if not found:
            raise Refused(f'{word} is unknown')
        return found

    def sql_value(self, word):
        """"Where a field in scope has such a name (or `current_<w>` could be the new value of a field `<w>`), the
        bare word is an error"."""
        if self.means_something(word):
            raise Refused(f'{word} is a value of SQL and a field')
        return Reference('sql', key=word)

    def means_something(self, word):
        try:
            found = self.bare(word)
        except Refused:
            return True
        # Any name can be a key of a payload, which says nothing.
        return found is not None and not (found.kind == 'payload' and word not in self.keys)


    def has(self, word):
        """Has the event's own row a field of this name, or its payload a key?"""
        return word in self.keys or self.entity is not None and self.entity.field(word) is not None


class TargetScope:
    """The two scopes of a step with a target: "the rows that a step writes with `update:` or `delete:`"."""

    def __init__(self, event, entity, own_row=False, led=False, via=None):
        self.event = event
        self.entity = entity
        self.via = via                     # the way that the step names
        self.own_row = own_row             # is the row that is written the event's?
        self.led = led                     # or the one that the event leads to?

    def qualified(self, name, in_set=False):
        head, rest = name.parts[0], name.parts[1:]
        named = self.is_target(head) and head != 'target'
        if named and in_set and self.event.leads_by(head):
            if not self.led or self.by_another_way(head):
                raise Refused(f'{head}.{rest[0]} can be of the target, and of the row that the event leads to')
        if named and self.event.entity is self.entity and not self.own_row:
            raise Refused(f'{head}.{rest[0]}: the event\'s row, and another row of its entity')
        if not named and self.ref_of_both(head):
            raise Refused(f'{head}: a ref of the event and of the target')
        if head == 'target' or named:
            if len(rest) > 1:
                raise Undecided(f'a path from the target: {name}')
            found = self.entity.field(rest[0])
            if not found:
                raise Refused(f'{self.entity.name} has no field {rest[0]}')
            return Reference('target', found)
        return self.event.qualified(name.parts)

    def by_another_way(self, head):
        """"`VIA` on another way, says which row is written"."""
        if self.via is None:
            return False
        same = (head, head + '_id') if self.event.custom else self.event.entity.field(head).names
        if len(self.via.parts) == 2 and self.via.parts[0] == 'new' and self.via.parts[1] in same:
            raise Undecided(f'{head} and VIA {self.via}')
        return len(self.via.parts) != 1 or self.via.parts[0] not in same

    def is_target(self, head):
        return head == 'target' or self.event.spec.entity(head) is self.entity

    def ref_of_both(self, head):
        """A path "by a ref that both the event and the target have"."""
        found = self.entity.field(head)
        return found is not None and found.ref is not None and not self.own_row and self.event.leads_by(head)

    def no_variable(self, word):
        """Refuses "a variable that is called like a column of the target"."""
        if word in self.event.local and self.entity.field(word):
            raise Refused(f'{word}: a variable, and a column of {self.entity.name}')

    def in_where(self, name):
        """"the target's column, if it has one of that name", else the event's."""
        if not name.bare:
            return self.qualified(name)
        word = name.parts[0]
        self.no_variable(word)
        found = self.entity.field(word)
        if word in sql.SQL_VALUES and not name.quoted and found:
            raise Refused(f'{word} is a value of SQL and a field')
        return Reference('target', found) if found else self.event.meaning(name)

    def in_set(self, name, column):
        """"the target's current value, if it is the very column that is set (`x = x + 1`); else the event's", and
        "otherwise the target's column"."""
        if not name.bare:
            return self.qualified(name, in_set=True)
        word = name.parts[0]
        self.no_variable(word)
        found = self.entity.field(word)
        if word in sql.SQL_VALUES and not name.quoted:
            if found:
                raise Refused(f'{word} is a value of SQL and a field')
            return self.event.sql_value(word)
        if found == column:
            return Reference('target', found)
        if self.event.custom and found and word not in self.event.keys:
            # Of a custom event any name can be a key.
            raise Undecided(f'{word}: of the target, or a key of the payload?')
        meant = self.event.bare(word)
        if meant:
            return meant
        if found:
            return Reference('target', found)
        raise Refused(f'{word} is unknown')
