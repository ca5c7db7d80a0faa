-- Images and payloads are packed far more often than they are unpacked, and lz4 packs in a fraction of the time. A server may
-- have been built without it.
DO $$
DECLARE
    one record;
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_settings AS s WHERE s.name = 'default_toast_compression' AND 'lz4' = ANY (s.enumvals)) THEN
        FOR one IN SELECT c.relname, a.attname
                   FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid
                   WHERE c.relnamespace = 'specql'::pg_catalog.regnamespace AND c.relkind IN ('r', 'p')
                     AND a.atttypid = 'pg_catalog.jsonb'::pg_catalog.regtype AND a.attnum > 0 AND NOT a.attisdropped LOOP
            EXECUTE pg_catalog.format('ALTER TABLE specql.%I ALTER COLUMN %I SET COMPRESSION lz4', one.relname, one.attname);
        END LOOP;
    END IF;
END
$$;
