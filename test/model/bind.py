"""Expressions whose names have become References, and the sentences about them that the docs call errors."""
import sql
from names import Reference, Refused, TargetScope, Undecided

COMPARED = sql.COMPARISONS | {'is distinct from', 'is not distinct from'}


def bind(expression, meaning):
    """The expression with each Name replaced by what meaning(name) says."""
    if isinstance(expression, sql.Name):
        return meaning(expression)
    if isinstance(expression, sql.Operation):
        return sql.Operation(expression.name, tuple(bind(e, meaning) for e in expression.operands))
    return expression


def bind_event(expression, scope):
    """Anywhere but in WHERE, ORDER BY and SET: only the event's names."""
    return checked(bind(expression, scope.meaning))


def bind_set(expression, scope, column):
    """The right side of SET in an update. "`SET status = status` is an error"."""
    found = bind(expression, lambda name: scope.in_set(name, column))
    if found == Reference('target', column):
        raise Refused(f'{column.name} would be set to itself')
    if not scope.own_row:
        twice(expression, scope, {column})
    same_keys(found, column.keys)
    return assignable(checked(found), column)


def twice(expression, scope, columns):
    """"So is a bare name that stands twice as the target's column", if the event has it too."""
    for column in columns:
        names = [n.parts[0] for n in bare_names(expression) if n.parts[0] in column.names]
        if len(names) > 1:
            if scope.event.custom and not scope.event.keys & column.names:
                raise Undecided(f'{column.name}: of a custom event any name can be a key')
            if any(scope.event.means_something(n) for n in names):
                raise Refused(f'{column.name} stands twice as the column of the target, and the event has it too')


# --- WHERE ---------------------------------------------------------------------------------------------------------


def bind_where(expression, scope: TargetScope):
    """"What WHERE binds"."""
    if expression == sql.Literal(True):
        return expression
    found = checked(where_part(expression, scope))
    if not binds(found, True):
        raise Refused('the WHERE says nothing about the target')
    return found


def where_part(expression, scope):
    if isinstance(expression, sql.Name):
        return scope.in_where(expression)
    if not isinstance(expression, sql.Operation):
        return expression
    if expression.name in COMPARED:
        return comparison(expression, scope)
    if expression.name == 'in':
        bound = [where_part(e, scope) for e in expression.operands]
        for other in range(1, len(bound)):
            both_of_target([expression.operands[0], expression.operands[other]], [bound[0], bound[other]], scope)
        return sql.Operation('in', tuple(bound))
    return sql.Operation(expression.name, tuple(where_part(e, scope) for e in expression.operands))


def comparison(expression, scope):
    """"the same column on both sides: the left one is the target's, the right one the event's. Any comparison is read
    so"; two different columns of the target "if neither name means anything of the event"."""
    left, right = expression.operands
    columns = [scope.entity.field(side.parts[0]) if isinstance(side, sql.Name) and side.bare else None
               for side in (left, right)]
    if columns[0] and columns[0] == columns[1]:
        return sql.Operation(expression.name, (scope.in_where(left), scope.event.meaning(right)))
    for side in (left, right):
        twice(side, scope, scope.entity.fields)
    bound = [where_part(side, scope) for side in (left, right)]
    both_of_target([left, right], bound, scope)
    if all(references(side) and all(r.kind != 'target' for r in references(side)) for side in bound):
        raise Refused('only the event\'s values are compared')
    if {r.kind for side in bound for r in references(side)} > {'target'}:
        same_keys(bound[0], keys_of(bound[1]))
    return sql.Operation(expression.name, tuple(bound))


def both_of_target(sides, bound, scope):
    """Columns of the target on both sides: an error if a bare name among them means something of the event too."""
    if not all(any(r.kind == 'target' for r in references(side)) for side in bound):
        return
    names = [n for side in sides for n in bare_names(side) if scope.entity.field(n.parts[0])]
    for name in names:
        if scope.event.custom and name.parts[0] not in scope.event.keys:
            raise Undecided(f'{name}: of a custom event any name can be a key')
        if scope.event.means_something(name.parts[0]):
            raise Refused(f'{name} is a column of the target, compared with another, but means something of the event')


def bare_names(expression):
    if isinstance(expression, sql.Name):
        return [expression] if expression.bare else []
    if isinstance(expression, sql.Operation):
        return [n for e in expression.operands for n in bare_names(e)]
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


# --- keys and enums ---------------------------------------------------------------------------------------------------------


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
