-- What is broken by hand, and a test that must notice. `old` is replaced where it stands for the nth time in a function,
-- by `new`; or, the 0th time, `new` is what is done to it; or a statement is run.
CREATE TEMP TABLE mutant (n serial, name text, function regprocedure, old text, nth integer, new text, change text, suite text,
    noticed text);

\set E inventory.event_driven_test
\set B inventory.batch_test
\set change inventory.trigger_stock_change_events()
\set capture inventory.stock_change_capture()
\set rows inventory.stock_change_rows(integer)
\set order inventory.handle_order_placed_events()
\set received inventory.handle_reorder_received_events()
\set backorders inventory.process_backorders(uuid)
\set sourcing inventory.trigger_event_sourcing_product_events()
\set processed inventory.stock_change_processed(uuid[])
\set S shop.event_driven_test
\set steps shop.trigger_order_takes_its_steps_events()
\set stepsCapture shop.order_takes_its_steps_capture()
\set progress shop.trigger_order_progress_events()
\set refunded shop.handle_order_progress_refund_response_events()
\set unpaid shop.handle_order_progress_refund_failure_events()
\set added shop.trigger_item_added_events()
\set addedCapture shop.item_added_capture()
\set addedRows shop.item_added_rows(integer)
\set parcel shop.handle_parcel_delivered_events()
\set lorry shop.load_lorry(bigint)

INSERT INTO mutant (name, function, old, nth, new, suite, noticed) VALUES
-- conditions
('<= becomes <', :'capture', 'new.stock_quantity <= new', 1, 'new.stock_quantity < new', :'E', 'low_stock event fires at new_stock = %, reorder_point = %'),
('<= becomes =', :'capture', 'new.stock_quantity <= new', 1, 'new.stock_quantity = new', :'E', 'low_stock event: insert: InventoryEvent%'),
('<= goes one too far', :'capture', '<= new.reorder_point', 1, '<= (new.reorder_point + 1)', :'E', 'low_stock event does not fire at new_stock = %, reorder_point = %'),
('> becomes >=', :'capture', 'new.stock_quantity > 0', 1, 'new.stock_quantity >= 0', :'E', 'low_stock event does not fire at new_stock = 0'),
('> begins one too late', :'capture', 'new.stock_quantity > 0', 1, 'new.stock_quantity > 1', :'E', 'low_stock event fires at new_stock = 1'),
('= becomes <>', :'capture', 'new.stock_quantity = 0', 1, 'new.stock_quantity <> 0', :'E', 'out_of_stock event fires at new_stock = 0'),
('= becomes <=', :'capture', 'new.stock_quantity = 0', 1, 'new.stock_quantity <= 0', :'E', 'out_of_stock event does not fire at new_stock = -1'),
('old row becomes new row', :'capture', 'old.stock_quantity = 0', 1, 'new.stock_quantity = 0', :'E', 'restock event: insert: InventoryEvent%'),
('AND becomes OR', :'capture', '(old.stock_quantity = 0) AND', 1, '(old.stock_quantity = 0) OR', :'E', 'restock event does not fire at %'),
('a condition is always true', :'capture', 'new.stock_quantity = 0', 1, 'true', :'E', 'out_of_stock event does not fire at %'),
('what has not changed is an event too', :'capture', '(old.stock_quantity IS DISTINCT FROM new.stock_quantity)', 1, 'true', :'E', 'stock_change_trigger does not fire when stock_quantity stays the same'),
('old and new are captured the wrong way round', :'capture', E'old.stock_quantity,\n     new.stock_quantity', 1, E'new.stock_quantity,\n     old.stock_quantity', :'E', 'event processing maintains data consistency'),
('the subject is lost', :'capture', '(new.id)::text', 1, '(new.name)::text', :'E', 'stock_change_trigger fires on stock_quantity update'),
('a condition in the handler, off by one', :'order', '<= v_product.reorder_point', 1, '<= v_product.reorder_point - 1', :'E', 'order_placed fires at %'),
('a condition in the handler, turned round', :'order', '<= v_product.reorder_point', 1, '> v_product.reorder_point', :'E', 'order_placed: insert: InventoryEvent%'),
-- steps
('branches are swapped', :'change', 'specql.matched(1)', 1, 'specql.matched(2)', :'E', 'low_stock event: insert: InventoryEvent%'),
('rows of another branch', :'change', 'stock_change_rows(2)', 1, 'stock_change_rows(1)', :'E', 'out_of_stock event: insert: InventoryEvent%'),
('a wrong literal', :'change', '''low_stock''', 1, '''restock''', :'E', 'low_stock event: insert: InventoryEvent%'),
('a wrong column', :'change', E'e.old_stock_quantity,\n            e.stock_quantity', 1, E'e.stock_quantity,\n            e.stock_quantity', :'E', 'low_stock event: insert: InventoryEvent%'),
('a difference the wrong way round', :'change', 'e.stock_quantity - e.old_stock_quantity', 2, 'e.old_stock_quantity - e.stock_quantity', :'E', 'out_of_stock event: insert: InventoryEvent%'),
('a wrong key in event_data', :'change', '''reorder_point'', e.reorder_point', 1, '''reorder_point'', e.stock_quantity', :'E', 'low_stock event: insert: InventoryEvent%'),
('a delivery is missing', :'change', 'PERFORM specql.call_external(''procurement_service'', ''create_reorder_request'', 1);', 1, '', :'E', 'low_stock event: call_external: procurement_service%'),
('a delivery goes to another service', :'change', '''notification_service''', 1, '''procurement_service''', :'E', 'low_stock event: call_external: notification_service%'),
('a delivery is queued twice', :'change', 'PERFORM specql.notify(''affected_customers'', ''Product backorder available'', 2);', 1,
 'PERFORM specql.notify(''affected_customers'', ''Product backorder available'', 2); PERFORM specql.notify(''affected_customers'', ''Product backorder available'', 2);', :'E', 'out_of_stock event: notify: affected_customers%'),
('a message is another', :'change', 'enable backorders', 1, 'do nothing', :'E', 'out_of_stock event: notify: sales_team%'),
('a flag is set the wrong way', :'change', 'backorder_available = true', 1, 'backorder_available = false', :'E', 'out_of_stock event: update: Product SET backorder_available = true'),
('an update hits every row', :'change', 'WHERE t.id = e.id', 2, 'WHERE true', :'E', 'restock event leaves other rows of product alone'),
('a call is missing', :'change', ', inventory.process_backorders(e.id)', 1, '', :'E', 'restock event: process_backorders:%'),
('columns of _rows are swapped', :'rows', E'r.old_stock_quantity,\n    r.stock_quantity,', 1, E'r.stock_quantity,\n    r.old_stock_quantity,', :'E', 'event processing maintains data consistency'),
('what is added is taken away', :'received', 't.stock_quantity + e.delivered_quantity', 1, 't.stock_quantity - e.delivered_quantity', :'E', 'reorder_received: update: Product%'),
('the stock after instead of before', :'received', E'e.delivered_quantity,\n             v_product.stock_quantity,', 1, E'e.delivered_quantity,\n             v_product.stock_quantity + e.delivered_quantity,', :'E', 'reorder_received: insert: InventoryEvent%'),
('a step is dropped', :'received', E'last_restocked = now()', 1, 'last_restocked = t.last_restocked', :'E', 'reorder_received: update: Product%'),
('a wrong event type', :'order', '''low_stock''', 1, '''backorder''', :'E', 'order_placed: insert: InventoryEvent%'),
('a sign is lost', :'order', '-e.ordered_quantity', 1, 'e.ordered_quantity', :'E', 'order_placed: insert: InventoryEvent%'),
('a queued call has another argument', :'order', '''product_id'', e.product_id', 1, '''product_id'', e.order_id', :'E', 'order_placed: escalate_reorder:%'),
('the log keeps the old row', :'sourcing', '-> ''new''', 1, '-> ''old''', :'E', 'event_sourcing_product on update: append: InventoryEventLog%'),
-- processed_at
('nobody says that an event is processed', :'processed', '= clock_timestamp()', 1, '= t.processed_at', :'E', 'low_stock event is processed when its deliveries have arrived'),
('an event is processed too early', :'change', 'RETURN NULL', 1, 'UPDATE inventory.inventory_event SET processed_at = now(); RETURN NULL', :'E', 'restock event is not processed as long as its deliveries wait'),
-- what fails altogether: logged, or the statement itself
('the handler raises', :'change', 'specql.matched(1)', 1, '1 / 0 = 1', :'E', 'low_stock event: insert: InventoryEvent%'),
('the handler reads a column that is dropped', :'received', 't.stock_quantity + e', 1, 't.stock_dropped + e', :'E', 'reorder_received: update: Product%'),
('the handler is dropped', :'order', '', 0, 'DROP FUNCTION inventory.handle_order_placed_events()', :'E', 'order_placed: insert: InventoryEvent%'),
('the capture function is dropped', :'capture', '', 0, 'DROP FUNCTION inventory.stock_change_capture()', :'E', 'stock_change_trigger fires on stock_quantity update'),
('the capture function divides by zero', :'capture', 'new.stock_quantity = 0', 1, '1 / (new.stock_quantity - new.stock_quantity) = 0', :'E', 'out_of_stock event: insert: InventoryEvent%'),
('the handler says what an invariant would say', :'progress', 'IF e.status = ''paid'' THEN', 1, 'RAISE EXCEPTION ''by hand'' USING ERRCODE = ''SQ206''; IF e.status = ''paid'' THEN', :'S', 'order_progress branch 1: call_external: warehouse "pack"'),
('an invariant raises', :'steps', 'IF ((', 1, 'RAISE EXCEPTION ''by hand''; IF ((', :'S', 'order_takes_its_steps_trigger fires on status update'),
('an invariant refuses what it must not', :'steps', 'IS NOT TRUE', 1, 'IS NOT NULL', :'S', 'order_takes_its_steps is accepted at %'),
('an invariant does not refuse', :'steps', 'IS NOT TRUE', 1, 'IS NULL', :'S', 'order_takes_its_steps is refused at %'),
('an invariant reads a column that is dropped', :'added', 't.price, t.stock', 1, 't.price, t.stocked', :'S', 'item_added: update: Product%'),
('an invariant is dropped', :'added', '', 0, 'DROP FUNCTION shop.trigger_item_added_events()', :'S', 'item_added_trigger fires on order_item insert'),
('the capture function of an invariant is dropped', :'stepsCapture', '', 0, 'DROP FUNCTION shop.order_takes_its_steps_capture()', :'S', 'order_takes_its_steps_trigger fires on status update'),
('the capture function of an invariant divides by zero', :'addedCapture', 'new.quantity', 1, 'new.quantity / 0', :'S', 'item_added_trigger fires on order_item insert'),
('the rows of an invariant divide by zero', :'addedRows', 'specql.rows(branch)', 1, 'specql.rows(branch / 0)', :'S', 'item_added_trigger fires on order_item insert'),
('a step does what an invariant refuses', :'parcel', '''delivered''', 1, '''placed''', :'S', 'parcel_delivered: update: Order%'),
-- what leaves, and what comes back
('a key of a payload is missing', :'progress', '''name'', v_customer.name, ', 1, '', :'S', 'order_progress branch 2: call_external: mail "shipping_notice"%'),
('a query counts what is another''s', :'progress', 'WHERE q1.order_id = e.id', 1, 'WHERE q1.order_id <> e.id', :'S', 'order_progress branch 2: call_external: mail "shipping_notice"%'),
('a step with an answer is dropped', :'refunded', 'refund_number = e.response->>''number''', 1, 'refund_number = t.refund_number', :'S', 'order_progress on payments.refund.succeeded: update: Order%'),
('a step without an answer is dropped', :'unpaid', 'PERFORM specql.escalate(''accounting'', format(''Refund of %s failed: %s'', e.total, e.error), e.event_id, e.event_data)', 1, 'PERFORM e.total', :'S', 'order_progress on payments.refund.failed: escalate: accounting%'),
-- the bulk operation
('it raises', :'lorry', 'v_count := v_count', 1, 'v_count := 1 / 0', 'shop.batch_test', 'load_lorry returns how many rows it handled'),
('it does what an invariant refuses', :'lorry', '''shipped''', 1, '''paid''', 'shop.batch_test', 'load_lorry: update: Order%'),
('the first come last', :'backorders', 'ORDER BY c.order_1, c.row_key)', 1, 'ORDER BY c.order_1 DESC, c.row_key)', :'B', 'process_backorders: update: Backorder%'),
('an allocation takes less than there is', :'backorders', 'r.total <= v_product', 1, 'r.total < v_product', :'B', 'process_backorders returns how many rows it handled'),
('an allocation takes all', :'backorders', 'r.total <= v_product.stock_quantity', 1, 'r.total IS NOT NULL', :'B', 'process_backorders stops at the first row that does not fit'),
('a row that does not fit is only left out', :'backorders', 'ROWS UNBOUNDED PRECEDING', 1, 'ROWS CURRENT ROW', :'B', 'process_backorders stops at the first row that does not fit'),
('every status is handled', :'backorders', 't.status = ''pending''', 1, 'true', :'B', 'process_backorders leaves rows of backorder alone unless status = ''pending'''),
('every product is handled', :'backorders', 't.product_id = p_product_id', 1, 'true', :'B', 'process_backorders leaves rows alone that its parameters do not mean'),
('handled rows get another status', :'backorders', '''fulfilled''', 1, '''cancelled''', :'B', 'process_backorders: update: Backorder%'),
('the count is wrong', :'backorders', 'v_count := v_count + cardinality(v_handled)', 1, 'v_count := 1', :'B', 'process_backorders returns how many rows it handled'),
('nobody is told', :'backorders', 'FROM unnest(v_handled) AS h', 1, 'FROM unnest(v_handled) AS h LIMIT 0', :'B', 'process_backorders: notify: customers%');
