#include <algorithm>
#include <set>

#include "spec/parts.hpp"
#include "text/ascii.hpp"
#include "text/sql_text.hpp"

namespace specql::spec {

namespace {

const Words fieldKeys = {"type",    "required", "default",  "description",  "check",
                         "private", "unique",   "identity", "renamed_from", "renamed_values"};
const Words computedKeys = {"type", "expression", "description", "check", "private", "unique", "renamed_from"};
const Words identities = {"always", "by default"};
const Words deleteRules = {"cascade", "restrict", "set null"};

std::string lowerCase(std::string_view text) {
    std::string out;
    for (char c : text) {
        out += toAsciiLower(c);
    }
    return out;
}

// The inside of `word(…)` if the type is that; an empty slice with begin 0 otherwise.
Slice inside(const std::string& type, const std::string& word) {
    size_t open = type.find('(');
    if (open == std::string::npos ||
        lowerCase(std::string_view(type).substr(0, open)).find_last_not_of(' ') + 1 != word.size() ||
        lowerCase(type.substr(0, word.size())) != word) {
        return {};
    }
    size_t close = closingParen(type, open);
    return close == type.size() - 1 ? Slice{open + 1, close} : Slice{};
}

// A type that could not be read has been reported. Later stages go on with one that everything fits, so that the
// field's name is known to them.
void assumeText(Field& field, Pos pos) {
    field.type.value = "text";
    field.type.pos = pos;
    field.type.present = true;
}

// A value as it is meant: without the quotes around it.
std::string enumValue(std::string value) {
    bool isQuoted = value.size() > 1 && (value[0] == '\'' || value[0] == '"') && value.back() == value[0];
    if (!isQuoted) {
        return value;
    }
    std::string doubled(2, value[0]);
    value = value.substr(1, value.size() - 2);
    for (size_t at = value.find(doubled); at != std::string::npos; at = value.find(doubled, at + 1)) {
        value.erase(at, 1);
    }
    return value;
}

void readEnum(ReadContext& context, Field& field, Slice values) {
    const std::string& type = field.type.value;
    std::set<std::string> seen;
    TextCursor cursor(context.source, field.type);
    std::vector<Slice> items = splitTopLevel(type, ',', values.begin, values.end);
    if (items.empty()) {
        context.diagnostics.report(Code::S011, field.type.pos, "an enum needs at least one value");
    }
    for (Slice item : items) {
        std::string value = enumValue(type.substr(item.begin, item.end - item.begin));
        Pos pos = context.source.position(cursor.offsetOf(item.begin));
        if (value.empty()) {
            context.diagnostics.report(Code::S011, pos, "a value of the enum is empty");
        } else if (!seen.insert(value).second) {
            context.diagnostics.report(Code::S011, pos, "enum value \"" + value + "\" is given twice");
        } else {
            field.enumValues.push_back(value);
        }
    }
    if (field.enumValues.empty()) {
        assumeText(field, field.type.pos);
    }
}

void readReference(ReadContext& context, Field& field, Slice arguments) {
    const std::string& type = field.type.value;
    std::vector<Slice> items = splitTopLevel(type, ',', arguments.begin, arguments.end);
    bool isName =
        !items.empty() && !items[0].empty() && nameLength(type, items[0].begin) == items[0].end - items[0].begin;
    if (!isName) {
        context.diagnostics.report(Code::S012, field.type.pos, "ref(...) needs the name of an entity",
                                   "for example ref(Product) or ref(sales.Order, on_delete: cascade)");
        assumeText(field, field.type.pos);
        return;
    }
    // The dialect pass had to hide the ':' of options from YAML.
    for (size_t at = type.find(" :"); at != std::string::npos; at = type.find(" :", at + 2)) {
        std::swap(field.type.value[at], field.type.value[at + 1]);
    }
    field.refTarget = context.source.piece(field.type, items[0].begin, items[0].end);
    for (size_t i = 1; i < items.size(); ++i) {
        std::string option = lowerCase(type.substr(items[i].begin, items[i].end - items[i].begin));
        Pos pos = context.source.locate(field.type, items[i].begin);
        size_t colon = option.find(':');
        std::string key = option.substr(0, colon);
        key.erase(std::find_if(key.begin(), key.end(), isSpaceOrTab), key.end());
        if (colon == std::string::npos || key != "on_delete") {
            std::string hint = didYouMean(key, {"on_delete"});
            context.diagnostics.report(Code::S012, pos, "ref(...) has no option \"" + option + "\"",
                                       hint.empty() ? "the only one is on_delete" : hint);
            continue;
        }
        std::string rule = option.substr(std::min(option.find_first_not_of(" \t", colon + 1), option.size()));
        std::replace(rule.begin(), rule.end(), '_', ' ');
        if (std::find(deleteRules.begin(), deleteRules.end(), rule) == deleteRules.end()) {
            context.diagnostics.report(Code::S012, pos, "on_delete must be " + orList(deleteRules),
                                       didYouMean(rule, deleteRules));
            continue;
        }
        field.refOnDelete = rule;
    }
}

// "type", "type!", "type = default", "type! = default".
void readType(ReadContext& context, const Text& text, Field& field) {
    std::vector<Slice> parts = splitTopLevel(text.value, '=');
    Slice type = parts.empty() ? Slice{} : parts[0];
    if (parts.size() > 1) {
        Slice rest{parts[1].begin, parts.back().end};
        field.defaultValue = context.expression(context.source.piece(text, rest.begin, std::max(rest.begin, rest.end)));
    }
    if (!type.empty() && text.value[type.end - 1] == '!') {
        field.required = true;
        --type.end;
        while (type.end > type.begin && isSpace(text.value[type.end - 1])) {
            --type.end;
        }
    }
    if (type.empty()) {
        context.diagnostics.report(Code::S013, text.pos, "field \"" + field.name.value + "\" has no type",
                                   "write '" + field.name.value + ": text', or any other type");
        assumeText(field, text.pos);
        return;
    }
    field.type = context.source.piece(text, type.begin, type.end);
    field.type.pos = type.begin == 0 ? text.pos : field.type.pos;
    const std::string& value = field.type.value;
    std::string word = lowerCase(value.substr(0, value.find_first_of(" (")));
    if (word != "enum" && word != "ref") {
        return;
    }
    Slice arguments = inside(value, word);
    if (arguments.begin == 0) {
        context.diagnostics.report(word == "enum" ? Code::S011 : Code::S012, field.type.pos,
                                   word + " must be written " + (word == "enum" ? "enum(a, b, c)" : "ref(Entity)"));
        assumeText(field, field.type.pos);
    } else if (word == "enum") {
        readEnum(context, field, arguments);
    } else {
        readReference(context, field, arguments);
    }
}

// shipped: sent, or shipped: [sent, gone].
void readRenamedValues(ReadContext& context, const yaml::Node& node, Field& field) {
    const yaml::Node* values = context.mapping(node, "renamed_values");
    if (values == nullptr) {
        return;
    }
    for (const yaml::Entry& entry : values->entries) {
        RenamedValue renamed;
        renamed.value = entry.key;
        renamed.formers = context.texts(entry.value, entry.key.value);
        field.renamedValues.push_back(std::move(renamed));
    }
}

// The key's text if it says yes.
Text agreed(ReadContext& context, const yaml::Node& node, const std::string& key) {
    Text said = context.boolean(node, key);
    bool valid = false;
    return said && booleanValue(said.value, valid) ? said : Text();
}

// What every field may say of itself, however it gets its values.
void readQualities(ReadContext& context, const yaml::Node& node, Field& field) {
    field.description = context.text(node, "description");
    field.check = context.expressionAt(node, "check");
    field.isPrivate = agreed(context, node, "private");
    field.unique = agreed(context, node, "unique");
    field.renamedFrom = context.formerNames(node);
}

void readFieldMapping(ReadContext& context, const yaml::Node& node, Field& field) {
    context.checkKeys(node, fieldKeys, "a field");
    Text type = context.requiredText(node, "type", fieldKeys, "field \"" + field.name.value + "\"");
    if (type) {
        readType(context, type, field);
    } else {
        assumeText(field, node.pos);
    }
    Text required = context.boolean(node, "required");
    if (required) {
        bool valid = false;
        field.required = booleanValue(required.value, valid) || field.required;
    }
    Text defaultValue = context.text(node, "default");
    if (defaultValue && field.defaultValue) {
        context.diagnostics.report(Code::S009, defaultValue.pos, "field \"" + field.name.value + "\" has two defaults",
                                   "remove one of them");
    } else if (defaultValue) {
        field.defaultValue = context.expression(defaultValue);
    }
    readQualities(context, node, field);
    readRenamedValues(context, node, field);
    field.identity = context.choice(node, "identity", identities);
    if (field.identity && field.defaultValue) {
        context.diagnostics.report(Code::S201, field.identity.pos,
                                   "field \"" + field.name.value + "\" has a default, and an identity gives values too",
                                   "leave out one of them");
        field.identity = {};
    }
}

}  // namespace

std::vector<std::string> enumValues(const std::string& type) {
    std::vector<std::string> values;
    Slice list = inside(type, "enum");
    if (list.begin == 0) {
        return values;
    }
    for (Slice item : splitTopLevel(type, ',', list.begin, list.end)) {
        values.push_back(enumValue(type.substr(item.begin, item.end - item.begin)));
    }
    return values;
}

void readFields(ReadContext& context, const yaml::Node& fields, std::vector<Field>& into) {
    for (const yaml::Entry& entry : fields.entries) {
        Field field;
        field.name = entry.key;
        if (entry.key.empty()) {
            context.diagnostics.report(Code::S004, entry.key.pos, "the name of a field is empty");
            continue;
        }
        switch (entry.value.kind) {
            case yaml::Node::Kind::scalar: readType(context, entry.value.scalar, field); break;
            case yaml::Node::Kind::mapping: readFieldMapping(context, entry.value, field); break;
            case yaml::Node::Kind::null:
            case yaml::Node::Kind::sequence:
                context.diagnostics.report(Code::S013, entry.value.pos, "field \"" + entry.key.value + "\" has no type",
                                           "write '" + entry.key.value + ": text', or any other type");
                assumeText(field, entry.value.pos);
                break;
        }
        if (field.required && field.refOnDelete == "set null") {
            context.diagnostics.report(Code::S012, field.type.pos,
                                       "field \"" + field.name.value + "\" is required and cannot be set to null",
                                       "take the ! away, or write on_delete: cascade or restrict");
        }
        into.push_back(std::move(field));
    }
}

void readComputedFields(ReadContext& context, const yaml::Node& fields, std::vector<Field>& into) {
    for (const yaml::Entry& entry : fields.entries) {
        const std::string what = "computed field \"" + entry.key.value + "\"";
        Field field;
        field.name = entry.key;
        if (entry.key.empty()) {
            context.diagnostics.report(Code::S004, entry.key.pos, "the name of a field is empty");
            continue;
        }
        if (entry.value.kind == yaml::Node::Kind::mapping) {
            context.checkKeys(entry.value, computedKeys, "a computed field");
            Text expression = context.requiredText(entry.value, "expression", computedKeys, what);
            field.computed = context.expression(expression);
            if (Text type = context.text(entry.value, "type")) {
                readType(context, type, field);
            }
            readQualities(context, entry.value, field);
        } else {
            field.computed = context.expression(context.scalar(entry.value, entry.key.value));
        }
        if (field.defaultValue) {
            context.diagnostics.report(Code::S200, field.type.pos, what + " has a default",
                                       "PostgreSQL gives it a value with every row: take the default away");
            field.defaultValue = {};
        }
        if (field.computed) {
            into.push_back(std::move(field));
        }
    }
}

}  // namespace specql::spec
