-- Generated tests of what is done with answers: the test answers the calls itself, with responses that have what the steps read.
\i sql/include/suites.psql

SELECT count(*) > 0 FROM specql.apply($$
entity: Purchase
schema: till
fields:
  number: integer!
  amount: decimal(12,2)!
  customer: ref(Customer)
  card: {type: text, private: true}
  charge_id: text
  fee: decimal(12,2)
  status: text = 'open'
actions:
  - name: on_purchase
    on: insert Purchase
    condition: "new.amount > 0"
    steps:
      - update: Purchase SET status = 'charging'
      - call_external: payments "charge" SET number = number, amount = amount, known = card IS NOT NULL
        on_response:
          - if: "response->>'result' = 'ok'"
            then:
              - update: Purchase SET charge_id = response->>'id', fee = (response->'cost'->>'fee')::numeric, status = 'paid'
              - call_external: mail "receipt" SET to = customer.email, number = number, charge = response->>'id', was = current.status
                on_response:
                  - update: Purchase SET status = current.status || ', receipt ' || response_text
            else:
              - update: Purchase SET status = 'refused'
        on_failure:
          - update: Purchase SET status = 'failed'
          - insert: Complaint SET number = number, why = error, tried = attempts
          - notify: billing_{number} "Charge of purchase {number} failed: {error}"
---
entity: Customer
schema: till
fields: {email: text!}
---
entity: Complaint
schema: till
fields: {number: integer, why: text, tried: integer}
---
service: payments
---
service: mail
---
schema: till
actions:
  - name: on_refund
    on: event refund_wanted
    params: {number: integer, reason: text}
    steps:
      - call_external: payments "refund" SET number = number
        on_response:
          - insert: Complaint SET
              number: number
              why: "reason || ' ' || (response #>> '{refund,id}')"
        on_failure:
          - emit: refund_failed SET number = number, error = error
$$);
SELECT * FROM specql.runtests('till.event_driven_test');
-- What the test said to the receivers, and what a broken handler does, is noticed.
CREATE FUNCTION pg_temp.noticed(what text, into_ text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    f oid;
    lines text[];
BEGIN
    FOR f IN SELECT p.oid FROM pg_proc AS p WHERE p.pronamespace = 'till'::regnamespace AND strpos(p.prosrc, what) > 0 LOOP
        EXECUTE replace(pg_get_functiondef(f), what, into_);
        lines := lines || ARRAY(SELECT t.line FROM specql.runtests('till.event_driven_test') AS t(line) WHERE t.line LIKE 'not ok%');
        EXECUTE replace(pg_get_functiondef(f), into_, what);
    END LOOP;
    RETURN QUERY SELECT split_part(l, E'\n', 1) FROM unnest(lines) AS l;
END $$;
SELECT * FROM pg_temp.noticed('''known'', ', '''knows'', ');
SELECT * FROM pg_temp.noticed('#>> ''{refund,id}''', '#>> ''{refund,no}''');
SELECT * FROM pg_temp.noticed('''failed''', '''fail''');
SELECT * FROM pg_temp.noticed('e.attempts', 'e.attempts + 1');
SELECT * FROM pg_temp.noticed('''was'', ', '''had'', ');
SELECT * FROM pg_temp.noticed('= ''ok''', '= ''OK''');
-- A private field that leaves is noticed.
DROP TRIGGER specql_capture ON till.purchase;
CREATE TRIGGER specql_capture AFTER INSERT OR UPDATE OR DELETE ON till.purchase FOR EACH ROW EXECUTE FUNCTION specql.capture();
SELECT split_part(line, E'\n', 1) FROM specql.runtests('till.event_driven_test') AS t(line) WHERE line LIKE 'not ok%';
