-- Suites for steps that are done for each element of an array, and for bulk operations over one; and for a row that
-- says at once that its event was handled.
\i sql/include/suites.psql

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
entity: Diary
schema: pantry
fields: {dish_id: uuid, event_type: "enum(weighed, eaten)", processed_at: timestamp}
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
  - name: on_weighed
    on: update Dish.weight
    steps:
      - insert: Diary SET
          dish_id: "dish_id"
          event_type: "'weighed'"
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

-- Bulk operations over an array: a unique key names the row, or several rows are meant; what becomes of a bad element.
SELECT count(*) > 0 FROM specql.apply($$
entity: Price
schema: pantry
fields: {sku: text!, shelf: integer, amount: numeric!, note: text}
indexes: [{columns: [sku], unique: true}]
actions:
  - name: strictly
    pattern: batch/bulk_operation
    trigger: strict_prices
    batch_field: price_changes
    operation: update
    validations: ["new_amount > 0", "sku <> ''"]
    steps:
      - update: Price SET amount = new_amount, note = reason WHERE sku = sku
      - notify: buyers "A price has changed"
  - name: leniently
    pattern: batch/bulk_operation
    batch_field: price_changes
    operation: update
    validations: ["new_amount > 0"]
    error_handling: continue_on_error
    steps:
      - update: Price SET amount = new_amount WHERE shelf = shelf
  - name: together
    pattern: batch/bulk_operation
    batch_field: shelves
    operation: delete
    error_handling: collect_errors
    steps:
      - delete: Price WHERE shelf = shelf AND amount = 0
$$);
SELECT * FROM specql.runtests('pantry.batch_test');

-- Functions that take the elements the wrong way.
CREATE FUNCTION pg_temp.failing(suite text, handler regprocedure, old text, new text) RETURNS SETOF text
LANGUAGE plpgsql AS $$
DECLARE
    line text;
    definition text := pg_get_functiondef(handler);
BEGIN
    IF strpos(definition, old) = 0 THEN
        RAISE EXCEPTION '% has no %', handler, old;
    END IF;
    BEGIN
        EXECUTE replace(definition, old, new);
        FOR line IN SELECT split_part(l, E'\n', 1) FROM specql.runtests(suite) AS l WHERE l LIKE 'not ok%' LOOP
            RETURN NEXT line;
        END LOOP;
        RAISE EXCEPTION USING ERRCODE = 'ZZ001';
    EXCEPTION WHEN SQLSTATE 'ZZ001' THEN
        NULL;
    END;
END $$;
\set E pantry.event_driven_test
\set B pantry.batch_test
\set dish pantry.trigger_dish_events()
SELECT * FROM pg_temp.failing(:'E', :'dish', 'FOREACH v_tag IN ARRAY coalesce(e.tags', 'FOREACH v_tag IN ARRAY coalesce(e.tags[1:1]');
SELECT * FROM pg_temp.failing(:'E', :'dish', 'weight + v_gram', 'weight + 1');
SELECT * FROM pg_temp.failing(:'E', :'dish', '= v_part AND', '= e.parts[1] AND');
SELECT * FROM pg_temp.failing(:'E', 'pantry.trigger_weighed_events()', 'clock_timestamp()', 'NULL');
SELECT * FROM pg_temp.failing(:'E', 'pantry.handle_menu_events()', 'v_line ->> ', 'e.lines -> 0 ->> ');
-- A bad element is passed over; it ends a call that it should not; it is counted; nothing is told of it.
SELECT * FROM pg_temp.failing(:'B', 'pantry.strictly(jsonb)', 'RAISE EXCEPTION USING ERRCODE = ''SQ206''', 'CONTINUE; RAISE EXCEPTION USING ERRCODE = ''SQ206''');
SELECT * FROM pg_temp.failing(:'B', 'pantry.leniently(jsonb)', 'RAISE WARNING USING', 'RAISE EXCEPTION USING');
SELECT * FROM pg_temp.failing(:'B', 'pantry.leniently(jsonb)', 'v_count := v_before', 'v_count := v_before + 1');
SELECT * FROM pg_temp.failing(:'B', 'pantry.together(jsonb)', 'IF v_errors <> ''{}''', 'IF false');
-- An if within a loop holds for one element and not for the other.
SELECT * FROM pg_temp.failing(:'E', :'dish', '::integer > 3 THEN', '::integer > 4 THEN');
SELECT * FROM pg_temp.failing(:'E', :'dish', '::integer > 3 THEN', '::integer > 2 THEN');
