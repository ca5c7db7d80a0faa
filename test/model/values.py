"""What expressions give: SQL's three-valued logic, with None for NULL.

Values are Python's int, bool, str (also uuids), list (arrays and jsonb) and None.
"""
import json

import sql


class Failure(Exception):
    """What makes a statement or an action fail, by its SQLSTATE."""

    def __init__(self, sqlstate, message=''):
        super().__init__(f'{sqlstate} {message}')
        self.sqlstate = sqlstate


def logical_and(a, b):
    if a is False or b is False:
        return False
    return None if a is None or b is None else True


def logical_or(a, b):
    if a is True or b is True:
        return True
    return None if a is None or b is None else False


def within_integer(n):
    if not -2**31 <= n < 2**31:
        raise Failure('22003', 'integer out of range')
    return n


def divide(a, b):
    """SQL's division of integers rounds towards zero."""
    if b == 0:
        raise Failure('22012', 'division by zero')
    quotient = abs(a) // abs(b)
    return quotient if (a < 0) == (b < 0) else -quotient


STRICT = {
    '=': lambda a, b: a == b,
    '<>': lambda a, b: a != b,
    '<': lambda a, b: a < b,
    '<=': lambda a, b: a <= b,
    '>': lambda a, b: a > b,
    '>=': lambda a, b: a >= b,
    '+': lambda a, b: within_integer(a + b),
    '-': lambda a, b: within_integer(a - b),
    '*': lambda a, b: within_integer(a * b),
    '/': divide,
    '%': lambda a, b: a - b * divide(a, b),
    '||': lambda a, b: as_text(a) + as_text(b),
    '#>>': lambda a, b: as_text(a),
    'negative': lambda a: within_integer(-a),
    'not': lambda a: not a,
    'abs': abs,
    'length': len,
    'upper': lambda a: a.upper(),
    'jsonb_array_length': len,
}


def as_text(value):
    if isinstance(value, bool):
        return 'true' if value else 'false'
    return json.dumps(value) if isinstance(value, (list, dict)) else str(value)


def cast(value, kind):
    if value is None:
        return None
    if kind in ('integer', 'int'):
        return int(value)
    if kind == 'text':
        return as_text(value)
    return value


def evaluate(expression, value_of):
    """The value of an expression; value_of gives that of anything that is no Literal and no Operation."""
    if isinstance(expression, sql.Literal):
        return expression.value
    if not isinstance(expression, sql.Operation):
        return value_of(expression)
    name, operands = expression.name, expression.operands

    def operand(at):
        return evaluate(operands[at], value_of)

    if name == 'and':
        return logical_and(operand(0), operand(1))
    if name == 'or':
        return logical_or(operand(0), operand(1))
    if name == 'is null':
        return operand(0) is None
    if name == 'is not null':
        return operand(0) is not None
    if name == 'is distinct from':
        return operand(0) != operand(1)
    if name == 'is not distinct from':
        return operand(0) == operand(1)
    if name == 'in':
        found = False
        for at in range(1, len(operands)):
            found = logical_or(found, strict('=', [operand(0), operand(at)]))
        return found
    if name == 'case':
        for at in range(0, len(operands) - 1, 2):
            if operand(at) is True:
                return operand(at + 1)
        return operand(len(operands) - 1)
    if name == 'coalesce':
        return next((v for v in (operand(at) for at in range(len(operands))) if v is not None), None)
    if name == 'cast':
        return cast(operand(0), operands[1].value)
    return strict(name, [operand(at) for at in range(len(operands))])


def strict(name, operands):
    """NULL if any operand is."""
    return None if None in operands else STRICT[name](*operands)
