-- Did the story have the effects that the spec promises? One line each, "ok - …", "not ok - …" or "skipped - …".
SELECT CASE WHEN holds THEN 'ok - ' ELSE 'not ok - ' END || claim
FROM (VALUES
    (1, 'each device knows its last value, though the measurements are gone',
     (SELECT array_agg(last_value::integer ORDER BY name) = '{120,120,120,40,40}' FROM metrics.device)),
    (2, 'three hot devices were told of one by one, and once together',
     (SELECT count(*) FILTER (WHERE channel = 'operators') = 3 AND count(*) FILTER (WHERE channel = 'facility') = 1 FROM specql.deliveries)),
    (3, 'the view has all measurements of the hours',
     (SELECT sum(measurements) = 5003 AND max(highest) = 120 FROM metrics.drawn)),
    (4, 'what is older than two years went with its partitions, and others were made ahead',
     (SELECT count(*) = 0 FROM metrics.measurement)
     AND (SELECT bool_and(b.since > now()) AND count(*) >= 4 FROM specql.partition_bounds('metrics.measurement') AS b))
) AS checks(number, claim, holds)
ORDER BY number;
