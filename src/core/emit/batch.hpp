// A bulk operation over an array: how its elements are read and tested, what becomes of those that fail, and how what
// they say is written.
#pragma once

#include <string>
#include <vector>

#include "emit/steps.hpp"

namespace specql::emit {

// Fails the element whose key names no row; where errors are kept, they say of which element they are.
std::string missingRow(const resolve::ResolvedAction& action, const std::string& key);

class BatchEmitter {
public:
    // Puts what its statements need in DECLARE among `declarations`.
    BatchEmitter(const resolve::World& world, const resolve::Resolver& resolver, const resolve::ResolvedAction& action,
                 std::vector<std::string>& declarations);

    // The step that one statement does for many elements; null if all steps are done element by element.
    const resolve::ResolvedStep* atOnce() const { return step_; }
    // The body of the function. `body`: what is done with one element, or, if they are written at once, its tests.
    std::string emit(const std::string& body, const std::string& label);
    // What the function returns.
    std::string returned() const;

private:
    std::string tooLong() const;
    std::string elements(const std::string& one) const;
    std::string keys() const;
    std::string read() const;
    std::string gather() const;
    std::string caught(const std::string& body) const;
    std::string error(const std::string& number, const std::string& item, const std::string& field,
                      const std::string& message) const;
    std::string append(const std::string& number, const std::string& item, const std::string& field) const;
    std::string tooMany() const;
    std::string lock() const;
    std::string write() const;
    std::string statement() const;
    std::string end() const;
    // A query over the elements that were gathered: those columns of them that `printer` has printed.
    std::string given(const Printer& printer, const std::string& slice) const;
    std::vector<std::string> keysOf(Printer& printer) const;

    const resolve::World& world_;
    const resolve::Resolver& resolver_;
    const resolve::ResolvedAction& action_;
    const spec::Batch& batch_;
    std::vector<std::string>& declarations_;
    const resolve::ResolvedStep* step_;
    const resolve::ResolvedStep* writes_;
    const resolve::Value* rowKey_ = nullptr;  // by which an element names its row
    std::string alias_;                       // its other name
    bool keepsOn_, collects_;
    bool told_;     // a key of the action says something of the elements, so their errors are kept
    bool private_;  // of rows with private fields an error tells its code alone
};

}  // namespace specql::emit
