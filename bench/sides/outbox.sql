-- The outbox of all sides but specql's: what a person writes, with a primary key and no other index.
CREATE TABLE bench.outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    service text NOT NULL,
    operation text NOT NULL,
    product_id uuid,
    payload jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE VIEW bench.calls AS
    SELECT id::text FROM bench.outbox UNION ALL SELECT id::text FROM specql.deliveries WHERE kind = 'call';
