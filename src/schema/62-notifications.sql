-- Notifications and escalations leave by NOTIFY, with the transaction that records them: there is nothing to lease.

-- Notifications leave with the transaction that records them: there is nothing to lease.
CREATE FUNCTION specql.notify_all(due uuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    d specql.whole_delivery;
    ids uuid[] := '{}';
    verdicts text[] := '{}';
    errors text[] := '{}';
    pauses bigint[] := '{}';
BEGIN
    FOR d IN SELECT o.* FROM specql.whole_delivery AS o WHERE o.id = ANY (due) AND o.place = 'outbox' ORDER BY o.available_at, o.id LOOP
        ids := ids || d.id;
        pauses := pauses || (extract(epoch FROM greatest('100 ms', least(d.repeat_after, '366 days'))) * 1000)::bigint;
        IF octet_length(d.channel) BETWEEN 1 AND 63 THEN
            PERFORM pg_notify(d.channel, specql.notification(d));
            -- An escalation that is to be repeated waits for its next time, or for specql.acknowledge.
            verdicts := verdicts || CASE WHEN d.repeat_after IS NULL OR d.acknowledged_at IS NOT NULL THEN 'done' ELSE 'retry' END;
            errors := errors || NULL::text;
        ELSE
            verdicts := verdicts || 'dead'::text;
            errors := errors || 'a channel''s name has 1 to 63 bytes'::text;
        END IF;
    END LOOP;
    UPDATE specql.outbox AS o SET attempts = o.attempts + 1 WHERE o.id = ANY (ids);
    PERFORM specql.record_results(ids, verdicts, pauses, errors, NULL, NULL);
END $$;
COMMENT ON FUNCTION specql.notify_all(uuid[]) IS 'What specql.send_notifications does, for these';

-- `one_by_one`: each in a subtransaction, for when one of them makes all fail.
CREATE FUNCTION specql.send_notifications(max_items integer, due_by timestamptz, one_by_one boolean) RETURNS integer
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    due_until timestamptz := least(clock_timestamp(), due_by);
    visible text[];
    due uuid[];
    one uuid;
BEGIN
    IF specql.is_copy() THEN
        RETURN 0;
    END IF;
    -- Mostly there are none.
    IF NOT EXISTS (SELECT FROM specql.outbox AS o WHERE o.service IS NULL AND o.available_at <= due_until) THEN
        RETURN 0;
    END IF;
    visible := specql.visible_actions();
    due := ARRAY(SELECT o.id FROM specql.outbox AS o WHERE o.service IS NULL AND o.available_at <= due_until
                   AND (visible IS NULL OR o.action IS NULL OR o.action = ANY (visible))
                 ORDER BY o.available_at, o.id LIMIT max_items FOR UPDATE SKIP LOCKED);
    -- Whoever listens and does not read fills the server's queue, and a commit that finds it full fails.
    IF due = '{}' OR pg_notification_queue_usage() > 0.9 THEN
        RETURN 0;
    END IF;
    IF NOT one_by_one THEN
        PERFORM specql.notify_all(due);
        RETURN cardinality(due);
    END IF;
    FOREACH one IN ARRAY due LOOP
        BEGIN
            PERFORM specql.notify_all(ARRAY[one]);
        EXCEPTION WHEN OTHERS THEN
            PERFORM specql.bury(one, 'it cannot be sent: ' || SQLERRM);
        END;
    END LOOP;
    RETURN cardinality(due);
END $$;
COMMENT ON FUNCTION specql.send_notifications(integer, timestamptz, boolean) IS 'Sends notifications that are due, by NOTIFY; how many. For the worker';

REVOKE ALL ON FUNCTION specql.notify_all(uuid[]), specql.send_notifications(integer, timestamptz, boolean) FROM PUBLIC;
