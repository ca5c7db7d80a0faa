#include "pg/capture/carried.hpp"

#include "pg/capture/triggers.hpp"

namespace specql::capture {

namespace {

// The column that an argument names behind this word; nullptr if it is another one.
const char* columnBehind(const char* argument, const char* word) {
    size_t length = strlen(word);
    return strncmp(argument, word, length) == 0 && argument[length] == ' ' ? argument + length + 1 : nullptr;
}

// What the arguments of the table's triggers say.
struct Said {
    bool* isPrivate;
    bool* isDeclared;
    bool anyPrivate, anyDeclared, anyLost;
};

int columnNamed(TupleDesc columns, const char* name) {
    for (int i = 0; i < columns->natts; ++i) {
        Form_pg_attribute column = TupleDescAttr(columns, i);
        if (!column->attisdropped && strcmp(NameStr(column->attname), name) == 0) return i;
    }
    return -1;
}

void hear(Said* said, TupleDesc columns, const char* argument) {
    const char* hidden = columnBehind(argument, "private");
    const char* declared = columnBehind(argument, "declared");
    if (hidden != nullptr) {
        int column = columnNamed(columns, hidden);
        said->anyPrivate = true;
        if (column < 0)
            said->anyLost = true;
        else
            said->isPrivate[column] = true;
    } else if (declared != nullptr) {
        int column = columnNamed(columns, declared);
        said->anyDeclared = true;
        if (column >= 0) said->isDeclared[column] = true;
    }
}

// A partition has the triggers of the table above it, too.
Said heardFrom(Relation relation) {
    TupleDesc columns = RelationGetDescr(relation);
    Size size = sizeof(bool) * Max(columns->natts, 1);
    Said said = {static_cast<bool*>(palloc0(size)), static_cast<bool*>(palloc0(size)), false, false, false};
    Oid capture = specqlFunction("capture");
    const TriggerDesc* triggers = triggersOf(relation);
    if (triggers == nullptr) return said;
    for (int i = 0; i < triggers->numtriggers; ++i) {
        const Trigger* trigger = &triggers->triggers[i];
        for (int a = 0; trigger->tgfoid == capture && a < trigger->tgnargs; ++a)
            hear(&said, columns, trigger->tgargs[a]);
    }
    return said;
}

void push(JsonbParseState** state, JsonbIteratorToken token, const char* text) {
    JsonbValue value;
    value.type = jbvString;
    value.val.string.val = const_cast<char*>(text);
    value.val.string.len = static_cast<int>(strlen(text));
    (void)pushJsonbValue(state, token, &value);
}

void note(JsonbParseState** state, const char* column, const char* reason) {
    push(state, WJB_KEY, column);
    push(state, WJB_VALUE, reason);
}

}  // namespace

Withheld withheldFrom(Relation relation) {
    Said said = heardFrom(relation);
    if (!said.anyPrivate && !said.anyDeclared) return {nullptr, nullptr};
    TupleDesc columns = RelationGetDescr(relation);
    Bitmapset* key = RelationGetIndexAttrBitmap(relation, INDEX_ATTR_BITMAP_PRIMARY_KEY);
    bool* withheld = static_cast<bool*>(palloc0(sizeof(bool) * Max(columns->natts, 1)));
    JsonbParseState* state = nullptr;
    (void)pushJsonbValue(&state, WJB_BEGIN_OBJECT, nullptr);
    bool undeclared = false, any = false;
    for (int i = 0; i < columns->natts; ++i) {
        Form_pg_attribute column = TupleDescAttr(columns, i);
        if (column->attisdropped || bms_is_member(column->attnum - FirstLowInvalidHeapAttributeNumber, key)) continue;
        bool isUndeclared = said.anyDeclared && !said.isDeclared[i] && !said.isPrivate[i];
        withheld[i] = said.isPrivate[i] || isUndeclared || said.anyLost;
        any |= withheld[i];
        undeclared |= isUndeclared;
        if (said.isPrivate[i]) note(&state, NameStr(column->attname), reasonPrivate);
    }
    if (said.anyLost || undeclared) note(&state, everyOther, said.anyLost ? reasonUnknown : reasonUndeclared);
    Jsonb* notes = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, nullptr));
    return any ? Withheld{withheld, notes} : Withheld{nullptr, nullptr};
}

}  // namespace specql::capture
