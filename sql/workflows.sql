-- Workflows: functions of a row, with guards that fail the call; and choices as functions.
CREATE EXTENSION specql;
SET client_min_messages = warning;
SET specql.caller = '{}';
CREATE SCHEMA procurement;
CREATE FUNCTION procurement.budget_left(department text, amount numeric) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT department <> ''broke''';
SELECT action, kind, object FROM specql.apply($$
entity: Vendor
schema: procurement
fields:
  name: text!
  orders: integer = 0
---
entity: PurchaseOrder
schema: procurement
fields:
  requisition: uuid
  vendor: ref(Vendor)
  amount: decimal(10,2)
  state: enum(new, sent) = 'new'
---
entity: Requisition
schema: procurement
fields:
  requester: text
  department: text
  amount: decimal(10,2)
  status: enum(draft, submitted, manager_approved, approved, rejected, ordered) = 'draft'
  submitted_at: timestamp
  reason: text
actions:
  - name: submit
    description: "Hands a requisition in"
    pattern: composite/workflow_orchestrator
    workflow:
      - step: validate_draft
        condition: "status = 'draft'"
        error: "can_only_submit_drafts"
      - step: validate_amount
        condition: "amount > 0"
        error: "{amount} is no amount of {department}"
      - step: update_status
        action: update
        entity: Requisition
        fields: [status: 'submitted', submitted_at: 'now()']
      - step: notify_manager
        action: notify
        recipient: department_manager
        message: "New requisition of {requester}"
  - name: approve
    pattern: composite/conditional_workflow
    conditions:
      - if: "amount <= 1000"
        then:
          - update: Requisition SET status = 'approved'
          - notify: requester "approved"
        else:
          - update: Requisition SET status = 'manager_approved'
      - if: "NOT procurement.budget_left(department, amount)"
        then:
          - update: Requisition SET status = 'rejected', reason = 'no budget'
  - name: reject
    pattern: composite/workflow_orchestrator
    params: {urgent: boolean}
    workflow:
      - step: check
        condition: "status IN ('submitted', 'manager_approved')"
        error: "a requisition that is {status} cannot be rejected: {why}"
      - step: set
        action: update
        fields:
          status: "'rejected'"
          reason: why
      - step: tell
        condition: urgent
        escalate: office "rejected because of {why}"
      - step: stop
        condition: NOT urgent
        return:
      - step: log
        update: Vendor SET orders = orders + 100 WHERE name = requester
  - name: buy
    pattern: composite/workflow_orchestrator
    requires: caller.can_buy
    workflow:
      - step: check_state
        condition: "status = 'approved'"
        error: "not approved"
      - step: check_vendor
        condition: "EXISTS (SELECT 1 FROM Vendor WHERE id = selected_vendor)"
        error: "there is no such vendor"
      - step: make_order
        action: insert
        entity: PurchaseOrder
        fields:
          - requisition: id
          - vendor: selected_vendor
          - amount
          - state: "'sent'"
      - step: count
        action: update
        entity: Vendor
        condition: "id = selected_vendor"
        fields: {orders: orders + 1}
      - step: send
        action: call_external
        service: purchasing
        method: order
        params: {vendor: selected_vendor, amount: amount}
        condition: "amount > 10"
      - step: tell
        action: emit
        event: bought
        params: [amount, vendor: selected_vendor]
      - step: set
        update: Requisition SET status = 'ordered'
---
schema: procurement
actions:
  - name: on_ordered
    pattern: composite/workflow_orchestrator
    trigger: purchase_order_created
    workflow:
      - step: mark
        action: update
        entity: Requisition
        condition: "id = purchase_order.requisition"
        fields: {reason: "'bought'"}
      - step: drop
        action: delete
        entity: PurchaseOrder
        condition: "amount IS NULL AND requisition = new.requisition"
  - name: on_bought
    on: event bought
    params: {vendor: uuid, amount: numeric}
    steps:
      - update: Vendor SET name = upper(name) WHERE id = payload.vendor
$$);
\df procurement.*
\sf procurement.submit
\sf procurement.approve
\sf procurement.buy
INSERT INTO procurement.vendor (id, name) VALUES ('00000000-0000-0000-0000-00000000000a', 'acme');
INSERT INTO procurement.requisition (id, requester, department, amount)
SELECT ('00000000-0000-0000-0000-00000000000' || i)::uuid, 'r' || i, CASE i WHEN 3 THEN 'broke' ELSE 'ops' END, a
FROM unnest('{500,5000,5,0,NULL}'::numeric[]) WITH ORDINALITY AS u(a, i);
SELECT procurement.submit(id) FROM procurement.requisition WHERE amount > 0;
\set VERBOSITY terse
SELECT procurement.submit('00000000-0000-0000-0000-000000000001');
\echo :LAST_ERROR_SQLSTATE
SELECT procurement.submit('00000000-0000-0000-0000-000000000004');
\echo :LAST_ERROR_SQLSTATE
SELECT procurement.submit('00000000-0000-0000-0000-000000000005');
\echo :LAST_ERROR_SQLSTATE
SELECT procurement.submit('00000000-0000-0000-0000-00000000000f');
\echo :LAST_ERROR_SQLSTATE
SELECT procurement.submit(NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT requester, status, submitted_at IS NOT NULL AS at FROM procurement.requisition ORDER BY 1;
SELECT procurement.approve(id) FROM procurement.requisition WHERE status = 'submitted';
SELECT requester, status, reason FROM procurement.requisition ORDER BY 1;
SELECT procurement.reject('00000000-0000-0000-0000-000000000001', false, 'too late');
SELECT procurement.reject('00000000-0000-0000-0000-000000000002', true, 'too much');
SELECT procurement.buy('00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-00000000000a');
SET specql.caller = '{"can_buy": true}';
SELECT procurement.buy('00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-00000000000b');
SELECT procurement.buy('00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-00000000000a');
SELECT requester, status, reason FROM procurement.requisition ORDER BY 1;
SELECT amount, state FROM procurement.purchase_order;
SELECT name, orders FROM procurement.vendor;
SELECT kind, channel, operation, message, payload FROM specql.deliveries ORDER BY id;
-- Another text changes nothing of them.
SELECT action, kind, object FROM specql.apply($$
entity: Unrelated
schema: procurement
fields:
  a: integer
$$);
SELECT count(*) FROM specql.drift();
-- What is explained, and drawn.
SELECT action, name, resolved_to, rule FROM specql.explain($$
entity: Ticket
schema: desk
fields:
  state: enum(open, closed) = 'open'
  note: text
actions:
  - name: close
    pattern: workflow_orchestrator
    workflow:
      - {step: check, condition: "state = 'open'", error: "is {state}"}
      - step: set
        action: update
        fields: {state: closed, note: reason}
      - step: tell
        action: notify
        recipient: team
        message: "closed: {reason}"
  - name: reopen
    pattern: conditional_workflow
    conditions:
      - if: "state = 'closed'"
        then:
          - update: Ticket SET state = 'open'
        else:
          - close: "close(id, 'again')"
$$);
SELECT line FROM regexp_split_to_table(specql.graph(), '\n') AS line WHERE line ~ 'submit|approve|call';
DROP EXTENSION specql CASCADE;
