"""Runs a case on specql: in one transaction, which is rolled back, so that nothing is left of it."""
import time

import psycopg2

from interpret import MAX_DEPTH
from outcome import Outcome

SCHEMA = 'm'


CASES = 50             # before what was rolled back makes the catalog slow


class Server:
    """One connection to a database of its own, that is made anew now and then."""

    def __init__(self, database='model'):
        self.database = database
        self.template = database + '_template'
        self.connection = None
        self.make(self.template, 'template1')
        with psycopg2.connect(dbname=self.template) as connection, connection.cursor() as cursor:
            cursor.execute('CREATE EXTENSION specql')
        connection.close()
        self.connect_afresh()

    def make(self, database, template):
        with_admin = self.connect_patiently('postgres')
        with_admin.autocommit = True
        with with_admin.cursor() as cursor:
            cursor.execute(f'DROP DATABASE IF EXISTS {database} WITH (FORCE)')
            cursor.execute(f'CREATE DATABASE {database} TEMPLATE {template}')
        with_admin.close()

    def connect_afresh(self):
        if self.connection:
            self.connection.close()
        self.make(self.database, self.template)
        self.cases = 0
        self.connection = psycopg2.connect(dbname=self.database)
        self.version = self.connection.server_version
        self.cursor = self.connection.cursor()
        self.cursor.execute(f'SET specql.max_cascade_depth = {MAX_DEPTH}')
        self.cursor.execute('SET client_min_messages = error')
        self.connection.commit()

    @staticmethod
    def connect_patiently(database):
        """A server that has crashed comes back by itself."""
        for _ in range(60):
            try:
                return psycopg2.connect(dbname=database)
            except psycopg2.OperationalError:
                time.sleep(1)
        return psycopg2.connect(dbname=database)

    def close(self):
        self.connection.close()

    def attempt(self, statement, *values):
        """Runs it in a savepoint: None, or the error."""
        self.cursor.execute('SAVEPOINT attempt')
        try:
            self.cursor.execute(statement, values or None)
            self.cursor.execute('RELEASE SAVEPOINT attempt')
        except psycopg2.OperationalError:
            raise
        except psycopg2.Error as error:
            self.cursor.execute('ROLLBACK TO SAVEPOINT attempt')
            return error
        return None

    def rows(self, query):
        self.cursor.execute(query)
        return self.cursor.fetchall()

    def run(self, text, statements, tables):
        """The Outcome of a spec's text and statements; tables are those to look at."""
        self.cases += 1
        if self.cases > CASES:
            self.connect_afresh()
        try:
            found = self.play(text, statements, tables)
        except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
            found = Outcome(why=str(error), statements=['the server crashes'])
            self.connect_afresh()
        self.connection.rollback()
        return found

    def play(self, text, statements, tables):
        self.cursor.execute(f'CREATE SCHEMA {SCHEMA}')
        refusal = self.attempt('SELECT * FROM specql.apply(%s)', text)
        if refusal:
            if refusal.pgcode != 'SQ100':
                return Outcome(statements=[f'apply fails with {refusal.pgcode}'], why=str(refusal))
            return Outcome(refused=True, why=str(refusal))
        found = Outcome()
        for statement in statements:
            failure = self.attempt(statement)
            found.statements.append(failure.pgcode if failure else None)
            if failure:
                found.why += f'{failure}\n'
        for table in tables:
            found.tables[table] = [row for row, in self.rows(f'SELECT to_jsonb(t) FROM {SCHEMA}."{table}" t')]
        found.deliveries = self.rows('''
            SELECT kind, coalesce(service, channel), coalesce(operation, message), split_part(action, '.', 2),
                   CASE WHEN aggregatetype LIKE 'm.%' THEN aggregateid END
            FROM specql.deliveries''')
        found.failures = self.rows('''
            SELECT split_part(action, '.', 2), sqlstate, CASE WHEN type LIKE 'm.%' THEN subject END
            FROM specql.failures''')
        found.why += '\n'.join(m for m, in self.rows('SELECT message FROM specql.failures'))
        return found
