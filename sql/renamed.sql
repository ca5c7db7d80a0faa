-- renamed_from: what has another name now keeps what it has.
\set ECHO none
\set VERBOSITY terse
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
CREATE EXTENSION specql;
CREATE FUNCTION pg_temp.planned(spec text) RETURNS TABLE (line text) LANGUAGE sql AS $$
    SELECT concat_ws('|', p.action, p.kind, p.object, p.destructive, CASE WHEN p.kind <> 'function' THEN regexp_replace(p.sql, '\s+', ' ', 'g') END)
    FROM specql.plan(spec) AS p WHERE p.action <> 'unchanged' $$;
CREATE FUNCTION pg_temp.applied(spec text) RETURNS TABLE (line text) LANGUAGE sql AS $$
    SELECT concat_ws('|', a.action, a.kind, a.object, a.detail) FROM specql.apply(spec) AS a WHERE a.action <> 'unchanged' $$;
SELECT $$
entity: Parcel
schema: shop
fields:
  mass: integer! = 1
  price: decimal(10,2)
  state: enum(waiting, sent) = 'waiting'
  customer: ref(Customer)
actions:
  - name: on_heavy
    on: update Parcel.mass
    conditions:
      - if: "mass > 10"
        then:
          - insert: Note SET parcel_id = id, kilos = mass
  - name: watch
    on: Parcel
    steps:
      - notify: ops "parcel"
---
entity: Customer
schema: shop
fields: {name: text}
---
entity: Note
schema: shop
fields: {parcel_id: uuid, kilos: integer}
$$ AS before \gset
SELECT replace(replace(replace(replace(:'before', 'mass: integer! = 1', 'weight: {type: integer! = 1, renamed_from: mass}'),
       'price: decimal(10,2)', 'total_price: {type: "decimal(10,2)", renamed_from: [cost, price]}'),
       'state: enum(waiting, sent) = ''waiting''', 'status: {type: "enum(waiting, sent) = ''waiting''", renamed_from: state}'),
       'customer: ref(Customer)', 'buyer: {type: ref(Customer), renamed_from: customer}') AS after \gset
SELECT replace(replace(:'after', 'Parcel.mass', 'Parcel.weight'), 'mass > 10', 'weight > 10') AS after \gset
SELECT replace(:'after', 'kilos = mass', 'kilos = weight') AS after \gset
\set ECHO all
SELECT count(*) > 0 FROM specql.apply(:'before');
INSERT INTO shop.customer (name) VALUES ('Ada');
INSERT INTO shop.parcel (id, mass, price, customer_id) SELECT '00000000-0000-7000-8000-000000000001', 5, 9.5, id FROM shop.customer;
-- A handler that fails: its events wait under the old names.
ALTER TABLE shop.note ADD CONSTRAINT no CHECK (kilos < 0);
UPDATE shop.parcel SET mass = 20;
SELECT action, status FROM specql.failures;

-- Without renamed_from: refused, and the hint has the line to write.
SELECT code, message, hint FROM specql.validate(regexp_replace(:'after', '\{type: "?([^,"]+(?:,2\))?)"?, renamed_from: [^\n]*\}', '\1', 'g'));
SELECT code, hint FROM specql.validate(replace(:'before', 'mass', 'weight'));
SELECT code, hint FROM specql.validate(replace(:'before', 'price: decimal', 'total_price: decimal'));
-- One of another type, and of another name, is another one.
SELECT code, hint FROM specql.validate(replace(:'before', 'price: decimal(10,2)', 'remark: text'));

-- plan and validate change nothing.
SELECT code, message FROM specql.validate(:'after') WHERE severity <> 'notice';
SELECT pg_temp.planned(:'after');
SELECT attname FROM pg_attribute WHERE attrelid = 'shop.parcel'::regclass AND attnum > 0 ORDER BY attnum;
SELECT count(*) FROM specql.former_column;
-- apply does, and keeps what there is.
SELECT pg_temp.applied(:'after');
SELECT weight, total_price, status, buyer_id IS NOT NULL AS buyer FROM shop.parcel;
SELECT * FROM specql.drift();
-- Again: nothing.
SELECT pg_temp.planned(:'after');
SELECT pg_temp.applied(:'after');
SELECT specql.export('shop.Parcel') ~ 'renamed_from: mass';

-- What was logged before is read with the names of now.
SELECT data #>> '{new,mass}' AS logged, data #>> '{new,weight}' AS present FROM specql.events WHERE action = 'shop.watch' ORDER BY id;
SELECT s ->> 'weight', s ->> 'total_price', s ->> 'status', s ? 'mass', s ? 'price'
FROM specql.state_at('shop.Parcel', '00000000-0000-7000-8000-000000000001', clock_timestamp()) AS s;
CREATE TABLE shop.again (LIKE shop.parcel INCLUDING ALL);
SELECT specql.rebuild('shop.Parcel', 'shop.again');
SELECT weight, total_price, status, buyer_id IS NOT NULL FROM shop.again;
-- And so are events that wait: the failed one is handled.
ALTER TABLE shop.note DROP CONSTRAINT no;
SELECT specql.retry(id) FROM specql.failures;
SELECT kilos FROM shop.note;
SELECT count(*) FROM specql.failures;
UPDATE shop.parcel SET weight = 30;
SELECT kilos FROM shop.note ORDER BY kilos;

-- A chain of names: the first that is there.
SELECT pg_temp.applied('entity: Chain' || E'\nschema: shop\nfields: {a: text, z: text}');
INSERT INTO shop.chain (a) VALUES ('kept');
SELECT pg_temp.applied('entity: Chain' || E'\nschema: shop\nfields: {c: {type: text, renamed_from: [b, a]}, z: text}');
SELECT c FROM shop.chain;
-- Renamed by hand: it does nothing, but the former name is known.
ALTER TABLE shop.chain RENAME COLUMN c TO d;
SELECT pg_temp.applied('entity: Chain' || E'\nschema: shop\nfields: {d: {type: text, renamed_from: c}, z: text}');
SELECT name, former FROM specql.former_column WHERE relation = 'shop.chain'::regclass ORDER BY name, former;
-- A new field under the old name, when renamed_from is gone from the text.
SELECT pg_temp.applied('entity: Chain' || E'\nschema: shop\nfields: {d: text, z: text, c: text}');
SELECT specql.with_present_names('shop.chain', '{"c": 1, "z": 2}'), specql.with_present_names('shop.chain', '{"c": 1, "d": 2}'),
       specql.with_present_names('shop.chain', '{"z": 1, "specql.omitted": {"c": "too large"}}');

-- What cannot be.
SELECT code, line, col, message, hint FROM specql.validate('entity: Chain' || E'\nschema: shop\nfields: {d: {type: text, renamed_from: [e, z]}}');
SELECT code, line, col, message, hint FROM specql.validate('entity: Chain' || E'\nschema: shop\nfields: {d: {type: text, renamed_from: z}, z: text}');

-- Only of what is one's own.
CREATE ROLE regress_renamer;
GRANT specql_admin TO regress_renamer;
GRANT USAGE ON SCHEMA shop TO regress_renamer;
SET ROLE regress_renamer;
SELECT pg_temp.planned('entity: Chain' || E'\nschema: shop\nfields: {e: {type: text, renamed_from: d}, z: text, c: text}');
SELECT * FROM specql.apply('entity: Chain' || E'\nschema: shop\nfields: {e: {type: text, renamed_from: d}, z: text, c: text}');
RESET ROLE;
SELECT attname FROM pg_attribute WHERE attrelid = 'shop.chain'::regclass AND attnum > 0 ORDER BY attnum;

-- An older version knows the old name: refused, with the line to write.
SELECT * FROM specql.rollback('shop.Chain', 1);

-- Actions: what waits for one, its pause, its log and its history go with it.
\set ECHO none
SELECT $$
entity: Job
schema: shop
fields: {state: text, n: integer = 0}
---
schema: shop
actions:
  - name: on_job
    on: update Job.state
    max_attempts: 5
    steps:
      - insert: Note SET kilos = n
  - name: on_paused
    on: update Job.state
    steps:
      - notify: ops "paused"
  - name: count_jobs
    trigger: three_jobs
    condition: "COUNT(job_inserted) >= 3 WITHIN 1 hour"
    steps:
      - notify: ops "three"
  - name: on_visit
    on: event visit
    steps:
      - call_external: mail "send"
---
service: mail
url: https://mail.example/hooks
headers: {Authorization: "Bearer secret:mail_key"}
$$ AS jobs \gset
SELECT replace(replace(replace(replace(:'jobs', 'on_job', E'job_moved\n    renamed_from: on_job'), 'on_paused', E'still_paused\n    renamed_from: [x, on_paused]'),
    'name: count_jobs', E'name: jobs_counted\n    renamed_from: count_jobs'), 'on_visit', E'visited\n    renamed_from: on_visit') AS actions_renamed \gset
SELECT replace(replace(:'actions_renamed', 'mail "send"', 'post "send"'), 'service: mail', E'service: post\nrenamed_from: mail') AS renamed \gset
\set ECHO all
SELECT count(*) > 0 FROM specql.apply(:'jobs');
ALTER TABLE shop.note ADD CONSTRAINT no CHECK (kilos < 0) NOT VALID;
INSERT INTO specql.secret (name, value, sent_to) VALUES ('mail_key', 'k', '{mail}');
SELECT specql.pause('shop.on_paused');
INSERT INTO shop.job (id, state) VALUES ('00000000-0000-7000-8000-00000000000a', 'new'), ('00000000-0000-7000-8000-00000000000b', 'new');
SELECT specql.evaluate_windows(NULL) > 0;
UPDATE shop.job SET state = 'old' WHERE id = '00000000-0000-7000-8000-00000000000a';
SELECT specql.emit('visit', '{}') IS NOT NULL;
SELECT pg_temp.planned(:'renamed');
SELECT pg_temp.applied(:'renamed');
SELECT pg_temp.planned(:'renamed');
SELECT action, status FROM specql.failures;
SELECT action, paused_at IS NOT NULL AS paused FROM specql.actions WHERE part = '' AND action LIKE 'shop.%' ORDER BY 1;
SELECT action, count(*) FROM specql.events WHERE action NOT LIKE 'shop.watch' AND action <> 'shop.on_heavy' GROUP BY 1 ORDER BY 1;
SELECT spec, version, kind FROM specql.history WHERE spec ~ 'job_moved|on_job|post|mail' ORDER BY 1, 2;
SELECT service, action FROM specql.deliveries WHERE service IS NOT NULL;
SELECT sent_to FROM specql.secret WHERE name = 'mail_key';
SELECT name, url FROM specql.services;
-- The failed one is handled, the paused one when it is resumed, and the window goes on counting.
ALTER TABLE shop.note DROP CONSTRAINT no;
SELECT specql.retry(id) FROM specql.failures;
SELECT specql.resume('shop.still_paused');
INSERT INTO shop.job (state) VALUES ('third');
SELECT specql.evaluate_windows(NULL) > 0;
SELECT action, message FROM specql.deliveries WHERE channel = 'ops' AND message <> 'parcel' ORDER BY 1;
SELECT specql.retry_due(NULL) >= 0;
SELECT action, message FROM specql.deliveries WHERE channel = 'ops' AND message <> 'parcel' ORDER BY 1;
DO $$
DECLARE
    holder regclass;
    n bigint;
BEGIN
    FOR holder IN SELECT c.oid FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
                  WHERE c.relnamespace = 'specql'::regnamespace AND c.relkind = 'r' AND a.attname = 'action' LOOP
        EXECUTE format('SELECT count(*) FROM %s WHERE action = ANY ($1)', holder) INTO n
        USING ARRAY['shop.on_job', 'shop.on_paused', 'shop.count_jobs', 'shop.on_visit'];
        IF n > 0 THEN
            RAISE WARNING '% still has former names', holder;
        END IF;
    END LOOP;
END $$;
-- Others must not say the former name any more, nor declare it.
SELECT pg_temp.applied('service: mailer' || E'\nrenamed_from: post\nurl: https://mail.example/hooks\n');
SELECT code, line, col, message, hint FROM specql.validate('service: mailer' || E'\nrenamed_from: post\nurl: https://mail.example/hooks\n');
SELECT pg_temp.applied(E'service: other\nurl: https://other.example/\n');
SELECT code, message, hint FROM specql.validate(E'service: other\nurl: https://other.example/\nrenamed_from: post\n');
SELECT code, message FROM specql.validate(E'schema: shop\nactions:\n  - {name: noted, renamed_from: watch, on: Parcel, steps: [{notify: a "b"}]}\n') WHERE severity = 'error';
SELECT code, message FROM specql.validate(E'schema: shop\nactions:\n  - {name: a, renamed_from: a, on: Parcel, steps: [{notify: a "b"}]}\n  - {name: c, renamed_from: a, on: Parcel, steps: [{notify: a "b"}]}\n') WHERE severity = 'error';

-- One that is gone from its entity, and one that hears the same, may be one.
SELECT count(*) > 0 FROM specql.apply(E'entity: Bell\nschema: shop\nfields: {n: integer}\nactions:\n  - {name: on_bell, on: update Bell.n, steps: [{notify: ops "bell"}]}\n');
SELECT code, line, col, message, hint FROM specql.validate(E'entity: Bell\nschema: shop\nfields: {n: integer}\nactions:\n  - {name: rung, on: update Bell.n, steps: [{notify: ops "bell"}]}\n');
SELECT code, message FROM specql.validate(E'entity: Bell\nschema: shop\nfields: {n: integer}\nactions:\n  - {name: on_bells, on: Bell, steps: [{notify: ops "bell"}]}\n');
SELECT code, message FROM specql.validate(E'entity: Bell\nschema: shop\nfields: {n: integer}\nactions:\n  - {name: another, on: Bell, steps: [{notify: ops "bell"}]}\n');
SELECT code, message FROM specql.validate(E'entity: Bell\nschema: shop\nfields: {n: integer}\nactions:\n  - {name: rung, renamed_from: on_bell, on: update Bell.n, steps: [{notify: ops "bell"}]}\n');
-- Entities: the table, with what is in it, and the unit, with its history.
SELECT count(*) > 0 FROM specql.apply(E'entity: Depot\nschema: shop\nfields: {town: text}\nactions:\n  - {name: on_depot, on: Depot, steps: [{insert: Note SET kilos = 7}]}\n');
SELECT count(*) > 0 FROM specql.apply(E'entity: Truck\nschema: shop\nfields: {depot: ref(Depot)}\n');
INSERT INTO shop.depot (id, town) VALUES ('00000000-0000-7000-8000-0000000000d0', 'Ulm');
SELECT specql.pause('shop.on_depot');
UPDATE shop.depot SET town = 'Bonn';
\set hub 'entity: Hub\nschema: shop\nrenamed_from: Depot\nfields: {town: text}\nactions:\n  - {name: on_depot, on: Hub, steps: [{insert: Note SET kilos = 7}]}\n'
SELECT code, message FROM specql.validate(:'hub') WHERE severity = 'error';
SELECT :'hub' || E'---\nentity: Truck\nschema: shop\nfields: {depot: ref(Hub)}\n' AS hub \gset
SELECT pg_temp.planned(:'hub');
SELECT pg_temp.applied(:'hub');
SELECT pg_temp.planned(:'hub');
SELECT town FROM shop.hub;
SELECT spec, version FROM specql.history WHERE spec LIKE 'shop.Hub' OR spec LIKE 'shop.Depot' ORDER BY 1, 2;
SELECT specql.resume('shop.on_depot');
SELECT kilos FROM shop.note WHERE kilos = 7;
SELECT specql.state_at('Hub', '00000000-0000-7000-8000-0000000000d0', clock_timestamp()) ->> 'town';
SELECT * FROM specql.drift();
-- A version from when it had another name is not applied under that name: it would make an empty table.
SELECT * FROM specql.rollback('shop.Hub', 1);
SELECT * FROM specql.rollback('shop.job_moved', 1);
SELECT * FROM specql.rollback('post', 1);
SELECT count(*) > 0 FROM specql.rollback('shop.Hub', 2);
-- Into another schema, with its actions.
SELECT replace(replace(replace(:'hub', E'schema: shop\nrenamed_from: Depot', E'schema: net\nrenamed_from: shop.Hub'), 'ref(Hub)', 'ref(net.Hub)'), 'insert: Note', 'insert: shop.Note') AS net \gset
SELECT pg_temp.applied(:'net');
SELECT pg_temp.planned(:'net');
SELECT town FROM net.hub;
SELECT action, paused_at IS NOT NULL FROM specql.actions WHERE action LIKE '%.on_depot';
UPDATE net.hub SET town = 'Kiel';
SELECT count(*) FROM shop.note WHERE kilos = 7;
SELECT * FROM specql.drift();
-- Whose it is decides.
SET ROLE regress_renamer;
SELECT specql.rename_action('shop.job_moved', 'shop.mine');
SELECT specql.rename_service('post', 'mine');
SELECT specql.rename_entity('net.Hub', 'shop.Mine');
RESET ROLE;

-- A column that was renamed by hand, and a text that does not know: it is not made anew without a word.
\set ward 'entity: Ward\nschema: shop\nfields: {title: text, beds: integer}\nactions:\n  - {name: on_beds, on: update Ward.beds, steps: [{notify: ward "beds"}]}\n'
SELECT count(*) > 0 FROM specql.apply(:'ward');
ALTER TABLE shop.ward RENAME COLUMN beds TO bed_count;
ALTER TABLE shop.ward ADD COLUMN nurses integer;
SELECT kind, object, problem, fix FROM specql.drift();
ALTER TABLE shop.ward DROP COLUMN nurses;
SELECT code, line, col, message, hint FROM specql.validate(:'ward') WHERE severity = 'error';
SELECT code, message FROM specql.validate(replace(:'ward', 'title: text', 'title: text, floor: text')) WHERE severity = 'error';
SELECT count(*) FROM specql.validate(replace(replace(:'ward', 'beds: integer', 'bed_count: {type: integer, renamed_from: beds}'), 'Ward.beds', 'Ward.bed_count')) WHERE severity = 'error';
-- Dropped: it comes back, as nothing else may be it, and so does the other one, since the caller says so.
ALTER TABLE shop.ward DROP COLUMN title;
SELECT action, object, detail FROM specql.apply(:'ward', adopt => true) WHERE kind = 'table' AND object = 'shop.ward';
SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'shop.ward'::regclass AND attnum > 0 AND NOT attisdropped;

-- Values of enums: rows are written otherwise, which is no event; the log keeps the word that it had.
SELECT count(*) > 0 FROM specql.apply(E'entity: Letter\nschema: shop\nfields: {state: "enum(waiting, sent, not found)! = ''sent''"}\nactions:\n  - {name: on_letter, on: Letter, steps: [{notify: ops "letter"}]}\n');
INSERT INTO shop.letter (state) VALUES ('sent'), ('waiting'), ('not found');
SELECT count(*) FROM specql.events WHERE action = 'shop.on_letter';
\set letter 'entity: Letter\nschema: shop\nfields:\n  state: {type: "enum(waiting, shipped, lost)! = ''shipped''", renamed_values: {shipped: [gone, sent], lost: not found}}\nactions:\n  - {name: on_letter, on: Letter, steps: [{notify: ops "letter"}]}\n'
-- Without it: refused, with what to write.
SELECT code, hint FROM specql.validate(regexp_replace(:'letter', ', renamed_values.*?\}', '')) WHERE severity = 'error';
SELECT code, hint FROM specql.validate(E'entity: Letter\nschema: shop\nfields: {state: "enum(waiting, shipped, not found)! = ''shipped''"}\n') WHERE severity = 'error';
SELECT pg_temp.planned(:'letter');
SELECT state FROM shop.letter ORDER BY id;
SELECT pg_temp.applied(:'letter');
SELECT state FROM shop.letter ORDER BY id;
SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'letter_state_check';
INSERT INTO shop.letter DEFAULT VALUES RETURNING state;
SELECT count(*) FROM specql.events WHERE action = 'shop.on_letter';
SELECT pg_temp.planned(:'letter');
SELECT * FROM specql.drift();
-- What failed, and what waits, is handled with the word of today; so are histories read. A word that is a value again says what it says.
SELECT count(*) > 0 FROM specql.apply($$
entity: Posting
schema: shop
fields: {town: text, state: "enum(planned, going) = 'planned'", seats: integer = 0}
actions:
  - name: on_going
    on: update Posting.state
    condition: "new.state = 'going'"
    steps:
      - insert: "Departure SET town = town, share = 10 / seats"
---
entity: Departure
schema: shop
fields: {town: text, share: integer}
---
schema: shop
actions:
  - name: posting_history
    on: Posting
    steps:
      - append: "PostingLog SET posting_id = id, row = to_jsonb(new), at = event_time"
$$);
INSERT INTO shop.posting (town) VALUES ('Rom'), ('Ulm');
SELECT specql.pause('shop.on_going');
UPDATE shop.posting SET state = 'going', seats = 2 WHERE town = 'Ulm';
\set posting 'entity: Posting\nschema: shop\nfields:\n  town: text\n  state: {type: "enum(planned, moving)", default: "''planned''", renamed_values: {moving: going}}\n  seats: integer = 0\nactions:\n  - {name: on_going, on: update Posting.state, condition: "new.state = ''moving''", steps: [{insert: "Departure SET town = town, share = 10 / seats"}]}\n'
SELECT pg_temp.applied(:'posting');
SELECT specql.resume('shop.on_going');
SELECT town, share FROM shop.departure;
SELECT specql.state_at('shop.Posting', id, now()) ->> 'state' AS state FROM shop.posting ORDER BY town;
SELECT column_name, name, former FROM specql.former_value WHERE relation = 'shop.posting'::regclass;
-- Once more, and then a new value with the word of old.
SELECT pg_temp.applied(regexp_replace(replace(replace(:'posting', '{moving: going}', '{under way: moving}'), 'moving)', 'under way)'), '''moving''', '''under way'''));
SELECT specql.with_present_names('shop.posting', '{"state": "going"}'), specql.with_present_names('shop.posting', '{"state": "moving"}');
SELECT count(*) > 0 FROM specql.apply(E'entity: Posting\nschema: shop\nfields: {town: text, state: "enum(planned, under way, going) = ''planned''", seats: integer = 0}\n', allow_destructive => true);
SELECT specql.with_present_names('shop.posting', '{"state": "going"}'), specql.with_present_names('shop.posting', '{"state": "moving"}');
-- What cannot be.
SELECT code, line, col, message FROM specql.validate(E'entity: Letter\nschema: shop\nfields:\n  state: {type: "enum(waiting, shipped, lost)", renamed_values: {shipped: waiting, posted: sent, lost: sent}}\n') WHERE severity = 'error';
SELECT code, message FROM specql.validate(E'entity: Letter\nschema: shop\nfields:\n  state: {type: "enum(waiting, shipped)! = \'shipped\'", renamed_values: {shipped: lost}}\nactions:\n  - {name: on_letter, on: Letter, steps: [{notify: ops "letter"}]}\n') WHERE severity = 'error';
SET ROLE regress_renamer;
SELECT specql.respell_value('shop.letter', 'state', 'lost', 'found');
RESET ROLE;
DROP OWNED BY regress_renamer;
DROP ROLE regress_renamer;
