-- What values may be: enums, required columns, services of nearly that name, times of events.
CREATE EXTENSION specql;
SET client_min_messages = warning;
\pset format unaligned
\pset tuples_only on
\set order 'entity: Order\nschema: sales\nfields:\n  status: enum(open, paid, shipped) = open\n  note: text\n  total: decimal(10,2)\n'
CREATE FUNCTION problems(spec text) RETURNS SETOF text LANGUAGE sql AS
$$ SELECT concat_ws(' | ', severity, code, line || ':' || col, message, hint) FROM specql.validate(spec) WHERE severity <> 'notice' $$;

-- A text that is none of the values, and what was meant.
SELECT problems(:'order' || E'actions:\n  - name: a\n    on: update Order.status\n    condition: "new.status IN (''payed'', ''Shipped'', ''lost'')"\n    steps:\n      - notify: ops "x"\n');
-- Nothing is said of what is right, nor of what is no value of the enum itself.
SELECT problems(:'order' || E'actions:\n  - name: a\n    on: update Order.status\n    condition: "coalesce(old.status, '''') <> new.status AND lower(status) = ''PAID'' AND status LIKE ''pay%'' AND coalesce(status, '''') = '''' AND status || note = ''x''"\n    steps:\n      - update: Order SET status = CASE WHEN total > 0 THEN ''paid'' ELSE ''open'' END\n');
-- A value is taken away that a rule of another document names, and then also from the rule.
SELECT count(*) > 0 FROM specql.apply(:'order');
SELECT count(*) > 0 FROM specql.apply(E'schema: sales\nactions:\n  - name: on_paid\n    on: update Order.status\n    condition: "new.status = ''paid''"\n    steps:\n      - update: Order SET note = ''x''\n');
SELECT specql.apply(replace(:'order', ', paid', ''), allow_destructive => true);
-- Another text has nothing to do with it.
SELECT count(*) > 0 FROM specql.apply(E'entity: Tray\nschema: sales\nfields: {note: text}\n');
SELECT count(*) > 0 FROM specql.apply(replace(:'order', ', paid', '') || E'---\nschema: sales\nactions:\n  - name: on_paid\n    on: update Order.status\n    condition: "new.status = ''shipped''"\n    steps:\n      - update: Order SET note = ''x''\n', allow_destructive => true);

-- What a row of a table that was there before must have.
CREATE DOMAIN amount AS numeric DEFAULT 0;
CREATE TABLE sales.ticket (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, title text NOT NULL, tenant text NOT NULL, fee amount NOT NULL,
    made_at timestamptz NOT NULL DEFAULT now(), size integer NOT NULL GENERATED ALWAYS AS (length(title)) STORED);
\set ticket 'schema: sales\nactions:\n  - name: on_ticket\n    on: insert Order\n    steps:\n      - insert: Ticket SET\n          made_at: event_time\n'
SELECT problems(:'ticket');
SELECT problems(E'entity: Ticket\nschema: sales\nfields: {title: text!, made_at: timestamp}\n---\n' || :'ticket');
CREATE FUNCTION sales.fill() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.title = ''t''; NEW.tenant = ''a''; RETURN NEW; END';
CREATE TRIGGER fill BEFORE INSERT ON sales.ticket FOR EACH ROW EXECUTE FUNCTION sales.fill();
SELECT count(*) > 0 FROM specql.apply(:'ticket');
INSERT INTO sales."order" (total) VALUES (1);
SELECT title, tenant, fee FROM sales.ticket;
-- A field that becomes required says which installed rule leaves it out.
SELECT count(*) > 0 FROM specql.apply(E'entity: Entry\nschema: sales\nfields: {amount: numeric, reason: text}\n---\nschema: sales\nactions:\n  - name: on_entry\n    on: insert Order\n    steps:\n      - insert: Entry SET amount = total\n');
SELECT specql.apply(E'entity: Entry\nschema: sales\nfields: {amount: numeric, reason: text!}\n');

-- Functions and services of nearly that name.
CREATE FUNCTION sales.reserve_stock(total numeric) RETURNS void LANGUAGE sql AS '';
\set call 'schema: sales\nactions:\n  - name: on_call\n    on: insert Order\n    steps:\n      - %s\n---\nservice: erp_gateway\noperations: {reorder: {path: /r}}\n---\nservice: free\n'
SELECT step, p FROM unnest(ARRAY['stock: "reserve_stok(total)"', 'stock: "something_else(total)"', 'erp_gateway: "reorder(total)"', 'erp_gateway: "recorder(total)"',
    'call_external: erp_gateway reorder', 'call_external: erp_gatway reorder', 'call_external: free anything', 'call_external: unheard_of reorder']) AS step
    LEFT JOIN LATERAL problems(format(:'call', step)) AS p ON true;

-- The time that a step gives an event.
SELECT count(*) > 0 FROM specql.apply(E'schema: sales\nactions:\n  - name: on_tray\n    on: insert Tray\n    steps:\n      - emit: tray_seen SET occurred_at = note::timestamptz, label = ''t''\n'
    '  - name: on_seen\n    on: event tray_seen\n    params: {label: text, occurred_at: timestamp}\n    steps:\n      - update: Tray SET note = label || '' '' || (event_time = occurred_at) WHERE true\n'
    '  - name: on_many\n    trigger: many_trays\n    condition: "COUNT(tray_seen) >= 2 WITHIN 1 hour"\n    steps:\n      - insert: Entry SET amount = match_count, reason = first_at::text\n');
SET timezone = 'UTC';
INSERT INTO sales.tray (note) VALUES ('2020-01-01 10:00'), ('2020-01-01 12:00'), ('2020-01-01 12:30');
SELECT note FROM sales.tray;
SELECT occurred_at FROM specql.event_log WHERE type = 'tray_seen' ORDER BY 1;
SELECT count(*) > 0 FROM specql.drain();
SELECT reason FROM sales.entry WHERE reason IS NOT NULL;
INSERT INTO sales.tray (note) VALUES (NULL);
SELECT occurred_at > '2021-01-01' FROM specql.event_log WHERE type = 'tray_seen' ORDER BY occurred_at DESC LIMIT 1;

-- Names that are not what they look like; those of other scripts are.
SELECT problems(E'entity: Order\nschema: looks\nfields:\n  no\u200bte: text\n');
SELECT problems(E'entity: Order\nschema: looks\nfields:\n  n\u043ete: text\n');
SELECT problems(E'entity: Order\nschema: looks\nfields:\n  note:\u00a0text\n');
SELECT problems(E'entity: \u0417\u0430\u043a\u0430\u0437\nschema: looks\nfields:\n  \u0434\u043b\u0438\u043d\u0430_mm: text\n  gr\u00f6\u00dfe: text\n  \u9867\u5ba2id: text\n  note: {type: text, description: "no\u200bte\u00a0\u043eK \U0001F468\u200D\U0001F469", check: "note <> ''\u200b\u00a0''"}\n');

-- What is written in other languages, and the hint that mends it.
\set habit 'entity: Cup\nschema: looks\nfields:\n  note: text\n  total: numeric\n  placed: timestamp\n  urgent: boolean\nactions:\n  - name: a\n    on: insert Cup\n    condition: %s\n    steps:\n      - notify: ops "x"\n'
SELECT written, v.message || ' | ' || v.hint FROM unnest(ARRAY['note is ''paid''', 'note in ''a''', 'note like "abc"', 'note contains ''a''', 'if(urgent, true, false)', 'ifnull(note, ''a'') = ''b''',
    'isnull(note)', 'len(note) > 5', 'dateadd(placed, 1) > now()', 'current_date() > placed', 'placed < NOW', 'note + ''x'' = ''ax''', '''a'' + note = ''ax''', '''a'' + total = ''x''', '!urgent',
    'note.lower() = ''a''', 'urgent ? true : false', 'note = NULL', 'note != NULL', 'total =< 5', 'total gt 5', 'total == 5', 'urgent && urgent', 'urgent || urgent', 'urgent = yes']) AS written,
    LATERAL specql.validate(format(:'habit', to_json(written))) AS v WHERE v.severity <> 'notice';
SELECT problems(E'entity: Cup\nschema: looks\nfields:\n  placed: timestamp = now\n  day: {type: date, default: today}\n  urgent: boolean = yes\n  key: uuid = uuid\n  late: boolean = 1\n  seen: timestamp = ''now''\n');
