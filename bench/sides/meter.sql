-- What a session has taken so far: wall time and time on a processor in microseconds, and bytes of WAL of the whole server.
SET client_min_messages = warning;
CREATE SCHEMA bench;
CREATE FUNCTION bench.meter(OUT wall numeric, OUT cpu numeric, OUT wal numeric) LANGUAGE sql VOLATILE AS $$
    SELECT extract(epoch FROM clock_timestamp()) * 1000000,
           split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::numeric / 1000,
           pg_current_wal_insert_lsn() - '0/0'::pg_lsn
$$;
