// The types of payload keys: declared, else of the field of the same name, else …_id is uuid, else by use, else text.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "resolve/event_scope.hpp"

namespace specql::resolve {

class PayloadTypes : ActionPart {
public:
    PayloadTypes(ActionContext& context, const EventScope& event) : ActionPart(context), event_(event) {}

    // What an expression says of the types of the keys in it.
    void hintPayloadTypes(const ExpressionFacts& facts, const BoundExpression& bound);
    // The key is used as this type, if nothing said so before.
    void hint(const std::string& key, const std::string& type);
    // The key is the value of a column of this type, whatever has its name beside. False if it is another's already.
    bool give(const std::string& key, const std::string& type);
    // A step writes rows of this entity.
    void noteTarget(const EntityInfo* entity) { targets_.push_back(entity); }
    const std::vector<const EntityInfo*>& targets() const { return targets_; }
    // As PostgreSQL writes it. A declared type that there is not is reported.
    std::string payloadType(const std::string& key);
    // Of a key of the answer to a step.
    std::string answerType(const Value& value) const;

private:
    const EventScope& event_;
    std::vector<const EntityInfo*> targets_;
    std::map<std::string, std::string> given_, hints_;
    std::map<std::string, std::string> literalHints_;  // used where there is no other
};

}  // namespace specql::resolve
