SELECT CASE WHEN count(*) = 7 THEN 'ok - ' ELSE 'not ok - ' END || 'its seven actions are in force'
FROM (SELECT action FROM specql.actions UNION SELECT schema || '.' || name FROM specql.unit WHERE kind = 'action') AS a(name);
