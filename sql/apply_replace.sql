-- Functions that change keep their grants, their owner, and the views that use them.
CREATE EXTENSION specql;
SET client_min_messages = warning;
CREATE SCHEMA bay;
CREATE ROLE specql_clerk;
CREATE ROLE specql_boss;
CREATE ROLE specql_author;
SELECT $$
entity: Dock
schema: bay
fields: {room: integer}
---
entity: Crate
schema: bay
fields: {dock_id: uuid, quantity: integer, state: "enum(waiting, stored)", made_at: timestamp}
---
schema: bay
actions:
  - name: store_crates
    pattern: batch/bulk_operation
    operation: update
    steps:
      - update: Crate SET state = 'stored'
        WHERE dock_id = dock_id AND state = 'waiting' ORDER BY made_at LIMIT SUM(quantity) <= room
      - notify: clerks "stored"
$$ AS spec \gset
SELECT replace(:'spec', '"stored"', '"put away"') AS changed \gset
SELECT count(*) FROM specql.apply(:'spec');
GRANT EXECUTE ON FUNCTION bay.store_crates(uuid) TO specql_clerk;
GRANT EXECUTE ON FUNCTION bay.store_crates(uuid) TO specql_boss WITH GRANT OPTION;
ALTER FUNCTION bay.store_crates(uuid) OWNER TO specql_author;
CREATE VIEW bay.stored AS SELECT d.id, bay.store_crates(d.id) FROM bay.dock d;
SELECT action, kind, object, split_part(sql, E'\n', 1) AS begins, sql ~ 'REVOKE' AS revokes FROM specql.plan(:'changed') WHERE action <> 'unchanged';
SELECT action, kind, object FROM specql.apply(:'changed') WHERE action <> 'unchanged';
SELECT proacl, pg_get_userbyid(proowner) AS owner, prosrc ~ 'put away' AS changed FROM pg_proc WHERE oid = 'bay.store_crates(uuid)'::regprocedure;
-- One that was patched by hand, too.
CREATE OR REPLACE FUNCTION bay.store_crates(p_dock_id uuid) RETURNS integer LANGUAGE sql AS 'SELECT 0';
SELECT action, kind, object, detail FROM specql.apply(:'changed') WHERE action <> 'unchanged';
SELECT proacl, pg_get_userbyid(proowner) AS owner, prosrc ~ 'put away' AS changed FROM pg_proc WHERE oid = 'bay.store_crates(uuid)'::regprocedure;

-- Types with a length, and a name in quotes, are no other signature.
SELECT $$
entity: Ticket
schema: bay
fields: {"price each": "numeric(10,2)", code: varchar(5), event_type: "enum(sold, refunded)"}
actions:
  - name: on_ticket
    on: update Ticket.code
    steps:
      - notify: clerks "ticket"
$$ AS ticket \gset
SELECT count(*) > 0 AS made FROM specql.apply(:'ticket');
SELECT object FROM specql.apply(:'ticket');
CREATE OR REPLACE FUNCTION bay.create_ticket("p_price each" numeric, p_code varchar, p_event_type text) RETURNS uuid LANGUAGE sql AS 'SELECT NULL::uuid';
SELECT object, split_part(sql, E'\n', 1) AS begins FROM specql.plan(:'ticket') WHERE action <> 'unchanged';

-- Where the columns of the result change PostgreSQL wants it dropped: what was granted is granted again.
SELECT $$
schema: bay
actions:
  - name: on_crate
    on: insert Crate
    steps:
      - insert: Dock SET
          room: "quantity"
$$ AS spec \gset
SELECT replace(:'spec', '"quantity"', '"length(state)"') AS changed, replace(:'spec', '"quantity"', '"quantity + 1"') AS same \gset
SELECT count(*) FROM specql.apply(:'spec');
REVOKE ALL ON FUNCTION bay.crate_rows(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION bay.crate_rows(integer) TO specql_clerk;
ALTER FUNCTION bay.crate_rows(integer) OWNER TO specql_author;
SELECT action, object, split_part(sql, E'\n', 1) AS begins FROM specql.plan(:'same') WHERE action <> 'unchanged';
SELECT action, object, split_part(sql, E'\n', 1) AS begins, substring(sql FROM '\nALTER.*') AS ends FROM specql.plan(:'changed') WHERE action <> 'unchanged';
GRANT CREATE ON SCHEMA bay TO specql_author;
-- An object of somebody else's that uses it stays; the error says so.
CREATE VIEW bay.watched AS SELECT * FROM bay.crate_rows(1);
SELECT action, kind, object FROM specql.apply(:'changed') WHERE action <> 'unchanged';
DROP VIEW bay.watched;
SELECT action, kind, object FROM specql.apply(:'changed') WHERE action <> 'unchanged';
SELECT proacl, pg_get_userbyid(proowner) AS owner FROM pg_proc WHERE oid = 'bay.crate_rows(integer)'::regprocedure;
INSERT INTO bay.crate (quantity, state) VALUES (2, 'waiting');
SELECT room FROM bay.dock;

DROP SCHEMA bay CASCADE;
DROP ROLE specql_clerk, specql_boss, specql_author;
