-- Calls that wait for one another: what a service may say of it, and consumers, who get the last one of a key.
\set VERBOSITY terse
\pset format unaligned
SET client_min_messages = warning;
CREATE EXTENSION specql;

-- ---- what may be said ----------------------------------------------------------------------------------------------
DO $$
DECLARE
    options text;
BEGIN
    FOREACH options IN ARRAY ARRAY['{"batch": 5}', '{"batch": {"size": 0, "wait": "1 s"}}', '{"batch": {"size": 10001, "wait": "1 s"}}',
        '{"batch": {"size": 5}}', '{"batch": {"size": 5, "wait": "-1 s"}}', '{"batch": {"size": 5, "wait": "2 hours"}}',
        '{"batch": {"size": 5, "wait": "1 s", "max": 3}}', '{"coalesce": "a"}', '{"coalesce": {"key": 1, "wait": "1 s"}}',
        '{"coalesce": {"key": "", "wait": "1 s"}}', '{"coalesce": {"key": "a", "wait": "soon"}}', '{"coalesce": {"key": "a", "wait": "2 days"}}'] LOOP
        BEGIN
            PERFORM specql.register_service('s', 'http://x.example/', options => options::jsonb);
            RAISE WARNING 'accepted: %', options;
        EXCEPTION WHEN invalid_parameter_value THEN
            RAISE WARNING '%', SQLERRM;
        END;
    END LOOP;
END $$;
SELECT specql.register_service('s', NULL, options => '{"batch": {"size": 5, "wait": "1 s"}}');
SELECT specql.register_service('s', 'http://x.example/', format => 'hasura', operations => '{"a": {"batch": {"size": 5, "wait": "1 s"}}}');
SELECT specql.register_service('s', 'http://x.example/', operations => '{"a": {"batch": {"size": 5}}}');

-- ---- the last one of a key, for consumers ----------------------------------------------------------------------------
SELECT FROM specql.register_service('feed', NULL, options => '{"coalesce": {"key": "id", "wait": "1 min"}}',
    operations => '{"b": {"coalesce": {"key": "new.id", "wait": "10 min"}}}');
-- As if time had gone by.
CREATE FUNCTION pass(span interval) RETURNS void LANGUAGE sql AS $$
    UPDATE specql.outbox SET available_at = available_at - $1 $$;
CREATE FUNCTION call(operation text, payload jsonb) RETURNS void LANGUAGE sql AS $$
    SELECT FROM specql.call_external('feed', $1, NULL, $2) $$;
CREATE VIEW calls AS
    SELECT operation, payload, status, attempts, regexp_replace(last_error, '[0-9a-f-]{36}', (
        SELECT l.payload::text FROM specql.deliveries AS l WHERE d.last_error = 'replaced by ' || l.id)) AS last_error
    FROM specql.deliveries AS d WHERE service = 'feed' ORDER BY created_at, id;
SELECT call('a', '{"id": 1, "n": 1}'), call('a', '{"id": 2, "n": 2}'), call('a', '{"id": 1, "n": 3}');
SELECT call('a', '{"id": null, "n": 4}'), call('a', '{"n": 5}'), call('c', '{"id": 1, "n": 6}');
SELECT call('b', '{"old": {"id": 9}, "new": {"id": 1}, "n": 7}'), call('b', '{"old": null, "new": {"id": 1}, "n": 8}');
SELECT count(*) AS before_its_time FROM specql.take('feed', 10);
SELECT pass('50 s');
-- The wait is that of the first one.
SELECT call('a', '{"id": 1, "n": 9}');
SELECT count(*) AS before_its_time FROM specql.take('feed', 10);
SELECT pass('10 s');
SELECT operation, payload FROM specql.take('feed', 10);
SELECT * FROM calls;
SELECT specql.ack(VARIADIC ARRAY(SELECT id FROM specql.deliveries WHERE status = 'leased'));
SELECT pass('10 min');
SELECT operation, payload FROM specql.take('feed', 10);
SELECT status, replaced FROM specql.services WHERE name = 'feed';

-- ---- one that waits for another attempt ----------------------------------------------------------------------------------
SELECT specql.nack(id, 'not now', retry_in => '1 hour') FROM specql.deliveries WHERE status = 'leased';
SELECT call('b', '{"old": null, "new": {"id": 1}, "n": 10}'), pass('10 min');
SELECT payload, attempts FROM specql.take('feed', 10);
SELECT payload, status, attempts FROM calls WHERE operation = 'b';
-- One that is under way is not, and the later one waits its own time.
SELECT call('b', '{"old": null, "new": {"id": 1}, "n": 11}');
SELECT count(*) AS before_its_time FROM specql.take('feed', 10);
SELECT specql.nack(id, 'not now', retry_in => '0') FROM specql.deliveries WHERE status = 'leased';
SELECT pass('10 min');
SELECT payload, attempts FROM specql.take('feed', 10);
SELECT specql.ack(id) FROM specql.deliveries WHERE status = 'leased';

-- ---- what is replaced has been dealt with ---------------------------------------------------------------------------------
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Product
schema: shop
fields: {stock: integer}
actions:
  - name: on_stock
    on: Product
    steps:
      - call_external: stock "put"
---
service: stock
coalesce: {key: product_id, wait: 1 min}
$$);
INSERT INTO shop.product (stock) VALUES (1), (2);
UPDATE shop.product SET stock = stock + 10;
UPDATE shop.product SET stock = stock + 10;
SELECT pass('1 min');
SELECT payload -> 'new' ->> 'stock' AS stock FROM specql.take('stock', 10) ORDER BY 1;
SELECT status, count(*), count(*) FILTER (WHERE processed_at IS NOT NULL) AS processed FROM (
    SELECT d.status, e.processed_at FROM specql.deliveries AS d JOIN specql.events AS e ON e.id = d.event_id WHERE d.service = 'stock') AS d
GROUP BY 1 ORDER BY 1;
DROP EXTENSION specql CASCADE;
