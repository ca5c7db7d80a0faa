-- Five steps for each instance, on the same tables everywhere, as specql makes them. -- PROCESS -- stands where specql has its action.
SET client_min_messages = error;
SELECT count(*) AS objects FROM specql.apply($$
entity: Good
schema: depot
fields: {stock: integer!, reserved: integer! = 0}
---
entity: Account
schema: depot
fields: {balance: integer!}
---
entity: Entry
schema: depot
fields: {trade_id: uuid!, what: text!}
---
entity: Trade
schema: depot
fields:
  good: ref(Good)!
  account: ref(Account)!
  quantity: integer!
  status: enum(processing, completed, failed) = processing
-- PROCESS --
$$) \gset

CREATE FUNCTION bench.id(n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS
    $$ SELECT ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid $$;
INSERT INTO depot.good (id, stock) SELECT bench.id(n), 1000000 FROM generate_series(0, 999) AS n;
INSERT INTO depot.account (id, balance) SELECT bench.id(n), 1000000 FROM generate_series(0, 999) AS n;
VACUUM ANALYZE;
