#include "text/diagnostic.hpp"

#include <algorithm>
#include <utility>

namespace specql {

void Diagnostics::error(std::string code, Pos pos, std::string message, std::string hint) {
    items_.push_back({Severity::error, std::move(code), pos, std::move(message), std::move(hint)});
    ++errors_;
}

void Diagnostics::warning(std::string code, Pos pos, std::string message, std::string hint) {
    items_.push_back({Severity::warning, std::move(code), pos, std::move(message), std::move(hint)});
}

void Diagnostics::notice(std::string code, Pos pos, std::string message, std::string hint) {
    items_.push_back({Severity::notice, std::move(code), pos, std::move(message), std::move(hint)});
}

std::vector<Diagnostic> Diagnostics::sorted() const {
    std::vector<Diagnostic> result = items_;
    std::stable_sort(result.begin(), result.end(),
                     [](const Diagnostic& a, const Diagnostic& b) { return a.pos < b.pos; });
    return result;
}

void Diagnostics::append(const Diagnostics& other) {
    items_.insert(items_.end(), other.items_.begin(), other.items_.end());
    errors_ += other.errors_;
}

}  // namespace specql
