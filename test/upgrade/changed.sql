-- Entities gain, lose and change fields, values and comments.
SET client_min_messages = error;
SELECT action, kind, object, sql FROM specql.plan($$
entity: Office
schema: Post
description: Where parcels are
fields:
  name: text
  parcels: bigint = 1
  opened: date
---
entity: Parcel
schema: Post
fields:
  office: ref(Office)!
  state:
    type: enum(arrived, lost, returned)
    default: "'returned'"
    description: What became of it
  weight: decimal(10,3)!
---
entity: Notice
schema: Post
fields:
  parcel: ref(Parcel)!
  kind: text!
---
entity: Stamp
schema: Post
table: '"stamp on letter"'
fields:
  price: integer
  state: enum(new, used) = 'new'
  year: integer = 1900
$$, adopt => true, allow_destructive => true) WHERE kind = 'table' AND action <> 'unchanged' ORDER BY object;
