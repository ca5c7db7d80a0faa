// The whole compiler on arbitrary bytes, against an empty database in which every expression is accepted. The facts
// are made up: what matters is that no spec, however odd, ends in a crash, a hang or an internal error.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "compiler.hpp"

namespace {

void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

// Each word of an expression as a column reference, as PostgreSQL's parser would report them if all were columns.
specql::ExpressionFacts factsOf(const std::string& text) {
    specql::ExpressionFacts facts;
    facts.ok = true;
    auto isWord = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
    for (size_t at = 0; at < text.size();) {
        size_t end = at;
        while (end < text.size() && isWord(text[end])) {
            ++end;
        }
        if (end > at) {
            specql::NameUse use;
            use.offset = at;
            use.length = end - at;
            use.parts = {text.substr(at, end - at)};
            facts.names.push_back(use);
        }
        at = end + 1;
    }
    return facts;
}

// Every expression is accepted, and is of type text.
std::vector<specql::AnalysisResult> answer(const std::vector<specql::AnalysisRequest>& requests) {
    std::vector<specql::AnalysisResult> results(requests.size());
    for (specql::AnalysisResult& result : results) {
        result.ok = true;
        result.type = "text";
    }
    return results;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace specql;
    using namespace specql::yaml;
    using Outcome = Compiler::Outcome;
    std::string text(reinterpret_cast<const char*>(data), size);
    Compiler compiler;
    require(compiler.read(text, "public", Limits(), nullptr) == Outcome::ok);
    require(compiler.add({}, Limits(), nullptr) == Outcome::ok);
    std::vector<ExpressionFacts> facts;
    for (const Text& expression : compiler.expressions()) {
        facts.push_back(factsOf(expression.value));
    }
    CatalogView catalog;
    for (const std::string& type : compiler.typeTexts()) {
        catalog.types[type] = {true, "text", "", ""};
    }
    require(compiler.build(catalog, facts) == Outcome::ok);
    require(compiler.bind(answer(compiler.typeRequests())) == Outcome::ok);
    std::string picture;
    for (const char* format : {"mermaid", "dot"})
        require(compiler.draw(format, picture) == Outcome::ok);
    require(compiler.finish(answer(compiler.requests())) == Outcome::ok);
    std::vector<TableAnswer> answers(compiler.tableQuestions().size());
    require(compiler.plan(answers) == Outcome::ok);
    render(compiler.diagnostics(), compiler.source());
    return 0;
}
