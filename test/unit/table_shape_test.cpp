#include "model/table_shape.hpp"

#include <gtest/gtest.h>

#include "model/former_shape.hpp"
#include "model/kinds.hpp"

namespace specql::test {

namespace {

// What 0.1.0 recorded, with everything that could be cut at the wrong place.
const char* const recorded =
    "CREATE TABLE shop.\"Odd (table)\" (\n"
    "    id uuid DEFAULT specql.uuid_v7() NOT NULL,\n"
    "    \"a, b\" numeric(10,2),\n"
    "    note text DEFAULT 'it''s, NOT NULL',\n"
    "    \"default\" text NOT NULL,\n"
    "    total integer DEFAULT (1 + 2),\n"
    "    known boolean DEFAULT ('x' IS NOT NULL) NOT NULL,\n"
    "    CONSTRAINT odd_pkey PRIMARY KEY (id),\n"
    "    CONSTRAINT odd_note_check CHECK (note IN ('a, b', 'c)')),\n"
    "    CONSTRAINT \"odd \"\"total\"\"_check\" CHECK ((total > 0) AND (total < 5))\n"
    ");\n"
    "COMMENT ON TABLE shop.\"Odd (table)\" IS E'It''s odd:\\n C:\\\\';\n"
    "COMMENT ON COLUMN shop.\"Odd (table)\".\"a, b\" IS 'Two; of ''them''';";

TEST(TableShape, IsReadFromWhatFormerVersionsRecorded) {
    TableShape shape = formerShape(recorded);
    ASSERT_EQ(6u, shape.columns.size());
    EXPECT_EQ("id uuid DEFAULT specql.uuid_v7() NOT NULL", shape.columns[0].sql());
    EXPECT_EQ("\"a, b\" numeric(10,2)", shape.columns[1].sql());
    EXPECT_EQ("note text DEFAULT 'it''s, NOT NULL'", shape.columns[2].sql());
    EXPECT_EQ("\"default\" text NOT NULL", shape.columns[3].sql());
    EXPECT_EQ("integer", shape.columns[4].type);
    EXPECT_EQ("(1 + 2)", shape.columns[4].defaultValue);
    EXPECT_EQ("('x' IS NOT NULL)", shape.columns[5].defaultValue);
    EXPECT_TRUE(shape.columns[5].notNull);
    EXPECT_EQ("Two; of 'them'", shape.columns[1].comment);
    EXPECT_EQ(std::vector<std::string>{"id"}, shape.key);
    ASSERT_EQ(2u, shape.checks.size());
    EXPECT_EQ("note IN ('a, b', 'c)')", shape.checks[0].condition);
    EXPECT_EQ("odd \"total\"_check", shape.checks[1].name);
    EXPECT_EQ("(total > 0) AND (total < 5)", shape.checks[1].condition);
    EXPECT_EQ("It's odd:\n C:\\", shape.comment);
    EXPECT_FALSE(shape.adopted);
    EXPECT_FALSE(shape.implied);
}

TEST(TableShape, TellsWhoMadeTheTable) {
    TableShape adopted = formerShape(
        "-- an existing table, adopted\nCREATE TABLE a.b (\n    id uuid\n);\nCOMMENT ON TABLE a.b IS 'Entity B';");
    EXPECT_TRUE(adopted.adopted);
    EXPECT_EQ("Entity B", adopted.comment);
    TableShape implied = formerShape(
        "CREATE TABLE a.b (\n    id uuid\n);\n"
        "COMMENT ON TABLE a.b IS 'Rows, made from the steps that write it';");
    EXPECT_TRUE(implied.implied);
}

TEST(TableShape, IsAnotherWhereAnyPartIsAnother) {
    const TableShape shape = formerShape(recorded);
    EXPECT_EQ(shape, shape);
    TableShape other = shape;
    other.columns[1].type = "text";
    EXPECT_NE(shape, other);
    other = shape;
    other.checks[0].condition += " OR true";
    EXPECT_NE(shape, other);
    other = shape;
    other.columns[1].comment.clear();
    EXPECT_NE(shape, other);
    other = shape;
    other.adopted = true;
    EXPECT_NE(shape, other);
}

TEST(TableShape, IsKeptAsJson) {
    TableShape shape;
    shape.columns = {{"a\"b", "text", "E'\n\\'", true, ""}};
    shape.checks = {{"c", "a > 0", "a"}};
    shape.key = {"id"};
    EXPECT_EQ(
        "{\"adopted\": false, \"implied\": false, \"columns\": [{\"name\": \"a\\\"b\", \"type\": \"text\", "
        "\"default\": \"E'\\u000a\\\\'\", \"not_null\": true}], \"checks\": [{\"name\": \"c\", \"condition\": \"a > "
        "0\"}], \"key\": [\"id\"]}",
        shape.json());
}

TEST(ObjectKind, HasAWord) {
    for (ObjectKind kind : {ObjectKind::schema, ObjectKind::index, ObjectKind::service}) {
        ObjectKind read;
        ASSERT_TRUE(fromWord(toWord(kind), read));
        EXPECT_EQ(kind, read);
    }
    ObjectKind read;
    EXPECT_FALSE(fromWord("sequence", read));
}

}  // namespace

}  // namespace specql::test
