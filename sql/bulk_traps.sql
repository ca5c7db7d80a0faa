-- Many events of one statement that write one row: what looks as if it could be added up, or computed in a variable, and must be done event by
-- event. Each rule gets its rows by one statement, and one by one; both must come to the same.
CREATE EXTENSION specql;
SET client_min_messages = warning;
CREATE SCHEMA trap;
CREATE COLLATION trap.any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE DOMAIN trap.fine AS numeric(10,4);
CREATE TABLE trap.flight (nr integer PRIMARY KEY, seats integer, taken integer DEFAULT 0, free integer GENERATED ALWAYS AS (seats - taken) STORED);
CREATE TABLE trap.word (w text COLLATE trap.any_case PRIMARY KEY, n integer DEFAULT 0);
CREATE TABLE trap.account (nr integer PRIMARY KEY, balance integer DEFAULT 0, top integer DEFAULT 0, numbered integer,
    fine numeric(8,2) DEFAULT 0);
CREATE FUNCTION trap.total() RETURNS integer LANGUAGE sql STABLE AS 'SELECT sum(balance)::integer FROM trap.account';
CREATE FUNCTION trap.balance_of(nr integer) RETURNS integer LANGUAGE sql STABLE AS 'SELECT a.balance FROM trap.account AS a WHERE a.nr = $1';
CREATE SEQUENCE trap.numbers;
SELECT count(*) > 0 AS applied FROM specql.apply($$
schema: trap
entity: Event
fields: {kind: text, account: integer, q: integer, part: "double precision", share: "decimal(10,4)", key: text, ordinality: integer}
---
entity: Flight
schema: trap
fields: {seats: integer, taken: integer, free: integer}
---
entity: Word
schema: trap
fields: {n: integer}
---
entity: Account
schema: trap
fields: {balance: integer, top: integer, numbered: integer, fine: "decimal(8,2)"}
---
entity: Entry
schema: trap
fields: {account: integer, after: integer}
---
schema: trap
actions:
  - name: on_flight
    on: insert Event
    condition: "kind = 'a generated column in WHERE'"
    steps:
      - update: Flight SET taken = taken + 1 WHERE nr = account AND free > 0
  - name: on_quota
    on: insert Event
    condition: "kind = 'a function in WHERE that reads the table'"
    steps:
      - update: Account SET balance = balance + q WHERE nr = account AND trap.total() < 5
  - name: on_total
    on: insert Event
    condition: "kind = 'a function in SET that reads the table'"
    steps:
      - update: Account SET balance = balance + trap.total() + q WHERE nr = account
  - name: on_top
    on: insert Event
    condition: "kind = 'the same, and no sum'"
    steps:
      - update: Account SET top = greatest(top, trap.total()), balance = balance + q WHERE nr = account
  - name: on_number
    on: insert Event
    condition: "kind = 'numbers of a sequence'"
    steps:
      - update: Account SET numbered = nextval('trap.numbers')::integer WHERE nr = account
  - name: on_entry
    on: insert Event
    condition: "kind = 'a function in another step'"
    steps:
      - update: Account SET balance = balance + q WHERE nr = account
      - insert: Entry SET
          account: "account"
          after: "trap.balance_of(account)"
  - name: on_exponent
    on: insert Event
    condition: "kind = 'an exponent'"
    steps:
      - update: Account SET fine = fine + q * 1e-3 WHERE nr = account
  - name: on_cast
    on: insert Event
    condition: "kind = 'a cast'"
    steps:
      - update: Account SET fine = fine + CAST(part AS numeric) WHERE nr = account
  - name: on_share
    on: insert Event
    condition: "kind = 'more digits than the column'"
    steps:
      - update: Account SET fine = fine + share WHERE nr = account
  - name: on_word
    on: insert Event
    condition: "kind = 'a collation that ignores case'"
    steps:
      - update: Word SET n = n + 1 WHERE w = key
  - name: on_ordinality
    on: insert Event
    condition: "kind = 'a field called ordinality'"
    steps:
      - update: Account SET top = greatest(top, ordinality) WHERE nr = account
$$, adopt => true);
CREATE FUNCTION trap.play(kind text, at_once boolean) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    r record;
BEGIN
    TRUNCATE trap.event, trap.flight, trap.account, trap.word, trap.entry;
    ALTER SEQUENCE trap.numbers RESTART;
    INSERT INTO trap.flight (nr, seats) VALUES (1, 2), (2, 1);
    INSERT INTO trap.account (nr) VALUES (1), (2);
    INSERT INTO trap.word VALUES ('pen');
    CREATE TEMP TABLE sent ON COMMIT DROP AS
        SELECT e.* FROM unnest(ARRAY[1,2,1,1,2], ARRAY[3,1,5,40,5], ARRAY['pen','PEN','Pen','ink','pen'], ARRAY[3,9,7,2,1])
            WITH ORDINALITY AS e(account, q, key, ordinality, n);
    IF at_once THEN
        INSERT INTO trap.event (kind, account, q, part, share, key, ordinality)
        SELECT play.kind, s.account, s.q, 0.005, 0.005, s.key, s.ordinality FROM sent AS s ORDER BY s.n;
    ELSE
        FOR r IN SELECT * FROM sent AS s ORDER BY s.n LOOP
            INSERT INTO trap.event (kind, account, q, part, share, key, ordinality)
            VALUES (play.kind, r.account, r.q, 0.005, 0.005, r.key, r.ordinality);
        END LOOP;
    END IF;
    DROP TABLE sent;
    RETURN (SELECT string_agg(f::text, ' ' ORDER BY nr) FROM trap.flight AS f) || ' ' || (SELECT string_agg(a::text, ' ' ORDER BY nr) FROM trap.account AS a)
        || ' ' || (SELECT string_agg(n::text, ' ' ORDER BY w) FROM trap.word) || ' '
        || coalesce((SELECT string_agg(e.account || ':' || e.after, ' ' ORDER BY e.account, e.after) FROM trap.entry AS e), '');
END $$;
SELECT k.kind, p.single = p.many AS same, CASE WHEN p.single <> p.many THEN p.many END AS many, p.single
FROM (SELECT substring(pg_get_function_sqlbody(to_regprocedure(a.capture || '()')), 'kind = ''([^'']*)''') AS kind, a.place
      FROM specql.action AS a WHERE a.relation = 'trap.event') AS k,
     LATERAL (SELECT trap.play(k.kind, true) AS many, trap.play(k.kind, false) AS single) AS p
ORDER BY k.place;
SELECT count(*) AS failed FROM specql.failures;

-- A rule that listens to the row sees each change of it, even if it is applied later, and by others.
SELECT count(*) > 0 AS applied FROM specql.apply($$
schema: trap
actions:
  - name: on_highest
    on: insert Event
    condition: "kind = 'highest'"
    steps:
      - update: Account SET top = greatest(top, q) WHERE nr = account
$$);
SELECT count(*) > 0 AS applied FROM specql.apply($$
schema: audit
entity: Seen
fields: {nr: integer, top: integer}
actions:
  - name: on_top
    on: update trap.Account.top
    steps:
      - insert: Seen SET
          nr: "new.nr"
          top: "new.top"
$$);
SELECT trap.play('highest', true) IS NOT NULL AS played;
SELECT nr, top FROM audit.seen ORDER BY id;
SELECT count(*) > 0 AS removed FROM specql.remove_schema('audit', true);
SELECT trap.play('highest', true) = trap.play('highest', false) AS same;

-- Columns with the names of what is generated around them.
CREATE TABLE trap.shape (place integer PRIMARY KEY, t integer, h integer, row_key integer, amount integer, handled_row integer, fits integer);
SELECT count(*) > 0 AS applied FROM specql.apply($$
schema: trap
entity: Shape
fields: {t: integer, h: integer, row_key: integer, amount: integer, handled_row: integer, fits: integer}
---
schema: trap
actions:
  - name: take_shapes
    pattern: bulk_operation
    operation: update
    params: {room: integer}
    steps:
      - update: Shape SET t = t + 1 WHERE h > 0 ORDER BY t LIMIT SUM(amount) <= room
      - notify: shapes "taken"
  - name: take_few
    pattern: bulk_operation
    operation: update
    params: {few: integer}
    steps:
      - update: Shape SET fits = fits + 1 WHERE h > 0 ORDER BY t LIMIT few
$$, adopt => true);
INSERT INTO trap.shape SELECT n, n * 10, 1, 7, 2, 9, 0 FROM generate_series(1, 4) AS n;
SELECT trap.take_shapes(5), trap.take_few(1), trap.take_few(NULL) AS none, trap.take_few(-1) AS none_either;
SELECT * FROM trap.shape ORDER BY place;
SELECT payload FROM specql.outbox WHERE channel = 'shapes' ORDER BY payload;
