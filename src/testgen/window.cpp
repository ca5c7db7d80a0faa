// Tests of a window or correlation: the events that complete it and those that do not, keys, time, what comes after a
// match, absence, failure; and the steps of its matches.
#include <algorithm>

#include "testgen/window_filter.hpp"
#include "testgen/window_match.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::testgen {

namespace {

// A window that is not much longer than a test takes may end while it runs.
constexpr time::Micros shortest = 10 * 1000000;

class WindowTests {
public:
    WindowTests(Writer& writer, const resolve::ResolvedAction& action)
        : writer_(writer),
          action_(action),
          events_(writer, action),
          label_(action.base),
          inTime_(events_, false),
          late_(events_, true) {}

    void write() {
        if (writer_.pending()) return;
        for (const time::WindowTermRule& term : events_.rule.terms)
            if (term.within < shortest && events_.why.empty())
                events_.why = "a window of " + spokenInterval(term.within) + " may end while a test runs";
        if (!events_.why.empty()) {
            writer_.begin(name());
            return writer_.skip(label_ + " fires on its window", events_.why);
        }
        const WindowFindings& search = findings();
        // Values for the steps are searched before anything is written.
        for (const auto& [term, found] : search.completed)
            if (first_.empty() || found.kinds.size() < first_.size()) first_ = found.kinds;
        searchSteps(inTime_, first_.empty() ? search.absent : first_, inTimeFixtures_);
        searchSteps(late_, search.unfinished, lateFixtures_);
        WindowFilter filter(events_, label_);
        if (writer_.pending()) return;
        missing(search);
        steps(inTime_, inTimeFixtures_, first_);
        std::set<std::vector<size_t>> written;
        for (const auto& [term, found] : search.completed)
            if (written.insert(found.kinds).second) completing(found.kinds);
        for (const auto& [term, found] : search.nearest)
            if (found.other) bothSides(found);
        if (!first_.empty()) {
            events_.rule.cooldown > 0 ? cooldown() : afterMatch();
            distinct();
            keys();
            missingKey();
            for (const std::vector<size_t>& kinds : written)
                time(kinds);
        }
        filter.write();
        absence(search);
        timeout(search);
        if (!first_.empty())
            failure(first_, 0);
        else if (!search.absent.empty())
            failure(search.absent, events_.rule.longest());
    }

private:
    std::string name() const { return action_.info->name(); }

    std::string phrase(const std::vector<size_t>& kinds) const { return events_.phrase(kinds); }
    // Of the first so many.
    std::string phrase(const std::vector<size_t>& kinds, size_t count) const {
        return events_.phrase({kinds.begin(), kinds.begin() + static_cast<long>(count)});
    }

    // What its events are does not change any more when this is asked.
    const WindowFindings& findings() {
        auto known = writer_.suite.windows.find(name());
        if (known != writer_.suite.windows.end()) return known->second;
        std::vector<CountedKind> counted = events_.counted();
        WindowSearch search(events_.rule, counted);
        search.run();
        return writer_.suite.windows.emplace(name(), std::move(search)).first->second;
    }

    // What could not be found is said, event by event and term by term.
    void missing(const WindowFindings& search) {
        std::set<std::string> said;
        for (const EventSource& source : events_.sources) {
            if (source.why.empty() || !said.insert(source.feed->source).second) continue;
            writer_.begin(name() + ": its events");
            writer_.skip(label_ + " counts " + source.feed->source, source.why);
        }
        for (size_t i = 0; i < events_.rule.terms.size(); i++) {
            if (!events_.rule.formula.uses(static_cast<int>(i), false) || search.completed.count(static_cast<int>(i)))
                continue;
            // A term that only a deadline completes.
            if (!search.absent.empty() && counted(search.absent, static_cast<int>(i))) continue;
            writer_.begin(name() + ": " + commentText(events_.window.terms[i].written.value));
            writer_.skip(
                label_ + " fires with " + commentText(events_.window.terms[i].written.value),
                "no events were found that make it match by this, up to " + std::to_string(WindowSearch::longest));
        }
    }

    bool counted(const std::vector<size_t>& kinds, int term) const {
        return std::any_of(kinds.begin(), kinds.end(),
                           [&](size_t kind) { return events_.kinds[kind].counted.counts(term); });
    }

    // --- steps -------------------------------------------------------------------------------------------------------

    struct ArmFixture {
        Fixture fixture;
        std::string why;
    };

    void searchSteps(MatchSteps& steps, const std::vector<size_t>& kinds, std::vector<ArmFixture>& fixtures) {
        for (size_t i = 0; i < steps.arms().size(); i++) {
            ArmFixture found;
            if (kinds.empty())
                found.why = "no events were found that make it match";
            else
                found.fixture = steps.search(i, kinds.size(), found.why);
            fixtures.push_back(std::move(found));
        }
    }

    // The events, then what the steps must have done.
    void steps(MatchSteps& steps, const std::vector<ArmFixture>& fixtures, const std::vector<size_t>& kinds,
               time::Micros wait = 0) {
        if (kinds.empty()) return;
        for (size_t i = 0; i < steps.arms().size(); i++) {
            const Arm& arm = steps.arms()[i];
            std::string title = name() + ": steps of " + arm.label;
            std::string why = fixtures[i].fixture ? steps.undecided(i, kinds) : fixtures[i].why;
            if (!why.empty()) {
                writer_.begin(title);
                writer_.skip(arm.label + " runs its steps", why);
                continue;
            }
            WindowPlay play(events_, title);
            int key = play.key();
            steps.fixture(fixtures[i].fixture, key, kinds);
            play.prepare(kinds, key);
            for (size_t kind : kinds)
                play.raise(kind, key);
            if (wait > 0) play.moveClock(wait);
            steps.before(i, play, kinds.size());
            steps.compare();
            play.count();
            steps.check();
            play.end();
        }
    }

    // --- the events that complete it ---------------------------------------------------------------------------------

    void completing(const std::vector<size_t>& kinds) {
        WindowPlay play(events_, name() + ": " + phrase(kinds));
        int key = play.key();
        play.prepare(kinds, key);
        for (size_t i = 0; i + 1 < kinds.size(); i++)
            play.raise(kinds[i], key);
        if (kinds.size() > 1) {
            play.count();
            check(play, 0, label_ + " does not fire on " + phrase(kinds, kinds.size() - 1));
        }
        play.raise(kinds.back(), key);
        play.count();
        check(play, 1, label_ + " fires once on " + phrase(kinds));
        if (play.matches() == 1) {
            std::string description = label_ + " knows its events" +
                                      (events_.keyNames.empty() ? "" : ", and " + join(events_.keyNames, ", ")) + ": " +
                                      phrase(kinds);
            std::string count = std::to_string(play.last().match.count);
            if (said_.insert(description).second)
                writer_.check(
                    "is((SELECT ROW((v.data ->> 'match_count')::bigint, v.data ->> 'match_key', "
                    "jsonb_array_length(v.data -> 'event_ids'))::text\n    FROM specql.events AS v WHERE " +
                        play.matchCondition("v") + "),\n    ROW(" + count + "::bigint, " + play.keyText() + ", " +
                        std::to_string(play.last().match.ids.size()) + ")::text, " + quoteLiteral(description) + ")",
                    description);
        }
    }

    // Events with which it only just matches, and only just does not.
    void bothSides(const Completed& found) {
        std::vector<size_t> others = found.kinds;
        others.back() = *found.other;
        for (bool fires : {true, false}) {
            const std::vector<size_t>& kinds = fires ? found.kinds : others;
            std::string description = label_ + (fires ? " fires once on " : " does not fire on ") + phrase(kinds);
            if (said_.count(description)) continue;
            WindowPlay play(events_, name() + ": " + phrase(kinds));
            int key = play.key();
            play.prepare(kinds, key);
            all(play, kinds, key);
            play.count();
            check(play, fires ? 1 : 0, description);
        }
    }

    // What the rule says must be what the sentence says; else there is nothing to test.
    void check(WindowPlay& play, size_t matches, const std::string& description) {
        if (play.matches() == matches && said_.insert(description).second) play.checkMatches(description);
    }

    void all(WindowPlay& play, const std::vector<size_t>& kinds, int key) {
        for (size_t kind : kinds)
            play.raise(kind, key);
    }

    // --- after a match ---------------------------------------------------------------------------------------------

    // What the steps do to the rows that the events come from is another matter. In the trial too.
    void putAside(const std::string& body) { writer_.fixture(breakHandler(action_, body)); }
    // If it has been put aside: a test that is given up may not have come so far.
    void putBack() {
        std::vector<std::string> statements = mendHandler(action_);
        writer_.restore(
            {"DO $do$ BEGIN\n    IF to_regproc(" + quoteLiteral(quoteName(action_.info->schema, "specql_test_aside")) +
             ") IS NOT NULL THEN\n        " + join(statements, ";\n        ") + ";\n    END IF;\nEND $do$"});
    }

    void afterMatch() {
        WindowPlay play(events_, name() + ": after a match");
        int key = play.key();
        putAside("NULL;");
        std::vector<size_t> twice = first_;
        twice.insert(twice.end(), first_.begin(), first_.end());
        play.prepare(twice, key);
        all(play, first_, key);
        play.count();
        size_t before = play.matches();
        play.raise(first_.front(), key);
        play.count();
        std::string more = phrase(first_, 1);
        play.checkMatches("after a match " + label_ +
                          (play.matches() == before ? " does not fire with one more " : " fires again with one more ") +
                          more);
        if (first_.size() == 1) return putBack();
        before = play.matches();
        for (size_t i = 1; i < first_.size(); i++)
            play.raise(first_[i], key);
        play.count();
        size_t since = play.matches() - before;
        play.checkMatches("after a match " + label_ + " fires " +
                          (since == 0   ? "no more"
                           : since == 1 ? "again"
                                        : std::to_string(since) + " times more") +
                          " on the same events once more");
        putBack();
    }

    void cooldown() {
        const time::Micros length = events_.rule.cooldown;
        const std::string shown = commentText(action_.info->spec->cooldown.value);
        for (bool over : {false, true}) {
            WindowPlay play(events_, name() + ": cooldown, " + (over ? "over" : "not over"));
            int key = play.key();
            putAside("NULL;");
            all(play, first_, key);
            play.count();
            play.moveClock(over ? length : length - margin(length));
            all(play, first_, key);
            play.count();
            play.checkMatches(label_ + (over ? " fires again " + shown + " after a match"
                                             : " keeps quiet within " + shown + " of a match"));
            putBack();
            play.end();
        }
    }

    // --- distinct values, keys ---------------------------------------------------------------------------------------

    void distinct() {
        for (size_t i = 0; i < events_.rule.terms.size(); i++) {
            int term = static_cast<int>(i);
            if (!events_.rule.terms[i].distinct || first_.size() < 2 || !counted({first_.back()}, term)) continue;
            bool fresh = events_.kinds[first_.back()].counted.fresh.count(term) > 0;
            std::vector<size_t> kinds(first_.begin(), first_.end() - 1);
            WindowPlay play(events_, name() + ": a value again");
            int key = play.key();
            play.prepare(kinds, key);
            all(play, kinds, key);
            fresh ? play.repeat(kinds.back(), key) : play.raise(kinds.back(), key);
            play.count();
            check(play, 0, label_ + " does not count a " + commentText(events_.window.terms[i].field.value) + " twice");
        }
    }

    void keys() {
        if (events_.keyNames.empty() || first_.size() < 2) return;
        std::string description = label_ + " does not add up events of different " + join(events_.keyNames, ", ");
        WindowPlay play(events_, name() + ": keys");
        if (!events_.keysDiffer()) return fewKeys(play, description);
        int one = play.key(), other = play.key();
        std::vector<size_t> kinds(first_.begin(), first_.end() - 1);
        play.prepare(kinds, one);
        play.prepare({first_.back()}, other);
        all(play, kinds, one);
        play.raise(first_.back(), other);
        play.count();
        check(play, 0, description);
        play.prepare({first_.back()}, one);
        play.raise(first_.back(), one);
        play.count();
        check(play, 1, label_ + " keeps the events of each " + join(events_.keyNames, ", ") + " apart");
    }

    // Of keys with few values there may be one more that the FILTER allows.
    void fewKeys(WindowPlay& play, const std::string& description) {
        const EventKind& last = events_.kinds[first_.back()];
        auto other = std::find_if(events_.otherKeys.begin(), events_.otherKeys.end(), [&](const EventKind& kind) {
            bool same = kind.source == last.source;
            for (size_t i = 0; i < events_.rule.terms.size(); i++)
                same = same && kind.counted.counts(static_cast<int>(i)) == last.counted.counts(static_cast<int>(i));
            return same;
        });
        if (other == events_.otherKeys.end()) return writer_.skip(description, "no other value of its key was found");
        int key = play.key();
        std::vector<size_t> kinds(first_.begin(), first_.end() - 1);
        play.prepare(kinds, key);
        all(play, kinds, key);
        play.raiseOther(*other);
        play.count();
        check(play, 0, description);
    }

    // Only a custom event can come without.
    void missingKey() {
        const EventSource& source = events_.sources[events_.kinds[first_.back()].source];
        if (first_.size() < 2 || !events_.keysDiffer() || source.keys.empty() || !source.feed->binding.custom) return;
        WindowPlay play(events_, name() + ": an event without a key");
        int key = play.key();
        std::vector<size_t> kinds(first_.begin(), first_.end() - 1);
        play.prepare(kinds, key);
        all(play, kinds, key);
        play.raise(first_.back(), WindowPlay::nobody);
        play.count();
        check(play, 0, label_ + " does not count " + source.feed->source + " without " + join(events_.keyNames, ", "));
    }

    // --- time --------------------------------------------------------------------------------------------------------

    static time::Micros margin(time::Micros length) {
        return std::max(length / 10, std::min<time::Micros>(length / 2, 5000000));
    }

    void time(const std::vector<size_t>& kinds) {
        if (kinds.size() < 2) return;
        std::set<time::Micros> lengths;
        for (const time::WindowTermRule& term : events_.rule.terms)
            lengths.insert(term.within);
        for (time::Micros length : lengths)
            for (bool inside : {false, true})
                shifted(kinds, length, inside ? length - margin(length) : length, inside);
    }

    // The last event comes later.
    void shifted(const std::vector<size_t>& kinds, time::Micros length, time::Micros shift, bool inside) {
        WindowPlay play(events_, name() + (inside ? ": just within " : ": beyond ") + spokenInterval(length));
        int key = play.key();
        play.prepare(kinds, key);
        for (size_t i = 0; i + 1 < kinds.size(); i++)
            play.raise(kinds[i], key);
        play.moveClock(shift);
        play.raise(kinds.back(), key);
        play.count();
        check(play, inside ? 1 : 0,
              label_ + (inside ? " fires when the last of " : " does not fire when the last of ") + phrase(kinds) +
                  " comes " + spokenInterval(shift) + " later");
        play.end();
    }

    // --- absence, timeouts -------------------------------------------------------------------------------------------

    void absence(const WindowFindings& search) {
        const std::vector<size_t>& kinds = search.absent;
        if (kinds.empty()) {
            if (!events_.rule.formula.negates()) return;
            writer_.begin(name() + ": absence");
            return writer_.skip(label_ + " fires at its deadline", "no events were found that make it match");
        }
        if (first_.empty()) steps(inTime_, inTimeFixtures_, kinds, events_.rule.longest());
        time::Micros longest = events_.rule.longest();
        {
            WindowPlay play(events_, name() + ": what is awaited does not come");
            int key = play.key();
            play.prepare(kinds, key);
            all(play, kinds, key);
            play.count();
            play.moveClock(longest - margin(longest));
            play.count();
            check(play, 0, label_ + " does not fire within " + spokenInterval(longest) + " of " + phrase(kinds));
            play.moveClock(longest);
            play.count();
            check(play, 1,
                  label_ + " fires once when " + spokenInterval(longest) + " have passed since " + phrase(kinds));
            play.end();
        }
        for (const auto& [term, kind] : search.awaited) {
            WindowPlay play(events_, name() + ": what is awaited comes");
            int key = play.key();
            std::vector<size_t> both = kinds;
            both.push_back(kind);
            play.prepare(both, key);
            all(play, both, key);
            play.moveClock(longest);
            play.count();
            check(play, 0, label_ + " does not fire when " + phrase({kind}) + " comes in time");
            play.end();
            if (events_.keyNames.empty() || !events_.keysDiffer()) continue;
            WindowPlay other(events_, name() + ": what is awaited comes for another key");
            key = other.key();
            int otherKey = other.key();
            other.prepare(kinds, key);
            other.prepare({kind}, otherKey);
            all(other, kinds, key);
            other.raise(kind, otherKey);
            other.moveClock(longest);
            other.count();
            check(
                other, 1,
                label_ + " fires though " + phrase({kind}) + " of another " + join(events_.keyNames, ", ") + " comes");
            other.end();
        }
    }

    void timeout(const WindowFindings& search) {
        if (!events_.rule.onTimeout) return;
        const std::vector<size_t>& kinds = search.unfinished;
        if (kinds.empty()) {
            writer_.begin(name() + ": timeout");
            return writer_.skip(label_ + " tells what is not completed", "no events were found that begin it");
        }
        time::Micros longest = events_.rule.longest();
        steps(late_, lateFixtures_, kinds, longest);
        WindowPlay play(events_, name() + ": not completed in time");
        int key = play.key();
        play.prepare(kinds, key);
        all(play, kinds, key);
        play.moveClock(longest - margin(longest));
        play.count();
        check(play, 0, label_ + " does not give up within " + spokenInterval(longest) + " of " + phrase(kinds));
        play.moveClock(longest);
        play.count();
        std::string description = label_ + " gives up once, " + spokenInterval(longest) + " after " + phrase(kinds);
        writer_.check("is((SELECT count(*) FROM specql.events AS v\n    WHERE " + play.matchCondition("v") +
                          " AND v.data ? 'timed_out'),\n    " + std::to_string(play.timeouts()) + "::bigint, " +
                          quoteLiteral(description) + ")",
                      description);
        play.end();
    }

    // --- failure -----------------------------------------------------------------------------------------------------

    // A match whose steps fail is logged and tried again; its events are used up all the same.
    void failure(const std::vector<size_t>& kinds, time::Micros wait) {
        std::string description = "failed matches of " + action_.info->spec->name.value + " are logged and retried";
        size_t arm = 0;
        while (arm < inTimeFixtures_.size() &&
               (!inTimeFixtures_[arm].fixture || !inTime_.undecided(arm, kinds).empty()))
            arm++;
        if (arm == inTimeFixtures_.size()) {
            writer_.begin(name() + ": its steps fail");
            return writer_.skip(description, "no match was found that runs its steps");
        }
        static const std::string message = "broken by a test";
        WindowPlay play(events_, name() + ": its steps fail");
        int key = play.key();
        inTime_.fixture(inTimeFixtures_[arm].fixture, key, kinds);
        play.prepare(kinds, key);
        all(play, kinds, key);
        if (wait > 0) play.moveClock(wait);
        inTime_.before(arm, play, kinds.size());
        inTime_.checkRetried(message);
        putAside("RAISE EXCEPTION '" + message + "';");
        play.count();
        // Its events are used up all the same.
        if (kinds.size() > 1 && events_.rule.afterMatch != time::AfterMatch::every) {
            play.raise(kinds.front(), key);
            play.count();
            play.checkMatches(label_ + " counts on after a match that failed");
        }
        putBack();
        play.guardRetry();
        std::string status = action_.info->spec->maxAttempts.value == "1" ? "parked" : "failed";
        writer_.check(
            "is((SELECT ROW(f.status, f.attempts, f.message, specql.retry(f.id, f.action))::text\n"
            "    FROM specql.failures AS f WHERE " +
                play.matchCondition("f") + "\n    ORDER BY f.id LIMIT 1),\n    ROW('" + status + "', 1, " +
                quoteLiteral(message) + ", 1)::text, " + quoteLiteral(description) + ")",
            description);
        play.end();
    }

    Writer& writer_;
    const resolve::ResolvedAction& action_;
    WindowEvents events_;
    std::string label_;
    MatchSteps inTime_, late_;
    std::vector<ArmFixture> inTimeFixtures_, lateFixtures_;
    std::vector<size_t> first_;  // the shortest events that make it match
    std::set<std::string> said_;
};

}  // namespace

void writeWindow(Writer& writer, const resolve::ResolvedAction& action) {
    size_t before = writer.suite.statements.size();
    WindowTests(writer, action).write();
    // What turned out to be no test: the rule does not say what the sentence would.
    std::vector<TestStatement>& statements = writer.suite.statements;
    std::set<int> tested;
    for (const TestStatement& statement : statements)
        if (statement.kind == StatementKind::check || statement.kind == StatementKind::skip)
            tested.insert(statement.test);
    statements.erase(std::remove_if(statements.begin() + static_cast<long>(before), statements.end(),
                                    [&](const TestStatement& statement) { return !tested.count(statement.test); }),
                     statements.end());
}

}  // namespace specql::testgen
