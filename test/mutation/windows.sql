-- Windows and correlations: their feeds, the handlers of their matches, and what the runtime was told.
\set W inventory.window_test
\set F bank.window_test
\set I ops.window_test
\set S plant.window_test

-- Functions.
INSERT INTO mutant (name, function, old, nth, new, suite, noticed) VALUES
('a feed drops the key', 'bank.trigger_velocity_payment_created_events()', 'array_agg(e.account_id::text)', 1, 'NULL', :'F', 'velocity does not add up events of different account_id'),
('a feed hands on another key', 'bank.trigger_velocity_payment_created_events()', 'array_agg(e.account_id::text)', 1, 'array_agg(e.event_id::text)', :'F', 'velocity fires once on 5 payment_created events'),
('a feed loses its events', 'inventory.trigger_aggregated_alerts_low_stock_events()', 'FROM inventory.aggregated_alerts_low_stock_rows(1) AS e', 1, 'FROM inventory.aggregated_alerts_low_stock_rows(1) AS e WHERE false', :'W', 'aggregated_alerts fires once on 5 low_stock events'),
('a feed brings its events to another term', 'ops.handle_bad_deployment_incident_opened_events()', '''ops.bad_deployment'', 2', 1, '''ops.bad_deployment'', 1', :'I', 'bad_deployment fires once on deployed, then incident_opened'),
('what is awaited is not told', 'ops.handle_nobody_there_incident_acknowledged_events()', '''ops.nobody_there'', 2', 1, '''ops.nobody_there'', 1', :'I', 'nobody_there does not fire when incident_acknowledged comes in time'),
('a key of a payload is misread', 'ops.handle_nobody_there_incident_acknowledged_events()', '''incident_id''', 1, '''incident''', :'I', 'nobody_there does not fire when incident_acknowledged comes in time'),
('events happen in the past', 'ops.handle_bad_deployment_deployed_events()', 'array_agg(e.event_time)', 1, 'array_agg(e.event_time - interval ''2 minutes'')', :'I', 'bad_deployment fires when the last of deployed, then incident_opened comes % later'),
('a value is handed on wrongly', 'bank.trigger_many_small_ones_payment_created_events()', 'e.amount::numeric::text', 1, '(e.amount + 1)::numeric::text', :'F', 'many_small_ones does not fire on 4 payment_created events (%)'),
('a value is not handed on', 'plant.trigger_running_warm_reading_created_events()', 'array_agg(e.value::numeric::text)', 1, 'NULL', :'S', 'running_warm fires once on 5 reading_created events%'),
('the FILTER is turned round', 'bank.many_small_ones_payment_created_capture()', 'new.amount <', 1, 'new.amount >=', :'F', 'many_small_ones counts payment_created at amount = %'),
('the FILTER goes one too far', 'bank.many_small_ones_payment_created_capture()', 'new.amount <', 1, 'new.amount <=', :'F', 'many_small_ones does not count payment_created at amount = 1000'),
('another type of event is counted too', 'inventory.aggregated_alerts_low_stock_capture()', '(new.event_type = ''low_stock''::text)', 1, 'true', :'W', 'aggregated_alerts does not count inventory_event with event_type = %'),
('a step of the match is dropped', 'inventory.handle_aggregated_alerts_events()', 'PERFORM specql.notify(''management'', ''Multiple products low on stock'', 1);', 1, '', :'W', 'aggregated_alerts: notify: management %'),
('a wrong column', 'inventory.handle_aggregated_alerts_events()', 'e.first_at,', 1, 'e.last_at,', :'W', 'aggregated_alerts: create: BulkReorderRequest'),
('a value of the match is misread', 'ops.failing_rows(integer)', '''match_count'')::bigint', 1, '''match_count'')::bigint + 1', :'I', 'failing: insert: Incident SET %'),
('a wrong literal', 'ops.handle_failing_events()', '''major''', 1, '''minor''', :'I', 'failing: insert: Incident SET %'),
('a match hits every row', 'bank.handle_velocity_events()', 'WHERE t.id = e.account_id;', 1, 'WHERE true;', :'F', 'velocity leaves other rows of account alone'),
('another time of the match', 'bank.many_small_ones_rows(integer)', '''last_at''', 1, '''first_at''', :'F', 'many_small_ones: append: AuditLog SET %'),
('an escalation goes elsewhere', 'inventory.handle_correlated_events_events()', 'customer_service', 1, 'management', :'W', 'correlated_events: escalate: customer_service %');

-- What the runtime was told.
INSERT INTO mutant (name, change, suite, noticed) VALUES
('the number is less by one', $$UPDATE specql.window_rule SET terms = jsonb_set(terms, '{0,number}', '"4"') WHERE action = 'inventory.aggregated_alerts'$$, :'W', 'aggregated_alerts does not fire on 4 low_stock events'),
('the number is more by one', $$UPDATE specql.window_rule SET terms = jsonb_set(terms, '{0,number}', '"6"') WHERE action = 'inventory.aggregated_alerts'$$, :'W', 'aggregated_alerts fires once on 5 low_stock events'),
('another comparison', $$UPDATE specql.window_rule SET terms = jsonb_set(terms, '{0,comparison}', '">="') WHERE action = 'bank.many_small_ones'$$, :'F', 'many_small_ones does not fire on 4 payment_created events (%)'),
('a sum that must be a little greater', $$UPDATE specql.window_rule SET terms = jsonb_set(terms, '{0,number}', '"2501"') WHERE action = 'bank.many_small_ones'$$, :'F', 'many_small_ones fires once on 4 payment_created events (%)'),
('another aggregate', $$UPDATE specql.window_rule SET terms = jsonb_set(terms, '{0,aggregate}', '"max"') WHERE action = 'plant.running_warm'$$, :'S', 'running_warm does not fire on 5 reading_created events %'),
('the window is longer', $$UPDATE specql.window_rule SET terms = jsonb_set(terms, '{0,within}', '"61 minutes"') WHERE action = 'inventory.aggregated_alerts'$$, :'W', 'aggregated_alerts does not fire when the last of 5 low_stock events comes 1 hour later'),
('the window is shorter', $$UPDATE specql.window_rule SET terms = jsonb_set(terms, '{0,within}', '"50 minutes"') WHERE action = 'inventory.aggregated_alerts'$$, :'W', 'aggregated_alerts fires when the last of 5 low_stock events comes 54 minutes later'),
('the deadline comes too soon', $$UPDATE specql.window_rule SET terms = replace(terms::text, '10 minutes', '5 minutes')::jsonb WHERE action = 'ops.nobody_there'$$, :'I', 'nobody_there does not fire within 10 minutes of incident_opened'),
('the deadline does not come', $$UPDATE specql.window_rule SET terms = replace(terms::text, '10 minutes', '20 minutes')::jsonb WHERE action = 'ops.nobody_there'$$, :'I', 'nobody_there fires once when 10 minutes have passed since incident_opened'),
('nothing is consumed', $$UPDATE specql.window_rule SET after_match = 'every' WHERE action = 'inventory.aggregated_alerts'$$, :'W', 'after a match aggregated_alerts does not fire with one more low_stock'),
('it fires once and never again', $$UPDATE specql.window_rule SET after_match = 'edge' WHERE action = 'inventory.aggregated_alerts'$$, :'W', 'after a match aggregated_alerts fires again on the same events once more'),
('no cooldown', $$UPDATE specql.window_rule SET cooldown = NULL WHERE action = 'ops.failing'$$, :'I', 'failing keeps quiet within 15 minutes of a match'),
('a longer cooldown', $$UPDATE specql.window_rule SET cooldown = '20 minutes' WHERE action = 'ops.failing'$$, :'I', 'failing fires again 15 minutes after a match'),
('OR becomes AND', $$UPDATE specql.window_rule SET joined = '1 AND 2 AND 3' WHERE action = 'inventory.correlated_events'$$, :'W', 'correlated_events fires once on order_failed, then payment_failed'),
('AND becomes OR', $$UPDATE specql.window_rule SET joined = '1 OR 2' WHERE action = 'ops.bad_deployment'$$, :'I', 'bad_deployment does not fire on deployed'),
('NOT is lost', $$UPDATE specql.window_rule SET joined = '1 AND 2' WHERE action = 'ops.nobody_there'$$, :'I', 'nobody_there fires once when 10 minutes have passed since incident_opened'),
('matches raise another event', $$UPDATE specql.window_rule SET event = 'something' WHERE action = 'bank.velocity'$$, :'F', 'velocity fires once on 5 payment_created events');
