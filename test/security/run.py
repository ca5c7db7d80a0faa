"""Tries the attacks of attacks/*.yaml, each in a database of its own, copied from one with the spec of start.yaml.

The last line is "N passed, N failed"."""
import pathlib
import re
import sys

import psycopg2
import yaml

HERE = pathlib.Path(__file__).parent
MODEL = 'security'            # every attack gets a copy of it
COPY = 'security_attack'
PATIENCE = 30000              # milliseconds; what takes longer hangs

ROLES = {
    'app': '',                # writes to the owner's tables, and no more
    'trigger_only': '',       # the same, with TRIGGER on them, and a schema of its own
    'owner': 'specql_admin',  # of the tables, and of the rules
    'admin': 'specql_admin',
    'other_admin': 'specql_admin',
}
KEYS = {'attack', 'in', 'as', 'before', 'sql', 'after', 'refused', 'holds'}


class Broken(Exception):
    """An attack that cannot be tried, or that did not end as it says."""


def connect(role, database):
    return psycopg2.connect(dbname=database, **({'user': role} if role else {}),
                            options=f'-c statement_timeout={PATIENCE} -c client_min_messages=error')


def run(role, sql, database=COPY):
    """Runs statements as a role that connects for them (None: the superuser); what the last one gave."""
    connection = connect(role, database)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def each(parts):
    """The steps of `before` and `after`: a text is for the superuser, a list has one role and its text in each item."""
    if parts is None:
        return []
    if isinstance(parts, str):
        return [(None, parts)]
    return [(role if role != 'superuser' else None, sql) for part in parts for role, sql in part.items()]


# ---- the model -------------------------------------------------------------------------------------------------------

def forget():
    for database in (COPY, MODEL):
        run(None, f'DROP DATABASE IF EXISTS {database} WITH (FORCE)', 'postgres')
    for role in ROLES:
        run(None, f'DROP ROLE IF EXISTS {role}', 'postgres')


def make_model():
    forget()
    run(None, f'CREATE DATABASE {MODEL}', 'postgres')
    for role in ROLES:
        run(None, f'CREATE ROLE {role} LOGIN', 'postgres')
    run(None, 'CREATE EXTENSION specql', MODEL)
    for role, group in ROLES.items():
        if group:
            run(None, f'GRANT {group} TO {role}', MODEL)
    start = yaml.safe_load((HERE / 'start.yaml').read_text())
    for role, sql in each(start['before']):
        run(role, sql, MODEL)
    connection = connect('owner', MODEL)
    with connection, connection.cursor() as cursor:
        cursor.execute('SELECT count(*) FROM specql.apply(%s)', (start['spec'],))
    connection.close()
    for role, sql in each(start['after']):
        run(role, sql, MODEL)


def make_copy(template):
    run(None, f'DROP DATABASE IF EXISTS {COPY} WITH (FORCE)', 'postgres')
    run(None, f'CREATE DATABASE {COPY} TEMPLATE {template}', 'postgres')
    run(None, f'GRANT CREATE ON DATABASE {COPY} TO owner, admin, other_admin, trigger_only', 'postgres')


# ---- one attack ------------------------------------------------------------------------------------------------------

def code_of(error, wanted):
    """The first of the codes that the error has: its SQLSTATE, or a code in what it says."""
    said = str(error)
    return next((code for code in wanted if str(code) == error.pgcode or re.search(rf'\b{code}\b', said)), None)


def try_one(attack):
    unknown = set(attack) - KEYS
    if unknown or 'sql' not in attack or not ({'refused', 'holds'} & set(attack)):
        raise Broken(f'an attack has attack, as, sql, and refused or holds; unknown: {sorted(unknown)}')
    make_copy('template1' if attack.get('in') == 'empty' else MODEL)
    for role, sql in each(attack.get('before')):
        try:
            run(role, sql)
        except psycopg2.Error as error:
            raise Broken(f'what comes before it failed: {error}') from error
    role = attack.get('as', 'app')
    outcome = 'it succeeded'
    refused = False
    try:
        run(role if role != 'superuser' else None, attack['sql'])
    except psycopg2.Error as error:
        if error.pgcode == '57014':
            raise Broken('it hangs') from error
        if 'refused' not in attack:
            raise Broken(f'it could not be tried: {error.pgcode} {error}') from error
        outcome = f'{error.pgcode} {error}'
        refused = bool(code_of(error, attack.get('refused', [])))
    for other, sql in each(attack.get('after')):
        try:
            run(other, sql)
        except psycopg2.Error as error:
            # The victim's statement may fail; what matters is what it has done.
            outcome += f'; afterwards {other or "the superuser"} got {error.pgcode} {error}'
    if 'refused' in attack and not refused:
        raise Broken(f'not refused with {", ".join(map(str, attack["refused"]))}: {outcome}')
    if 'holds' in attack and run(None, attack['holds']) != [(True,)]:
        raise Broken(f'afterwards this does not hold: {attack["holds"].strip()}\n{outcome}')


# ---- what is installed ----------------------------------------------------------------------------------------------

FUNCTIONS = """
SELECT format('%s(%s)', p.proname, oidvectortypes(p.proargtypes)), has_function_privilege(%s::name, p.oid, 'EXECUTE'), p.prosecdef
FROM pg_proc AS p WHERE p.pronamespace = 'specql'::regnamespace"""
RELATIONS = """
SELECT c.relname, has_table_privilege(%s::name, c.oid, 'SELECT'), has_table_privilege(%s::name, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER')
FROM pg_class AS c WHERE c.relnamespace = 'specql'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition"""
# SQL-standard bodies are bound when they are made; procedures that commit, and what must see the caller's path, can set none.
WITHOUT_PATH = {'uuid_time', 'continue_replay', 'run_replay', 'remove', 'state_at'}


def ask(sql, *values):
    connection = connect(None, MODEL)
    with connection, connection.cursor() as cursor:
        cursor.execute(sql.replace("'%s(%s)'", "'%%s(%%s)'"), values)
        found = cursor.fetchall()
    connection.close()
    return found


def may(who, role):
    return who == 'everybody' or who == 'specql_admin' and bool(ROLES[role])


def check_rights():
    """What differs from functions.yaml, a sentence each."""
    known = yaml.safe_load((HERE / 'functions.yaml').read_text())
    wrong = []
    for role in ROLES:
        for name, allowed, definer in ask(FUNCTIONS, role):
            if name not in known['functions']:
                wrong.append(f'{name} is not in functions.yaml')
                continue
            who, rights, _ = known['functions'][name]
            if allowed != may(who, role):
                wrong.append(f'{role} may {"" if allowed else "not "}call {name}')
            if definer != (rights == 'owner of the extension'):
                wrong.append(f'{name} works with the rights of its {"owner" if definer else "caller"}')
        for name, readable, writable in ask(RELATIONS, role, role):
            if name not in known['relations']:
                wrong.append(f'{name} is not in functions.yaml')
            elif readable != may(known['relations'][name][0], role) or writable:
                wrong.append(f'{role} may {"write" if writable else "read" if readable else "not read"} {name}')
    installed = {name for name, _, _ in ask(FUNCTIONS, 'app')} | {name for name, _, _ in ask(RELATIONS, 'app', 'app')}
    wrong += [f'{name} is in functions.yaml only' for part in known.values() for name in part if name not in installed]
    return sorted(set(wrong))


def check_paths():
    """Functions whose names could be looked up where an attacker makes objects, as pgspot looks for them."""
    found = ask("""
        SELECT p.proname, p.prosecdef, coalesce('search_path=pg_catalog, pg_temp' = ANY (p.proconfig), false), l.lanname
        FROM pg_proc AS p JOIN pg_language AS l ON l.oid = p.prolang WHERE p.pronamespace = 'specql'::regnamespace""")
    return sorted({f'{name} has no search_path of its own' for name, definer, has_path, language in found
                   if not has_path and (definer or language != 'c' and name not in WITHOUT_PATH)})


CHECKS = {'every function and relation is for whom functions.yaml says': check_rights,
          'no function looks names up where others make objects': check_paths}


def selected(attack, file, names):
    return not names or any(name == file.stem or name in attack['attack'] for name in names)


def main(names):
    make_model()
    passed = failed = refused = succeeded = 0
    for sentence, check in CHECKS.items():
        if names:
            continue
        wrong = check()
        passed += not wrong
        failed += bool(wrong)
        print(f'{"not " if wrong else ""}ok - {sentence}')
        print(''.join(f'    {line}\n' for line in wrong), end='')
    for file in sorted((HERE / 'attacks').glob('*.yaml')):
        for attack in yaml.safe_load(file.read_text()) or []:
            if not selected(attack, file, names):
                continue
            try:
                try_one(attack)
                refused += 1
                print(f'ok - {file.stem}: {attack["attack"]}', flush=True)
            except (Broken, psycopg2.Error) as error:
                succeeded += 1
                print(f'not ok - {file.stem}: {attack["attack"]}', flush=True)
                print('\n'.join('    ' + line for line in str(error).splitlines()), flush=True)
    print(f'{refused} attacks refused, {succeeded} succeeded')
    forget()
    passed += refused
    failed += succeeded
    print(f'{passed} passed, {failed} failed')
    return 0 if failed == 0 and passed > 0 else 1


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
