-- specql.graph: what is installed as a picture.
SET client_min_messages = warning;
CREATE EXTENSION specql;
\pset format unaligned
\pset tuples_only on
SELECT specql.graph();
SELECT specql.graph('svg');
SELECT specql.graph(NULL) IS NULL;

-- Rules that can go round for ever, a bulk operation on the way, and one that stands aside.
\set spec 'entity: Account\nschema: bank\nfields: {balance: integer, "status": "enum(open, closed)"}\nactions:\n  - name: on_balance\n    trigger: balance_changed\n    steps:\n      - settle: "settle(account_id)"\n      - call_external: ledger "post"\n  - name: settle\n    pattern: batch/bulk_operation\n    trigger: day_closed\n    operation: update\n    steps:\n      - update: Account SET balance = 0 WHERE id = account_id\n  - name: on_status\n    trigger: status_changed\n    steps:\n      - emit: account_status\n      - escalate: auditors "Look at this"\n---\nservice: ledger\nurl: https://ledger.example\n'
SELECT action, kind, object FROM specql.apply(:'spec') WHERE kind = 'trigger';
SELECT specql.graph();
SELECT specql.graph('dot');

-- Names that the formats would take for marks of their own.
SELECT count(*) > 0 FROM specql.apply($$
entity: '"Odd" <b> #1; `x` & y\z'
schema: 'my "schema"'
fields: {a: integer}
$$);
SELECT line FROM unnest(string_to_array(specql.graph(), E'\n')) AS line WHERE line ~ 'my';
SELECT line FROM unnest(string_to_array(specql.graph('dot'), E'\n')) AS line WHERE line ~ 'my';

-- It shows other people's rules, so it is for those who may apply.
CREATE ROLE specql_test_onlooker;
SET ROLE specql_test_onlooker;
SELECT specql.graph();
RESET ROLE;
DROP ROLE specql_test_onlooker;
