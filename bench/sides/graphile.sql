-- graphile-worker's functions in the server, as procedures like those of the other queues.
CREATE PROCEDURE bench.one_by_one_graphile(n bigint) LANGUAGE sql AS $$
    SELECT count(graphile_worker.add_job('op', bench.payload(i)::json)) FROM generate_series(1, n) AS i
$$;
CREATE PROCEDURE bench.at_once_graphile(n bigint) LANGUAGE sql AS $$
    SELECT count(*) FROM graphile_worker.add_jobs(ARRAY(
        SELECT ROW('op', bench.payload(i)::json, NULL, NULL, NULL, NULL, NULL, NULL)::graphile_worker.job_spec
        FROM generate_series(1, n) AS i))
$$;
