"""Expressions whose names have become References, and the sentences about them that the docs call errors."""
import sql
from names import Reference, Refused, TargetScope, Undecided

COMPARED = sql.COMPARISONS | {'is distinct from', 'is not distinct from'}


def bind(expression, meaning):
    """The expression with each Name replaced by what meaning(name) says."""
    if isinstance(expression, sql.Name):
        return meaning(expression)
    if isinstance(expression, sql.Operation):
        return row_test(expression, meaning) or sql.Operation(
            expression.name, tuple(bind(e, meaning) for e in expression.operands))
    return expression


def row_test(expression, meaning):
    """`new IS NULL`: is there no such row? "`new IS NOT NULL`" holds only if no column is NULL: an error."""
    row = expression.operands[0] if expression.name in ('is null', 'is not null') else None
    if row not in (sql.Name(('new',)), sql.Name(('old',))):
        return None
    if expression.name == 'is not null':
        raise Refused(f'{row} IS NOT NULL')
    return sql.Operation('is null', (meaning(sql.Name((row.parts[0], 'id'))),))


def bind_event(expression, scope):
    """Anywhere but in WHERE, ORDER BY and SET: only the event's names."""
    return checked(bind(expression, scope.meaning))


def bind_set(expression, scope, column):
    """The right side of SET in an update. "`SET status = status` is an error"."""
    found = bind(expression, lambda name: scope.in_set(name, column))
    if found == Reference('target', column):
        raise Refused(f'{column.name} would be set to itself')
    if not scope.own_row:
        twice(expression, [column], scope, scope.event.has)
    same_keys(found, column.keys)
    return assignable(checked(found), column)


def twice(expression, columns, scope, means_something):
    """"A bare name that stands twice as the target's column", or beside it, if the event has it too."""
    for column in columns:
        names = [n for n in names_in(expression) if n.parts[-1] in column.names and
                 (n.bare or len(n.parts) == 2 and scope.is_target(n.parts[0]))]
        if len(names) > 1 and any(n.bare and means_something(n.parts[0]) for n in names):
            raise Refused(f'{column.name} stands twice as the column of the target, and the event has it too')


def bind_order(expression, scope):
    """"ORDER BY must name a column of the target." """
    found = checked(where_part(expression, scope))
    if not any(r.kind == 'target' for r in references(found)):
        raise Refused('ORDER BY names no column of the target')
    return found


# --- WHERE ---------------------------------------------------------------------------------------------------------


def bind_where(expression, scope: TargetScope):
    """"What WHERE binds"."""
    if expression in (sql.Literal(True), sql.Literal(False)):
        return expression
    found = checked(where_part(expression, scope))
    if not binds(found, True):
        if has_false(expression):
            raise Undecided('a WHERE that is never true')
        if scope.via is not None:
            raise Undecided('a WHERE beside VIA that says nothing about the target')
        raise Refused('the WHERE says nothing about the target')
    return found


def has_false(expression):
    if expression == sql.Operation('not', (sql.Literal(True),)):
        return True
    return expression == sql.Literal(False) or isinstance(expression, sql.Operation) and any(
        has_false(e) for e in expression.operands)


def where_part(expression, scope):
    if isinstance(expression, sql.Name):
        return scope.in_where(expression)
    if not isinstance(expression, sql.Operation):
        return expression
    if expression.name in COMPARED:
        return comparison(expression, scope)
    if row_test(expression, scope.event.meaning):
        return row_test(expression, scope.event.meaning)
    if expression.name not in ('and', 'or', 'not') and not any(
            isinstance(e, sql.Operation) and e.name in COMPARED for e in expression.operands):
        twice(expression, [scope.entity.id, *scope.entity.fields], scope, scope.event.means_something)
    if expression.name == 'in':
        # A list is one side.
        sides = [expression.operands[0], sql.Operation('list', expression.operands[1:])]
        bound = compared(sides, scope)
        return sql.Operation('in', (bound[0], *bound[1].operands))
    return sql.Operation(expression.name, tuple(where_part(e, scope) for e in expression.operands))


def comparison(expression, scope):
    """"the same column on both sides: the left one is the target's, the right one the event's. Any comparison is read
    so"; two different columns of the target "if neither name means anything of the event"."""
    left, right = expression.operands
    if is_twin(expression, scope.entity):
        if scope.event.custom and left.parts[-1] in scope.entity.id.names:
            raise Undecided('whose id, of a custom event that leads to rows')
        bound = (scope.in_where(left), scope.event.meaning(right))
        same_keys(bound[0], keys_of(bound[1]))
        return sql.Operation(expression.name, bound)
    twice(expression, [scope.entity.id, *scope.entity.fields], scope, scope.event.means_something)
    bound = compared([left, right], scope)
    if all(references(side) and all(r.kind != 'target' for r in references(side)) for side in bound):
        raise Refused('only the event\'s values are compared')
    if {r.kind for side in bound for r in references(side)} > {'target'}:
        same_keys(bound[0], keys_of(bound[1]))
    return sql.Operation(expression.name, tuple(bound))


def compared(sides, scope):
    """Both sides of a comparison, bound. "The same column of the target twice in one comparison, or columns of it on
    both sides, and the event has something of that name" is an error; so is a column that is compared with itself."""
    bound = [where_part(side, scope) for side in sides]
    if bound[0] == bound[1] and isinstance(bound[0], Reference) and bound[0].kind == 'target':
        raise Refused('a column is compared with itself')
    if all(any(r.kind == 'target' for r in references(part)) for part in bound):
        # A side of the target alone, beside one with a value of the event, is the usual comparison.
        whole = all(only_target(part) for part in bound)
        names = [n for side, part in zip(sides, bound) if whole or not only_target(part)
                 for n in bare_names(side) if scope.entity.field(n.parts[0])]
        if any(scope.event.means_something(n.parts[0]) for n in names) and any(is_comparison(side) for side in sides):
            raise Undecided('a comparison within a comparison, as in CASE')
        meant_twice(names, scope)
    return bound


def only_target(part):
    return all(r.kind == 'target' for r in references(part))


def is_comparison(expression):
    """Is it one, or is there one in it?"""
    return isinstance(expression, sql.Operation) and (
        expression.name in COMPARED or any(is_comparison(e) for e in expression.operands))


def meant_twice(names, scope):
    """An error if a name of a column of the target means something of the event too."""
    for name in names:
        if scope.event.means_something(name.parts[0]):
            raise Refused(f'{name} is a column of the target, and means something of the event too')
    if names and scope.event.custom:
        raise Undecided('of a custom event any name can be a key')


def names_in(expression):
    if isinstance(expression, sql.Name):
        return [expression]
    if isinstance(expression, sql.Operation):
        return [n for e in expression.operands for n in names_in(e)]
    return []


def bare_names(expression):
    return [n for n in names_in(expression) if n.bare]


def names_of_target(expression, entity):
    """The bare names of a WHERE that are the target's alone: none of those that stand on both sides, as in `x = x`."""
    if is_twin(expression, entity):
        return []
    if isinstance(expression, sql.Operation):
        return [n for e in expression.operands for n in names_of_target(e, entity)]
    return [n for n in bare_names(expression) if entity.field(n.parts[0])]


def is_twin(expression, entity):
    """Is it `x = x`, or any such comparison?"""
    if not isinstance(expression, sql.Operation) or expression.name not in COMPARED:
        return False
    left, right = [entity.field(n.parts[0]) for n in bare_names(expression)] if all(
        isinstance(e, sql.Name) and e.bare for e in expression.operands) else (None, None)
    return left is not None and left == right


def twins(expression, entity):
    """The names of a WHERE that stand on both sides."""
    if is_twin(expression, entity):
        return bare_names(expression)
    if isinstance(expression, sql.Operation):
        return [n for e in expression.operands for n in twins(e, entity)]
    return []


def binds(expression, positive):
    """"each alternative of it must say something about a column of theirs"."""
    if isinstance(expression, sql.Operation):
        if expression.name == 'not':
            return binds(expression.operands[0], not positive)
        if expression.name in ('and', 'or'):
            together = any if (expression.name == 'and') == positive else all
            return together([binds(e, positive) for e in expression.operands])
    return 'target' in {r.kind for r in references(expression)}


def references(expression):
    if isinstance(expression, Reference):
        return [expression]
    if isinstance(expression, sql.Operation):
        return [r for e in expression.operands for r in references(e)]
    return []


# --- keys and enums ------------------------------------------------------------------------------------------------


def checked(expression):
    """"A text beside an enum must be one of its values": one that it is compared with."""
    if isinstance(expression, sql.Operation):
        for operand in expression.operands:
            checked(operand)
        if expression.name in COMPARED | {'in'}:
            sides = expression.operands
            for one in sides:
                for other in sides:
                    literal_of_enum(one, other)
    return expression


def keys_of(expression):
    """The entity that a column's value is a key of, or None."""
    known = isinstance(expression, Reference) and expression.field and expression.kind in ('row', 'target')
    return expression.field.keys if known else None


def same_keys(expression, wanted):
    """"The keys of rows of two entities are never the same, so comparing them, or setting a ref to the key of another
    entity's row, is an error": in a WHERE, where the target's is compared with the event's."""
    found = keys_of(expression)
    if found and wanted and found != wanted:
        raise Refused(f'a key of {found} beside one of {wanted}')


def literal_of_enum(reference, literal):
    if isinstance(reference, Reference) and reference.field and reference.kind in ('row', 'target'):
        enum_literal(literal, reference.field)


def enum_literal(expression, field):
    if field.values and isinstance(expression, sql.Literal) and isinstance(expression.value, str) \
            and expression.value not in field.values:
        raise Refused(f"'{expression.value}' is not a value of {field.name}")


def assignable(expression, field):
    """The same for "one that it is set to, also through `CASE`, `coalesce` or `::text`"."""
    results = ()
    if isinstance(expression, sql.Operation):
        results = {'case': expression.operands[1::2] + expression.operands[-1:], 'coalesce': expression.operands,
                   'cast': expression.operands[:1]}.get(expression.name, ())
    for result in results:
        assignable(result, field)
    enum_literal(expression, field)
    return expression
