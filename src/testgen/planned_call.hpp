// The rows and values that a call of an action over several entities needs: what the caller gives, the row that each
// step is about, and those that others lead to.
#pragma once

#include <map>
#include <set>
#include <string>

#include "testgen/writer.hpp"

namespace specql::testgen {

class PlannedCall {
public:
    PlannedCall(Writer& writer, const resolve::ResolvedAction& action);

    // The dimension that a value is of, and that of a column of a planned row; -1 if there is none.
    int dimensionOf(const resolve::ResolvedStep& step, const resolve::Value& value);
    int ofRow(int row, const std::string& name);

    Scenario scenario;
    std::string why;                                  // why there is no such call
    std::string claims;                               // the statement that gives the caller its rights
    std::set<int> deciding;                           // dimensions that conditions read
    std::map<std::string, int> params, element;       // → dimension
    std::map<const resolve::ResolvedStep*, int> own;  // → row

private:
    void plan();
    void grant();
    const TestTable* tableOf(const resolve::EntityInfo& entity);
    int given(const resolve::EntityInfo& entity, const std::string& name, bool needed);
    void planElement();
    int rowOf(const resolve::EntityInfo& entity, const std::string& key, int dimension);
    int parameter(const std::string& name, const resolve::EntityInfo& entity, const std::string& column);
    void planStep(const resolve::ResolvedStep& step);
    static bool ofParent(const resolve::ResolvedStep& step);
    void planContext(int which);
    static void speak(Dimension& dimension, const std::string& text);
    void read(const resolve::ResolvedStep& step, const resolve::BoundExpression& bound, bool decides);
    void share();

    Writer& writer_;
    const resolve::ResolvedAction& action_;
    const std::vector<resolve::ResolvedStep>& steps_;
    std::set<std::pair<int, int>> compared_;  // dimensions that one condition reads
    std::map<int, int> named_, contexts_;     // → row
};

}  // namespace specql::testgen
