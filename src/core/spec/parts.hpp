// The readers of the parts of a document, from the outside in.
#pragma once

#include "spec/context.hpp"

namespace specql::spec {

void readFields(ReadContext& context, const yaml::Node& fields, std::vector<Field>& into);
// Appends what PostgreSQL computes of the other fields.
void readComputedFields(ReadContext& context, const yaml::Node& fields, std::vector<Field>& into);
// key:, unique: and indexes: of an entity.
void readKeys(ReadContext& context, const yaml::Node& root, Entity& entity);
// partitioning:, materialized_view: and performance_hints: of an entity.
void readStorage(ReadContext& context, const yaml::Node& root, Entity& entity);
void readService(ReadContext& context, const yaml::Node& root);

// `standAlone`: of a rules document, where each action must be a run of lines of its own.
void readActions(ReadContext& context, const yaml::Node& actions, bool standAlone, std::vector<Action>& into);
// Under `key`, which names the list in errors.
void readSteps(ReadContext& context, const yaml::Node& steps, const std::string& key, std::vector<Step>& into);
// "expression DESC NULLS LAST"; no value if there is none, which was reported.
OrderItem readOrderItem(ReadContext& context, const Text& text);
// The values of a type that is written enum(a, b); none of any other.
std::vector<std::string> enumValues(const std::string& type);
// name: type
std::vector<Param> readParams(ReadContext& context, const yaml::Node& params);

// The SQL-like part of a step: "Product SET a = 1 WHERE b ORDER BY c LIMIT 3" for the step's kind. `columns`, if
// given, are what SET says when it is written as a mapping below.
void readStatement(ReadContext& context, const Text& statement, const yaml::Node* columns, Step& step);
// "f(args)" or "schema.f(args)" into target and args; false, and nothing said, if the text is no call.
bool readCall(ReadContext& context, const Text& text, Step& step);
// "SET a = 1, b = 2", with nothing before it; `columns` as above.
void readSet(ReadContext& context, const Text& text, const yaml::Node* columns, Step& step);
// "a = 1, b = 2", or `columns`, of a step that sets fields of the event's own row.
void readOwnFields(ReadContext& context, const Text& text, const yaml::Node* columns, Step& step);
// "channel message SET …" into target, message and set; `columns` as above.
void readAddressed(ReadContext& context, const Text& text, const yaml::Node* columns, Step& step);
// The same, written as a mapping.
void readAddressedMapping(ReadContext& context, const yaml::Node& mapping, Step& step);
// A text that may have {expressions}. `quote`, if it is none of 0, stands doubled in the text where one is meant.
Template readTemplate(ReadContext& context, const Text& text, char quote);

}  // namespace specql::spec
