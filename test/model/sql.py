"""Reads the SQL that stands in specs and statements: expressions, the sentences of steps, and plain statements.

Only the part of SQL that the model knows is read; everything else is a ParseError, and a bug of the generator.
"""
import json
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Optional


class ParseError(Exception):
    """Text that is no sentence of the language, or of the part of SQL that the model knows."""


@dataclass(frozen=True)
class Literal:
    value: Any


@dataclass(frozen=True)
class Name:
    """A name as written: its parts, in lower case unless quoted, and whether the first part stood in quotes."""
    parts: tuple
    quoted: bool = False

    @property
    def bare(self):
        return len(self.parts) == 1

    def __str__(self):
        return '.'.join(self.parts)


@dataclass(frozen=True)
class Operation:
    """An operator with its operands; 'not', 'is null', 'in', 'case', 'and' and calls of functions too."""
    name: str
    operands: tuple


TOKEN = re.compile(r"""\s*(?:
    (?P<number>\d+) |
    (?P<string>'(?:[^']|'')*') |
    (?P<quoted>"[^"]+") |
    (?P<word>[A-Za-z_][A-Za-z_0-9]*) |
    (?P<operator>::|\|\||<>|!=|<=|>=|->>|\#>>|[-+*/%=<>(),.;])
)""", re.X)

COMPARISONS = {'=', '<>', '<', '<=', '>', '>='}
# Words of SQL that cannot be a column's bare name.
RESERVED = {'order', 'end', 'and', 'or', 'not', 'case', 'when', 'then', 'else', 'in', 'is', 'null', 'true', 'false',
            'where', 'limit', 'from', 'set', 'select', 'desc', 'asc', 'via'}
# Names that are values of SQL itself; see "SQL's own names".
SQL_VALUES = {'user', 'current_user', 'session_user', 'current_role', 'current_catalog', 'current_schema',
              'current_date', 'current_time', 'current_timestamp', 'localtime', 'localtimestamp'}


def tokens_of(text):
    at, found = 0, []
    text = text.rstrip()
    while at < len(text):
        match = TOKEN.match(text, at)
        if not match:
            raise ParseError(f'not understood: {text[at:at + 30]!r}')
        found.append((match.lastgroup, match.group(match.lastgroup)))
        at = match.end()
    return found


class Parser:
    """Recursive descent with PostgreSQL's precedence of operators."""

    def __init__(self, text):
        self.tokens = tokens_of(text)
        self.at = 0

    # --- tokens -------------------------------------------------------------------------------------------------

    def peek(self, ahead=0):
        place = self.at + ahead
        return self.tokens[place] if place < len(self.tokens) else ('end', '')

    def next(self):
        token = self.peek()
        self.at += 1
        return token

    def is_word(self, word, ahead=0):
        kind, text = self.peek(ahead)
        return kind == 'word' and text.lower() == word

    def take(self, *words):
        """Takes these words or operators if all of them come next."""
        for ahead, word in enumerate(words):
            kind, text = self.peek(ahead)
            if kind not in ('word', 'operator') or text.lower() != word:
                return False
        self.at += len(words)
        return True

    def want(self, *words):
        if not self.take(*words):
            raise ParseError(f'{" ".join(words)} is missing before {self.peek()[1]!r}')

    def identifier(self):
        kind, text = self.next()
        if kind == 'word':
            return text.lower()
        if kind == 'quoted':
            return text[1:-1]
        raise ParseError(f'a name is missing before {text!r}')

    def finish(self):
        self.take(';')
        if self.peek()[0] != 'end':
            raise ParseError(f'{self.peek()[1]!r} follows the end')

    # --- expressions --------------------------------------------------------------------------------------------

    def expression(self):
        left = self.conjunction()
        while self.take('or'):
            left = Operation('or', (left, self.conjunction()))
        return left

    def conjunction(self):
        left = self.negation()
        while self.take('and'):
            left = Operation('and', (left, self.negation()))
        return left

    def negation(self):
        if self.take('not'):
            return Operation('not', (self.negation(),))
        return self.test()

    def test(self):
        left = self.comparison()
        while True:
            if self.take('is', 'null'):
                left = Operation('is null', (left,))
            elif self.take('is', 'not', 'null'):
                left = Operation('is not null', (left,))
            elif self.take('is', 'distinct', 'from'):
                left = Operation('is distinct from', (left, self.comparison()))
            elif self.take('is', 'not', 'distinct', 'from'):
                left = Operation('is not distinct from', (left, self.comparison()))
            else:
                return left

    def comparison(self):
        left = self.membership()
        kind, text = self.peek()
        text = '<>' if text == '!=' else text
        if kind == 'operator' and text in COMPARISONS:
            self.next()
            return Operation(text, (left, self.membership()))
        return left

    def membership(self):
        left = self.joined()
        negative = self.is_word('not') and self.is_word('in', 1)
        if self.take('not', 'in') or self.take('in'):
            self.want('(')
            found = Operation('in', (left, *self.list()))
            return Operation('not', (found,)) if negative else found
        return left

    def joined(self):
        left = self.sum()
        while self.peek() in (('operator', '||'), ('operator', '#>>'), ('operator', '->>')):
            left = Operation(self.next()[1], (left, self.sum()))
        return left

    def sum(self):
        left = self.product()
        while self.peek() in (('operator', '+'), ('operator', '-')):
            left = Operation(self.next()[1], (left, self.product()))
        return left

    def product(self):
        left = self.sign()
        while self.peek() in (('operator', '*'), ('operator', '/'), ('operator', '%')):
            left = Operation(self.next()[1], (left, self.sign()))
        return left

    def sign(self):
        if self.take('-'):
            inner = self.sign()
            return Literal(-inner.value) if isinstance(inner, Literal) else Operation('negative', (inner,))
        return self.cast()

    def cast(self):
        left = self.atom()
        while self.take('::'):
            left = Operation('cast', (left, Literal(self.identifier())))
        return left

    def list(self):
        found = [self.expression()]
        while self.take(','):
            found.append(self.expression())
        self.want(')')
        return found

    def atom(self):
        kind, text = self.peek()
        if kind == 'number':
            self.next()
            return Literal(int(text))
        if kind == 'string':
            self.next()
            return Literal(text[1:-1].replace("''", "'"))
        if self.take('('):
            inner = self.expression()
            self.want(')')
            return inner
        for word, value in (('null', None), ('true', True), ('false', False)):
            if self.take(word):
                return Literal(value)
        if self.take('case'):
            return self.case()
        if kind == 'word' and self.peek(1) == ('operator', '('):
            name = self.identifier()
            self.next()
            return Operation(name, () if self.take(')') else tuple(self.list()))
        if kind == 'word' and text.lower() in RESERVED and self.peek(1) != ('operator', '.'):
            raise ParseError(f'{text!r} is a word of SQL')
        return self.name()

    def name(self):
        quoted = self.peek()[0] == 'quoted'
        parts = [self.identifier()]
        while self.take('.'):
            parts.append(self.identifier())
        return Name(tuple(parts), quoted)

    def case(self):
        """CASE WHEN … THEN … ELSE … END, as condition, value, condition, value, …, else."""
        operands = []
        while self.take('when'):
            operands.append(self.expression())
            self.want('then')
            operands.append(self.expression())
        operands.append(self.expression() if self.take('else') else Literal(None))
        self.want('end')
        return Operation('case', tuple(operands))


def parse(text):
    """An expression, whole."""
    parser = Parser(text)
    found = parser.expression()
    parser.finish()
    return found


# --- the sentences of steps ----------------------------------------------------------------------------------------


@dataclass
class Sentence:
    """E VIA … SET … WHERE … ORDER BY … LIMIT …, what follows `update:` and `delete:`."""
    entity: str
    via: Optional[Name] = None
    assignments: list = field(default_factory=list)
    where: Any = None
    order: list = field(default_factory=list)
    limit: Any = None
    limit_sum: Any = None


def parse_sentence(text):
    parser = Parser(text)
    kind, entity = parser.next()
    found = Sentence(entity)
    if parser.take('via'):
        found.via = parser.name()
    if parser.take('set'):
        found.assignments = assignments(parser)
    if parser.take('where'):
        found.where = parser.expression()
    if parser.take('order', 'by'):
        while True:
            key = parser.expression()
            found.order.append((key, parser.take('desc')))
            parser.take('asc')
            if not parser.take(','):
                break
    if parser.take('limit'):
        if parser.take('sum', '('):
            found.limit_sum = parser.name()
            parser.want(')', '<=')
        found.limit = parser.expression()
    parser.finish()
    return found


def parse_set(text):
    """What follows `set:`, as (column, value) pairs."""
    parser = Parser(text)
    found = assignments(parser)
    parser.finish()
    return found


def assignments(parser):
    found = []
    while True:
        column = parser.identifier()
        parser.want('=')
        found.append((column, parser.expression()))
        if not parser.take(','):
            return found


def parse_call(text):
    """f(a, b): the function's name and its arguments."""
    call = parse(text)
    if not isinstance(call, Operation):
        raise ParseError(f'no call: {text}')
    return call.name, list(call.operands)


# --- statements that people type -----------------------------------------------------------------------------------


@dataclass
class Statement:
    """insert, update, delete, emit or call; of a table, an event or a function."""
    kind: str
    subject: str
    columns: list = field(default_factory=list)
    rows: list = field(default_factory=list)
    assignments: list = field(default_factory=list)
    where: Any = None
    payload: Any = None


@lru_cache(1000)
def parse_statement(text):
    parser = Parser(text)
    if parser.take('insert', 'into'):
        found = Statement('insert', table(parser))
        parser.want('(')
        while True:
            found.columns.append(parser.identifier())
            if not parser.take(','):
                break
        parser.want(')', 'values')
        while True:
            parser.want('(')
            found.rows.append(parser.list())
            if not parser.take(','):
                break
    elif parser.take('update'):
        found = Statement('update', table(parser))
        parser.want('set')
        found.assignments = assignments(parser)
        found.where = parser.expression() if parser.take('where') else Literal(True)
    elif parser.take('delete', 'from'):
        found = Statement('delete', table(parser))
        found.where = parser.expression() if parser.take('where') else Literal(True)
    elif parser.take('select', 'specql', '.', 'emit', '('):
        event, payload = parser.list()
        found = Statement('emit', event.value, payload=json.loads(payload.value))
    elif parser.take('select'):
        found = Statement('call', table(parser))
        parser.want('(')
        found.payload = [] if parser.take(')') else [e.value for e in parser.list()]
    else:
        raise ParseError(f'no statement: {text}')
    parser.finish()
    return found


def table(parser):
    """schema.table, of which the model knows one schema only."""
    parser.identifier()
    parser.want('.')
    return parser.identifier()
