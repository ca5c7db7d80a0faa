-- Correlations: the vectors of the language, keys, absence and its deadline, timeouts; and tests of rules over history.
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE EXTENSION specql;
CREATE TABLE fired (seq bigint GENERATED ALWAYS AS IDENTITY, rule text, minute numeric, members bigint, key text);
CREATE FUNCTION minute_of(at timestamptz) RETURNS numeric LANGUAGE sql AS $$
    SELECT trim_scale(round(extract(epoch FROM at AT TIME ZONE 'UTC' - (at AT TIME ZONE 'UTC')::date) / 60, 4))
$$;
-- "a0 b9.99": events and minutes on a day of their own; then what they led to.
CREATE PROCEDURE story(day date, events text, data jsonb DEFAULT '{}') LANGUAGE plpgsql AS $$
DECLARE
    e text;
BEGIN
    FOREACH e IN ARRAY string_to_array(events, ' ') LOOP
        PERFORM specql.emit(left(e, 1), data, (day::timestamp + substr(e, 2)::numeric * interval '1 minute') AT TIME ZONE 'UTC');
    END LOOP;
    COMMIT;
    PERFORM specql.drain();
    COMMIT;
    RAISE INFO '%: %', events, coalesce((SELECT string_agg(concat_ws(' ', f.rule, f.minute || ':' || f.members, f.key), ', ' ORDER BY f.seq)
                                         FROM fired AS f), 'nothing');
    TRUNCATE fired;
END $$;
SELECT action, kind, object, detail FROM specql.apply($$
schema: app
actions:
  - name: both
    triggers: [a, b]
    correlation_window: "10 minutes"
    condition: "a AND b"
    steps:
      - insert: public.fired SET
          rule: "'both'"
          minute: "public.minute_of(last_at)"
          members: "match_count"
  - name: one_of
    triggers: [a, b, c]
    correlation_window: "10 minutes"
    condition: "a AND (b OR c)"
    steps:
      - insert: public.fired SET
          rule: "'one_of'"
          minute: "public.minute_of(last_at)"
          members: "match_count"
$$);
CALL story('2020-01-01', 'a0 b5');
CALL story('2020-01-02', 'b0 a5');
CALL story('2020-01-03', 'a0 a1 c2');
CALL story('2020-01-04', 'b0 c1');
CALL story('2020-01-05', 'a0 b10');
CALL story('2020-01-06', 'a0 b9.99');
-- Both in one transaction; one of two rolled back.
BEGIN;
SELECT specql.emit('a', '{}', '2020-01-07 00:00 UTC') IS NOT NULL, specql.emit('b', '{}', '2020-01-07 00:00 UTC') IS NOT NULL;
COMMIT;
SELECT specql.drain();
SELECT rule, minute, members FROM fired ORDER BY rule;
TRUNCATE fired;
BEGIN;
SELECT specql.emit('a', '{}', '2020-01-08 00:00 UTC') IS NOT NULL;
ROLLBACK;
SELECT specql.emit('b', '{}', '2020-01-08 00:00 UTC') IS NOT NULL;
SELECT specql.drain();
SELECT rule, minute, members FROM fired ORDER BY rule;

-- Keys: one name for all, or one for each; of payloads and of rows. Who has none matches nobody.
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Payment
schema: app
fields:
  order_ref: text
  amount: numeric
actions:
  - name: keyed
    triggers: [k, payment_created]
    correlation_window: "10 minutes"
    correlate_by: {k: order_id, payment_created: order_ref}
    condition: "k AND payment_created"
    params: {order_id: text}
    steps:
      - insert: public.fired SET
          rule: "'keyed'"
          members: "match_count"
          key: "order_id"
$$);
SELECT specql.emit('k', '{"order_id": "o1"}') IS NOT NULL, specql.emit('k', '{"order_id": "o2"}') IS NOT NULL,
       specql.emit('k', '{"order": "o3"}') IS NOT NULL, specql.emit('k', '{"order_id": null}') IS NOT NULL;
INSERT INTO app.payment (order_ref, amount) VALUES ('o2', 1), ('o3', 2), (NULL, 3);
SELECT specql.drain();
SELECT rule, members, key FROM fired;
SELECT key, counts, matches, missing_keys FROM specql.windows WHERE action = 'app.keyed' ORDER BY key NULLS FIRST;
TRUNCATE fired;

-- Absence is known at the deadline, by the engine's clock.
SELECT count(*) > 0 AS applied FROM specql.apply($$
schema: app
actions:
  - name: unpaid
    triggers: [o, p]
    correlation_window: "10 minutes"
    correlate_by: id
    condition: "o AND NOT p"
    steps:
      - insert: public.fired SET
          rule: "'unpaid'"
          minute: "public.minute_of(last_at)"
          members: "match_count"
          key: "match_key"
  - name: pair_or_not
    triggers: [x, y]
    correlation_window: "10 minutes"
    condition: "x AND y"
    steps:
      - insert: public.fired SET
          rule: "'pair'"
          minute: "public.minute_of(last_at)"
          members: "match_count"
    on_timeout:
      - insert: public.fired SET
          rule: "'alone'"
          minute: "public.minute_of(last_at)"
          members: "match_count"
$$);
SELECT pg_get_functiondef('app.handle_pair_or_not_events'::regproc);
CALL story('2020-02-01', 'o0 p9.99', '{"id": 1}');
CALL story('2020-02-02', 'p0 o9.99', '{"id": 1}');
CALL story('2020-02-03', 'o0', '{"id": 1}');
CALL story('2020-02-04', 'o0 p10', '{"id": 1}');
CALL story('2020-02-05', 'x0 y5');
CALL story('2020-02-06', 'x0');
CALL story('2020-02-07', 'x0 x3 y12');
-- Now: not yet; later: yes. Nothing sleeps.
SELECT specql.emit('o', '{"id": 7}') IS NOT NULL;
SELECT specql.drain();
SELECT key, deadline - last_at AS deadline FROM specql.windows WHERE action = 'app.unpaid' AND key = '7';
SELECT specql.next_work(3600000) BETWEEN 1 AND 600000 AS worker_waits;
SET specql.clock_offset = '5 min';
SELECT specql.drain();
SELECT count(*) FROM fired;
SET specql.clock_offset = '10 min';
SELECT specql.drain();
SELECT rule, members, key FROM fired;
SELECT specql.drain();
RESET specql.clock_offset;
TRUNCATE fired;

-- A rule that is not applied, over the history there is.
SELECT action, minute_of(at) AS minute, key, count, cardinality(event_ids) AS ids FROM specql.backtest($$
schema: app
actions:
  - name: tried
    triggers: [a, b]
    correlation_window: "10 minutes"
    condition: "a AND b"
    steps:
      - notify: somebody "both"
$$, '2020-01-01', '2020-01-31');
SELECT action, minute_of(at) AS minute, key, count FROM specql.backtest($$
schema: app
actions:
  - name: tried
    triggers: [o, p]
    correlation_window: "10 minutes"
    correlate_by: id
    condition: "o AND NOT p"
    steps:
      - notify: somebody "nothing came"
$$, '2020-02-02', '2020-02-28');
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: StockEvent
schema: app
fields:
  event_type: enum(low_stock, restock)
  product_id: uuid
  quantity: integer
  occurred_at: timestamp
$$);
INSERT INTO app.stock_event (event_type, quantity, product_id, occurred_at)
SELECT CASE WHEN i % 4 = 0 THEN 'restock' ELSE 'low_stock' END, i, ('00000000-0000-7000-8000-00000000000' || i % 2)::uuid,
       timestamptz '2020-03-01 00:00 UTC' + i * interval '10 min'
FROM generate_series(1, 12) AS i;
SELECT action, minute_of(at) AS minute, key, count FROM specql.backtest($$
schema: app
actions:
  - name: thrice
    trigger: often_low
    condition: "COUNT(low_stock_events) >= 3 WITHIN 30 minutes"
    steps:
      - notify: somebody "low"
  - name: by_product
    trigger: often_low
    condition: "SUM(low_stock_events.quantity) > 10 WITHIN 1 hour BY product_id"
    after_match: every
    steps:
      - notify: somebody "low"
$$, since => '2020-01-01');
SELECT count(*) FROM specql.actions WHERE action IN ('app.thrice', 'app.tried');
-- Only history that is there counts; what is wrong with the spec is said as apply would.
SELECT * FROM specql.backtest($$
schema: app
actions:
  - name: thrice
    trigger: often_low
    condition: "COUNT(low_stokc_events) >= 3 WITHIN 30 minutes"
    steps:
      - notify: somebody "low"
$$, since => '2020-01-01');
SELECT * FROM specql.backtest('entity: Nothing', '2020-01-01');
