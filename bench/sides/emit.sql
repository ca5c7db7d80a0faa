-- A PL/pgSQL function as one writes it by hand, into a table with a primary key and no other index.
CREATE TABLE bench.events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    type text NOT NULL,
    data jsonb NOT NULL,
    occurred_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE FUNCTION bench.emit(p_type text, p_data jsonb) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    v_id bigint;
BEGIN
    INSERT INTO bench.events (type, data) VALUES (p_type, p_data) RETURNING id INTO v_id;
    RETURN v_id;
END $$;
