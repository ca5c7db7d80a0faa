#include "pg/capture/whole_images.hpp"

#include "pg/bridge/entry.hpp"
#include "pg/capture/json_writer.hpp"
#include "pg/capture/omitted.hpp"

namespace specql::capture {

namespace {

// A key of an object and its value, which are in the object's memory.
struct Member {
    const char* key;
    Size length;
    JsonbValue value;
};

struct Members {
    Member* items;
    int count;
};

// In the order of their keys.
Members membersOf(JsonbContainer* object) {
    Members members = {static_cast<Member*>(palloc(sizeof(Member) * Max(JsonContainerSize(object), 1))), 0};
    JsonbIterator* iterator = JsonbIteratorInit(object);
    JsonbValue key;
    for (JsonbIteratorToken token; (token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE;) {
        if (token != WJB_KEY) continue;
        Member* member = &members.items[members.count++];
        member->key = key.val.string.val;
        member->length = static_cast<Size>(key.val.string.len);
        (void)JsonbIteratorNext(&iterator, &member->value, true);
    }
    return members;
}

// The members of both, those of `first` where both have a key.
Members united(const Members& first, const Members& second) {
    Members all = {static_cast<Member*>(palloc(sizeof(Member) * (first.count + second.count + 1))), 0};
    int i = 0, j = 0;
    while (i < first.count || j < second.count) {
        const Member *left = &first.items[i], *right = &second.items[j];
        int order = i == first.count    ? 1
                    : j == second.count ? -1
                                        : compareKeys(left->key, left->length, right->key, right->length);
        all.items[all.count++] = order <= 0 ? *left : *right;
        i += order <= 0 ? 1 : 0;
        j += order >= 0 ? 1 : 0;
    }
    return all;
}

JEntry writeMembers(JsonWriter* json, const Members& members) {
    JsonObject object = beginObject(json, members.count);
    for (int i = 0; i < members.count; ++i)
        addEntry(json, &object, writeText(json, members.items[i].key, members.items[i].length));
    for (int i = 0; i < members.count; ++i)
        addEntry(json, &object, writeValue(json, &members.items[i].value));
    return endObject(json, &object);
}

JsonbContainer* objectAt(JsonbContainer* object, const char* key) {
    JsonbValue* value = getKeyJsonValueFromContainer(object, key, static_cast<int>(strlen(key)), nullptr);
    bool isObject = value != nullptr && value->type == jbvBinary && JsonContainerIsObject(value->val.binary.data);
    return isObject ? value->val.binary.data : nullptr;
}

// Takes out the members whose keys one of the objects has; nullptr has none.
void remove(Members* members, JsonbContainer* one, JsonbContainer* other) {
    auto has = [](JsonbContainer* object, const Member& member) {
        return object != nullptr &&
               getKeyJsonValueFromContainer(object, member.key, static_cast<int>(member.length), nullptr) != nullptr;
    };
    int count = members->count;
    members->count = 0;
    for (int i = 0; i < count; ++i)
        if (!has(one, members->items[i]) && !has(other, members->items[i]))
            members->items[members->count++] = members->items[i];
}

// Takes the note out of the members of an image, and returns what it says.
Members takeNote(Members* members) {
    Members note = {nullptr, 0};
    int count = members->count;
    members->count = 0;
    for (int i = 0; i < count; ++i) {
        const Member& member = members->items[i];
        if (compareKeys(member.key, member.length, omittedKey, strlen(omittedKey)) == 0 &&
            member.value.type == jbvBinary && JsonContainerIsObject(member.value.val.binary.data))
            note = membersOf(member.value.val.binary.data);
        else
            members->items[members->count++] = member;
    }
    return note;
}

// An image with a note of what it does not carry.
Members withNote(const Members& members, const Members& note) {
    JsonWriter json = beginJson(0);
    (void)writeMembers(&json, note);
    Member member = {omittedKey, strlen(omittedKey), {}};
    member.value.type = jbvBinary;
    member.value.val.binary.len = static_cast<int>(json.length - VARHDRSZ);
    member.value.val.binary.data = &endJson(&json)->root;
    return united({&member, 1}, members);
}

// The old row: what it does not say of a column is as in the new one, where that may be missing, too.
Members oldRowOf(JsonbContainer* changed, JsonbContainer* fresh) {
    Members old = membersOf(changed), unchanged = membersOf(fresh);
    Members note = takeNote(&old), unchangedNote = takeNote(&unchanged);
    JsonbContainer* noted = note.count == 0 ? nullptr : objectAt(changed, omittedKey);
    remove(&unchanged, noted, nullptr);
    remove(&unchangedNote, changed, noted);
    note = united(note, unchangedNote);
    old = united(old, unchanged);
    return note.count == 0 ? old : withNote(old, note);
}

}  // namespace

Jsonb* wholeImages(Jsonb* data) {
    if (!JB_ROOT_IS_OBJECT(data) || JB_ROOT_COUNT(data) != 2) return data;
    JsonbContainer* changed = objectAt(&data->root, changedKey);
    JsonbContainer* fresh = changed == nullptr ? nullptr : objectAt(&data->root, "new");
    if (fresh == nullptr) return data;
    JsonWriter json = beginJson(2 * VARSIZE(data));
    JsonObject object = beginObject(&json, 2);
    addEntry(&json, &object, writeText(&json, "new", strlen("new")));
    addEntry(&json, &object, writeText(&json, "old", strlen("old")));
    JsonbValue newRow;
    (void)getKeyJsonValueFromContainer(&data->root, "new", strlen("new"), &newRow);
    addEntry(&json, &object, writeValue(&json, &newRow));
    addEntry(&json, &object, writeMembers(&json, oldRowOf(changed, fresh)));
    return endJson(&json);
}

Datum wholeImages(Datum data) {
    return JsonbPGetDatum(wholeImages(DatumGetJsonbP(data)));
}

SPECQL_FUNCTION(specql_whole_images) {
    PG_RETURN_JSONB_P(wholeImages(PG_GETARG_JSONB_P(0)));
}

}  // namespace specql::capture
