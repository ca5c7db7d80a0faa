#include "spec/parts.hpp"
#include "text/sql_text.hpp"

namespace specql::spec {

// As many as a function of PostgreSQL takes; it also keeps hostile texts cheap.
constexpr size_t maxArguments = 100;

bool readCall(ReadContext& context, const Text& text, Step& step) {
    const std::string& value = text.value;
    size_t begin = skipSpace(value, 0);
    size_t name = nameLength(value, begin);
    size_t open = skipSpace(value, begin + name);
    if (name == 0 || open >= value.size() || value[open] != '(') {
        return false;
    }
    size_t close = closingParen(value, open);
    if (close == std::string::npos || skipSpace(value, close + 1) != value.size()) {
        return false;
    }
    step.target = context.source.piece(text, begin, begin + name);
    std::vector<Slice> arguments = splitTopLevel(value, ',', open + 1, close);
    if (arguments.size() > maxArguments) {
        context.diagnostics.report(Code::S023, text.pos, "a call has more than 100 arguments");
        return true;
    }
    for (const Slice& argument : arguments) {
        Text one = context.source.piece(text, argument.begin, std::max(argument.begin, argument.end));
        if (argument.empty()) {
            context.diagnostics.report(Code::S023, one.pos, "an argument is missing between two commas");
            continue;
        }
        step.args.push_back(context.expression(one));
    }
    return true;
}

}  // namespace specql::spec
