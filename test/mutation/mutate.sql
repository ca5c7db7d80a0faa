-- Breaks generated functions and registrations one by one, and looks whether the suites notice. Two sessions, each in a
-- database of its own, share the work: :part is 0 or 1.
\set ON_ERROR_STOP 1
SET client_min_messages = error;
CREATE EXTENSION specql;
CREATE EXTENSION pgtap;
\set spec `cat examples/inventory/inventory_events.yaml`
\set advanced `cat examples/inventory/advanced.yaml`
\set orders `cat examples/orders/orders.yaml`
SELECT count(*) > 0 AS applied FROM specql.apply(:'spec');
SELECT count(*) > 0 AS applied FROM specql.apply(:'advanced', schema => 'inventory');
\set fraud `cat examples/fraud/fraud.yaml`
\set incidents `cat examples/incidents/incidents.yaml`
\set sensors `cat examples/sensors/sensors.yaml`
SELECT count(*) > 0 AS applied FROM specql.apply(:'orders');
SELECT count(*) > 0 AS applied FROM specql.apply(:'fraud');
SELECT count(*) > 0 AS applied FROM specql.apply(:'incidents');
SELECT count(*) > 0 AS applied FROM specql.apply(:'sensors');
\set leave `cat examples/leave/leave.yaml`
SELECT count(*) > 0 AS applied FROM specql.apply(:'leave');
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: PageCount
schema: tally
key: page
fields:
  page: text
  visits: integer = 0
  longest: integer
---
entity: PageView
schema: tally
fields:
  page: text!
  seconds: integer
actions:
  - name: on_page_view
    on: insert PageView
    steps:
      - upsert: PageCount ON (page) SET page = page, visits = visits + 1, longest = seconds
---
entity: Ticket
schema: tally
fields:
  state: enum(open, closed) = 'open'
  note: text
actions:
  - name: close
    pattern: composite/workflow_orchestrator
    workflow:
      - {step: check, condition: "state = 'open'", error: "it is {state}"}
      - step: set
        action: update
        fields: {state: "'closed'", note: reason}
$$);
\i test/mutation/mutants.sql
\i test/mutation/states.sql
\i test/mutation/windows.sql

-- What is as it was generated passes.
SELECT format('%s - %s as it was generated: %s', CASE WHEN bool_and(l NOT LIKE 'not ok%') THEN 'ok' ELSE 'not ok' END, s.suite,
              string_agg(l, E'\n') FILTER (WHERE l LIKE 'not ok%'))
FROM (SELECT t.suite, row_number() OVER (ORDER BY t.suite) AS n FROM specql.test_suites() AS t
      WHERE t.suite IN (SELECT m.suite FROM mutant AS m)) AS s, specql.runtests(s.suite) AS l
WHERE s.n % 2 = :part GROUP BY s.suite ORDER BY s.suite;

CREATE FUNCTION pg_temp.run(m mutant) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    definition text := coalesce(m.change, pg_get_functiondef(m.function));
    place integer := 1;
    lines text[];
    failed text[];
BEGIN
    FOR i IN 1..coalesce(m.nth, 0) LOOP
        IF strpos(substr(definition, place), m.old) = 0 THEN
            RETURN format('not ok - %s: %s has no %s', m.name, m.function, m.old);
        END IF;
        place := place + strpos(substr(definition, place), m.old);
    END LOOP;
    definition := CASE WHEN m.change IS NOT NULL THEN m.change WHEN m.nth = 0 THEN m.new
                       ELSE overlay(definition PLACING m.new FROM place - 1 FOR length(m.old)) END;
    BEGIN
        EXECUTE definition;
        lines := ARRAY(SELECT specql.runtests(m.suite));
        RAISE EXCEPTION USING ERRCODE = 'ZZ001';
    EXCEPTION WHEN SQLSTATE 'ZZ001' THEN
        NULL;
    END;
    failed := ARRAY(SELECT regexp_replace(split_part(l, E'\n', 1), '^not ok \d+ - ', '') FROM unnest(lines) AS l WHERE l LIKE 'not ok%');
    IF EXISTS (SELECT FROM unnest(failed) AS f WHERE f LIKE m.noticed) THEN
        RETURN format('ok - %s: %s tests failed', m.name, cardinality(failed));
    END IF;
    RETURN format(E'not ok - %s: "%s" should have failed\n# failed instead: %s', m.name, m.noticed, array_to_string(failed, E'\n#   '));
END $$;

-- A statement for each, so that the memory of one is given back before the next.
SELECT format('SELECT pg_temp.run(m) FROM mutant AS m WHERE m.n = %s;', m.n) FROM mutant AS m
WHERE m.n % 2 = :part ORDER BY m.n \gexec

\i test/mutation/where.sql

-- Nothing of all this has stayed.
SELECT CASE WHEN (SELECT count(*) FROM inventory.product) + (SELECT count(*) FROM sales.backorder)
               + (SELECT count(*) FROM inventory.inventory_event) + (SELECT count(*) FROM inventory.inventory_event_log)
               + (SELECT count(*) FROM specql.events) + (SELECT count(*) FROM specql.deliveries)
               + (SELECT count(*) FROM specql.window_event) + (SELECT count(*) FROM specql.window_key)
               + (SELECT count(*) FROM specql.window_entry) + (SELECT sum(evaluated + matches) FROM specql.window_rule)
               + (SELECT count(*) FROM hr.leave) + (SELECT count(*) FROM tally.ticket) + (SELECT count(*) FROM bank.account) + (SELECT count(*) FROM ops.service) + (SELECT count(*) FROM plant.sensor)
               + (SELECT count(*) FROM pg_proc WHERE proname LIKE 'specql_test%') = 0
            THEN 'ok' ELSE 'not ok' END || ' - the tests leave no trace';
