-- Generated tests of steps that say what leaves: its keys, its messages and its channels are computed beside the handler, and compared.
\i sql/include/suites.psql

SELECT count(*) > 0 FROM specql.apply($$
entity: Customer
schema: desk
fields:
  name: text!
  vip: boolean = false
  credit: integer = 0
actions:
  - name: on_customer
    on: insert Customer
    steps:
      - call_external: crm "add" SET name = name, letter = left(name, 1), credit = credit + 1
      - notify: customer_{credit} "{name} has {credit}, vip {vip}" SET credit = credit
  - name: on_credit
    on: update Customer.credit
    on_error: abort
    steps:
      - validate: "new.credit >= 0"
        error: "{name} cannot owe {-new.credit}"
      - if: "new.credit > 100"
        then:
          - escalate: {channel: "{name}_desk", message: "{old.credit} to {new.credit}", payload: {}}
  - name: on_complaint
    on: event complaint
    params: {severity: integer, who: text}
    steps:
      - call_external: crm "complain" SET severity = severity, who = upper(who)
      - notify: severity_{severity} "{who}"
$$);
SELECT * FROM specql.runtests('desk.event_driven_test');
-- A handler that says something else is noticed.
CREATE OR REPLACE FUNCTION pg_temp.change(what text, into_ text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    f oid;
BEGIN
    FOR f IN SELECT p.oid FROM pg_proc AS p WHERE p.pronamespace = 'desk'::regnamespace AND p.prosrc LIKE '%' || what || '%' LOOP
        EXECUTE replace(pg_get_functiondef(f), what, into_);
    END LOOP;
END $$;
SELECT pg_temp.change('e.credit + 1', 'e.credit + 2'), pg_temp.change('cannot owe', 'must not owe'), pg_temp.change('severity_', 'severe_');
SELECT * FROM specql.runtests('desk.event_driven_test') AS t(line) WHERE line LIKE 'not ok%';
