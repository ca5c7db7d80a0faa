#include <algorithm>

#include "spec/parts.hpp"

namespace specql::spec {

namespace {

const Words indexKeys = {"name", "columns", "include", "type", "using", "unique", "where"};
const Words indexTypes = {"btree", "gin", "gist", "spgist", "brin", "hash"};

// unique: [a, b] is one set of fields, unique: [[a, b], [c]] are two.
void readUniques(ReadContext& context, const yaml::Entry& entry, std::vector<std::vector<Text>>& into) {
    size_t lists = 0;
    for (const yaml::Node& item : entry.value.items) {
        lists += item.kind == yaml::Node::Kind::sequence;
    }
    if (lists > 0 && lists < entry.value.items.size()) {
        context.diagnostics.report(Code::S202, entry.value.pos);
        return;
    }
    if (lists == 0) {
        into.push_back(context.texts(entry.value, "unique"));
    }
    for (size_t i = 0; i < lists; ++i) {
        into.push_back(context.texts(entry.value.items[i], "unique"));
    }
}

// What only some types of indexes have.
void checkType(ReadContext& context, const IndexSpec& index) {
    if (!index.type || index.type.value == "btree") {
        return;
    }
    auto refuse = [&](const char* part) {
        context.diagnostics.report(Code::S204, index.type.pos,
                                   "an index of type " + index.type.value + " has no " + part, hintOf(Code::S204));
    };
    if (index.unique) {
        refuse("unique");
    }
    if (!index.include.empty() && index.type.value != "gist" && index.type.value != "spgist") {
        refuse("include");
    }
    if (std::any_of(index.columns.begin(), index.columns.end(),
                    [](const OrderItem& item) { return item.descending || item.nulls != 0; })) {
        refuse("order: DESC, NULLS FIRST and NULLS LAST");
    }
}

void readIndex(ReadContext& context, const yaml::Node& item, IndexSpec& index) {
    context.checkKeys(item, indexKeys, "an index");
    index.pos = item.pos;
    index.name = context.text(item, "name");
    if (const yaml::Entry* columns = item.find("columns")) {
        for (const Text& column : context.texts(columns->value, "columns")) {
            OrderItem part = readOrderItem(context, column);
            if (part.value) {
                index.columns.push_back(part);
            }
        }
    } else {
        context.missing(item, "columns", indexKeys, "an index");
    }
    if (const yaml::Entry* include = item.find("include")) {
        index.include = context.texts(include->value, "include");
    }
    index.type = context.choice(item, "type", indexTypes);
    if (Text method = context.choice(item, "using", indexTypes)) {
        if (index.type) {
            context.diagnostics.report(Code::S203, method.pos);
        }
        index.type = method;
    }
    Text unique = context.boolean(item, "unique");
    bool valid = false;
    index.unique = unique && booleanValue(unique.value, valid);
    checkType(context, index);
    index.where = context.expressionAt(item, "where");
}

}  // namespace

void readKeys(ReadContext& context, const yaml::Node& root, Entity& entity) {
    if (const yaml::Entry* key = root.find("key")) {
        entity.key = context.texts(key->value, "key");
    }
    if (const yaml::Entry* unique = root.find("unique")) {
        readUniques(context, *unique, entity.uniques);
    }
    const yaml::Node* indexes = context.list(root, "indexes");
    for (size_t i = 0; indexes != nullptr && i < indexes->items.size(); ++i) {
        const yaml::Node& item = indexes->items[i];
        if (item.kind != yaml::Node::Kind::mapping) {
            context.diagnostics.report(Code::S003, item.pos, "an index must be a mapping",
                                       "for example {columns: [status, created_at]}");
            continue;
        }
        readIndex(context, item, entity.indexes.emplace_back());
    }
}

}  // namespace specql::spec
