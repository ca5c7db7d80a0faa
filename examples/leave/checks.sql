-- Did the story have the effects that the spec promises? One line each, "ok - …", "not ok - …" or "skipped - …".
SELECT CASE WHEN holds THEN 'ok - ' ELSE 'not ok - ' END || claim
FROM (VALUES
    (1, 'the days of each request are counted, whoever wrote it',
     (SELECT array_agg(days ORDER BY name) = '{12,11}' FROM hr.leaves)),
    (2, 'what no transition allows has not happened: the request without days left is still a draft, and no other row came in',
     (SELECT count(*) = 2 AND bool_and(state = CASE name WHEN 'bob' THEN 'draft' ELSE 'cancelled' END) FROM hr.leaves)),
    (3, 'days that were taken came back when the leave was cancelled',
     (SELECT array_agg(days_left ORDER BY name) = '{28,3}' FROM hr.employee)),
    (4, 'who decided is known, and is not the one who asked',
     (SELECT decided_by = 'eve' FROM hr.leaves WHERE name = 'ada')),
    (5, 'the heads were reminded once, though it was due twice',
     (SELECT count(*) = 1 FROM specql.deliveries WHERE channel = 'heads' AND message LIKE 'ada still waits%')),
    (6, 'the one who asked was told of the answer',
     (SELECT count(*) = 1 FROM specql.deliveries WHERE channel = 'employee_ada' AND message LIKE 'Your 12 days from 2026-08-03 are agreed')),
    (7, 'the reminder is due on weekdays at eight, in Berlin',
     (SELECT count(*) = 1 FROM specql.schedules AS s
      WHERE extract(isodow FROM s.next_at AT TIME ZONE 'Europe/Berlin') < 6 AND (s.next_at AT TIME ZONE 'Europe/Berlin')::time = '08:00'))
) AS checks(number, claim, holds)
ORDER BY number;
