-- Did the story have the effects that the spec promises? One line each, "ok - …", "not ok - …" or "skipped - …".
SELECT CASE WHEN holds THEN 'ok - ' ELSE 'not ok - ' END || claim
FROM (VALUES
    (1, 'the fleet grew by one and shrank by one, within its bounds',
     (SELECT array_agg(instances ORDER BY name) = '{2,2}' FROM ops.service)
     AND (SELECT array_agg(operation ORDER BY operation) = '{scale_in,scale_out}' FROM specql.deliveries WHERE service = 'cloud')),
    (2, 'at its largest and still busy, the planners were told',
     (SELECT count(*) = 1 FROM specql.deliveries WHERE channel = 'capacity')),
    (3, 'a major incident called somebody, a minor one did not',
     (SELECT count(*) FILTER (WHERE payload #>> '{new,title}' = 'no results for umlauts') = 1
             AND count(*) FILTER (WHERE payload #>> '{new,title}' = 'slow on Sundays') = 0
      FROM specql.escalations WHERE channel = 'on_call')
     AND (SELECT count(*) = 1 FROM specql.deliveries WHERE channel = 'team' AND message = 'Minor incident of search: slow on Sundays')),
    (4, 'services that answer again are up, and their incidents resolved',
     (SELECT bool_and(state = 'up') FROM ops.service)
     AND (SELECT bool_and(state = 'resolved' AND resolved_at IS NOT NULL) FROM ops.incident)),
    (5, 'the timeline tells the whole course',
     (SELECT array_agg(regexp_replace(t.what, ' [0-9:]{8}', '') ORDER BY t.id)
             = '{"opened: no results for umlauts",acknowledged,"resolved after"}'
      FROM ops.timeline_entry t JOIN ops.incident i ON i.id = t.incident_id WHERE i.title = 'no results for umlauts')),
    (6, 'three failed checks were an incident of that service, one was not',
     (SELECT array_agg(s.name) = '{shop}' FROM ops.incident i JOIN ops.service s ON s.id = i.service_id
      WHERE i.title = '3 failed checks')),
    (7, 'the deployment before it was rolled back',
     (SELECT count(*) = 1 FROM specql.deliveries WHERE service = 'pipeline' AND operation = 'roll_back')),
    (9, 'the page''s address is in the incident that it shows, and the team knows of the other',
     (SELECT array_agg(page_url) = '{https://status.example/7}' FROM ops.incident WHERE page_url IS NOT NULL)
     AND (SELECT count(*) = 1 FROM specql.deliveries
          WHERE channel = 'team' AND message = 'The status page cannot show no results for umlauts: no such service')),
    (8, 'incidents that nobody took within ten minutes called the next in line, the one that was taken did not',
     (SELECT count(*) = 2 FROM specql.escalations WHERE channel = 'head_of_operations'))
) AS checks(number, claim, holds)
ORDER BY number;
