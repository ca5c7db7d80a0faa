-- Suites for steps that are done for each element of an array, and for bulk operations over one.
CREATE EXTENSION IF NOT EXISTS specql;
CREATE EXTENSION IF NOT EXISTS pgtap;
\set SHOW_CONTEXT never
\set VERBOSITY terse
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;

SELECT count(*) > 0 FROM specql.apply($$
entity: Stock
schema: pantry
fields:
  name: text
  amount: integer = 0
---
entity: Label
schema: pantry
fields:
  dish_id: uuid
  tag: text!
  place: integer
---
entity: Dish
schema: pantry
fields:
  name: text!
  tags: list(text)
  parts: list(uuid)
  grams: list(integer)
  weight: integer = 0
  boxes: jsonb
actions:
  - name: on_dish
    on: insert Dish
    steps:
      - foreach: "tag in tags"
        do:
          - insert: Label SET
              dish_id: "dish_id"
              tag: "tag"
          - notify: printer "Print a label"
          - emit: labelled SET
              dish_id: "dish_id"
              tag: "upper(tag)"
      - foreach: "part in parts"
        do:
          - update: Stock SET amount = amount - 1 WHERE id = part AND amount > 3
      - foreach: "gram in grams"
        do:
          - update: Dish SET weight = weight + gram
      - foreach: "box in boxes"
        do:
          - insert: Label SET
              dish_id: "dish_id"
              tag: "box ->> 'colour'"
              place: "(box ->> 'place')::integer"
          - if: "(box ->> 'place')::integer > 3"
            then:
              - notify: printer "High up"
  - name: on_menu
    on: event menu_printed
    params: {menu_id: uuid, lines: jsonb}
    condition: "jsonb_array_length(lines) > 0"
    steps:
      - foreach: "line in lines"
        do:
          - check_spelling: "check_spelling(menu_id, line ->> 'text')"
          - delete: Label WHERE tag = line ->> 'text'
      - notify: kitchen "A menu is printed"
$$);
SELECT * FROM specql.runtests('pantry.event_driven_test');

-- Functions that take the elements the wrong way.
CREATE FUNCTION pg_temp.failing(handler regprocedure, old text, new text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    line text;
BEGIN
    BEGIN
        EXECUTE replace(pg_get_functiondef(handler), old, new);
        FOR line IN SELECT split_part(l, E'\n', 1) FROM specql.runtests('pantry.event_driven_test') AS l WHERE l LIKE 'not ok%' LOOP
            RETURN NEXT line;
        END LOOP;
        RAISE EXCEPTION USING ERRCODE = 'ZZ001';
    EXCEPTION WHEN SQLSTATE 'ZZ001' THEN
        NULL;
    END;
END $$;
SELECT * FROM pg_temp.failing('pantry.trigger_dish_events()', 'FOREACH v_tag IN ARRAY coalesce(e.tags', 'FOREACH v_tag IN ARRAY coalesce(e.tags[1:1]');
SELECT * FROM pg_temp.failing('pantry.trigger_dish_events()', 'weight + v_gram', 'weight + 1');
SELECT * FROM pg_temp.failing('pantry.trigger_dish_events()', '= v_part AND', '= e.parts[1] AND');
