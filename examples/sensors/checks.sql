-- Did the story have the effects that the spec promises? One line each, "ok - …", "not ok - …" or "skipped - …".
SELECT CASE WHEN holds THEN 'ok - ' ELSE 'not ok - ' END || claim
FROM (VALUES
    (1, 'each sensor knows its last value',
     (SELECT array_agg(last_value::integer ORDER BY machine, quantity) = '{89,7,75}' FROM plant.sensors)),
    (2, 'an alarm is raised when a limit is passed, not with every reading beyond it, and cleared when it is over',
     (SELECT array_agg(value::integer ORDER BY id) = '{95,75,5,6,7}'
             AND array_agg(cleared_at IS NOT NULL ORDER BY id) = '{t,f,t,t,f}' FROM plant.alarm)),
    (3, 'the pump that overheated was stopped, the press was not',
     (SELECT array_agg(state ORDER BY name) = '{running,stopped}' FROM plant.machine)
     AND (SELECT count(*) = 1 FROM specql.escalations WHERE channel = 'plant_manager')),
    (4, 'service was asked for once, after 500 hours, and counts anew',
     (SELECT count(*) = 1 AND bool_and(reason = 'due after 500 hours' AND done_at IS NOT NULL) FROM plant.maintenance_task)
     AND (SELECT last_service_hours = 520 AND NOT service_due FROM plant.machine WHERE name = 'press')),
    (5, 'operators were told of each alarm',
     (SELECT count(*) = 5 FROM specql.deliveries WHERE channel = 'operators')),
    (8, 'the day that the workshop answered is the machine''s, and of no other',
     (SELECT array_agg(name || ' ' || booked_for) = '{"press 2026-03-09"}' FROM plant.machine WHERE booked_for IS NOT NULL)),
    (6, 'three alarms within the hour are wear: one report, of that sensor',
     (SELECT count(*) = 1 AND bool_and(s.quantity = 'vibration' AND w.alarms = 3)
      FROM plant.wear_report w JOIN plant.sensors s ON s.id = w.sensor_id)),
    (7, 'a machine that has been running warm for long is noticed, once, though no reading was beyond the limit',
     (SELECT count(*) = 1 FROM specql.deliveries WHERE channel = 'mechanics' AND message LIKE '%running warm'))
) AS checks(number, claim, holds)
ORDER BY number;
