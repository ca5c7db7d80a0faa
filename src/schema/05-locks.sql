-- Locks of specql's own, which pg_advisory_lock cannot take. src/pg/base/locks.hpp knows their kinds and numbers.

CREATE FUNCTION specql.lock_class(kind text) RETURNS oid
LANGUAGE c IMMUTABLE STRICT AS 'MODULE_PATHNAME', 'specql_lock_class';
COMMENT ON FUNCTION specql.lock_class(text) IS 'How pg_locks shows locks of a kind: apply, window, worker, replay, owner or taking';

CREATE FUNCTION specql.lock_number(kind text, number bigint, wait boolean) RETURNS boolean
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'specql_lock_number';
COMMENT ON FUNCTION specql.lock_number(text, bigint, boolean) IS
'Takes the lock of a window, a replay, or of taking from a service until the end of the transaction, one that pg_advisory_lock cannot take; false if another session has it and this one is not to wait';

CREATE FUNCTION specql.held_locks(kind text) RETURNS TABLE (number oid, pid integer)
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT l.objid, l.pid FROM pg_locks AS l
    WHERE l.locktype = 'advisory' AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
      AND l.classid = specql.lock_class($1) AND l.objsubid = 3 AND l.mode = 'ExclusiveLock' AND l.granted
$$;
COMMENT ON FUNCTION specql.held_locks(text) IS 'The locks of a kind that sessions of this database hold, and the processes that do';

REVOKE ALL ON FUNCTION specql.lock_class(text), specql.lock_number(text, bigint, boolean), specql.held_locks(text) FROM PUBLIC;
-- specql.replays is read with the rights of whoever reads it.
GRANT EXECUTE ON FUNCTION specql.lock_class(text), specql.held_locks(text) TO specql_admin;
