#include "plan/views.hpp"

#include <algorithm>

#include "plan/moved.hpp"

namespace specql::plan {

std::vector<GoingView> goingViews(const std::vector<Object>& objects, const CatalogView& catalog,
                                  const std::set<std::string>& readers) {
    std::vector<GoingView> going;
    std::vector<std::string> names;  // as queries may have them
    for (const Object& object : objects) {
        auto before = std::find_if(catalog.objects.begin(), catalog.objects.end(),
                                   [&](const InstalledObject& installed) { return installed.key() == object.key(); });
        if (object.kind != ObjectKind::view || before == catalog.objects.end() || !before->present) continue;
        bool readsGoing = std::any_of(names.begin(), names.end(),
                                      [&](const std::string& name) { return holdsName(before->sql, name); });
        const char* reason = before->sql != object.sql()          ? "its query changes"
                             : before->altered                    ? "was altered by hand"
                             : readers.count(object.identity) > 0 ? "reads a column that changes"
                             : readsGoing                         ? "reads a view that is made anew"
                                                                  : nullptr;
        if (!reason) continue;
        going.push_back({&object, reason});
        names.push_back(object.identity);
        names.push_back(object.identity.substr(object.identity.rfind('.') + 1));
    }
    std::reverse(going.begin(), going.end());
    return going;
}

}  // namespace specql::plan
