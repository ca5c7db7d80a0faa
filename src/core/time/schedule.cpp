#include "time/schedule.hpp"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

namespace specql::time {

namespace {

constexpr int64_t hourMinutes = 60, dayMinutes = 24 * 60, daySeconds = 24 * 60 * 60;
constexpr int64_t longestWaitDays = 3660;

int64_t floorDivide(int64_t dividend, int64_t divisor) {
    return dividend / divisor - (dividend % divisor < 0 ? 1 : 0);
}

struct Date {
    int month, day, weekday;  // from 1, from 1, from Sunday
};

// Of the day that is so many after 1 January 1970. The calendar repeats after 400 years, which begin with March here.
Date dateOf(int64_t day) {
    constexpr int64_t eraDays = 146097, marchOfYear0 = 719468;
    const int64_t ofEra = day + marchOfYear0 - floorDivide(day + marchOfYear0, eraDays) * eraDays;
    const int64_t year = (ofEra - ofEra / 1460 + ofEra / 36524 - ofEra / 146096) / 365;
    const int64_t ofYear = ofEra - (365 * year + year / 4 - year / 100);
    const int64_t month = (5 * ofYear + 2) / 153;  // from March
    const int64_t thursday = 4;
    return {static_cast<int>(month < 10 ? month + 3 : month - 9), static_cast<int>(ofYear - (153 * month + 2) / 5 + 1),
            static_cast<int>(day + thursday - floorDivide(day + thursday, 7) * 7)};
}

bool isOn(const Schedule& schedule, int64_t day) {
    const Date date = dateOf(day);
    if (!schedule.months[static_cast<size_t>(date.month)]) return false;
    const bool isDay = schedule.days[static_cast<size_t>(date.day)];
    const bool isWeekday = schedule.weekdays[static_cast<size_t>(date.weekday)];
    return schedule.anyDay || schedule.anyWeekday ? isDay && isWeekday : isDay || isWeekday;
}

// What the clock shows when it is due, at `from` or later, in minutes since 1970 of that clock.
std::optional<int64_t> nextShown(const Schedule& schedule, int64_t from) {
    const int64_t first = floorDivide(from, dayMinutes);
    for (int64_t day = first; day < first + longestWaitDays; day++) {
        if (!isOn(schedule, day)) continue;
        for (int64_t minute = day == first ? from - day * dayMinutes : 0; minute < dayMinutes; minute++)
            if (schedule.minutes[static_cast<size_t>(minute)]) return day * dayMinutes + minute;
    }
    return std::nullopt;
}

bool isDueInEveryHour(const Schedule& schedule) {
    for (int64_t hour = 0; hour < 24; hour++) {
        bool isDue = false;
        for (int64_t minute = 0; minute < hourMinutes; minute++)
            isDue = isDue || schedule.minutes[static_cast<size_t>(hour * hourMinutes + minute)];
        if (!isDue) return false;
    }
    return true;
}

// The instants at which clocks show this: one; two where they are set back; none where they are set forward.
struct Instants {
    std::optional<int64_t> first, second;
};

Instants instantsOf(int64_t shown, const ZoneOffset& offset) {
    const int64_t before = offset(shown - daySeconds), after = offset(shown + daySeconds);
    Instants found;
    for (int64_t ahead : {std::max(before, after), std::min(before, after)})
        if (offset(shown - ahead) == ahead && found.first != shown - ahead)
            (found.first ? found.second : found.first) = shown - ahead;
    return found;
}

// The instant at which clocks are set forward over what they do not show.
int64_t setForward(int64_t shown, const ZoneOffset& offset) {
    int64_t earlier = shown - 2 * daySeconds, later = shown + 2 * daySeconds;
    while (later - earlier > 1) {
        const int64_t middle = earlier + (later - earlier) / 2;
        (middle + offset(middle) >= shown ? later : earlier) = middle;
    }
    return later;
}

// --- reading ---------------------------------------------------------------------------------------------------------

constexpr const char* cronHint =
    "its five fields are minute, hour, day of the month, month and weekday, as \"0 6 * * 1-5\"";
constexpr const char* forms =
    "write every 5 minutes, every day at 06:00 in Europe/Berlin, every monday and thursday at 18:30, or cron "
    "\"0 6 * * 1-5\" in Europe/Berlin";

constexpr std::array weekdayNames = {"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"};
constexpr std::array monthNames = {"",    "jan", "feb", "mar", "apr", "may", "jun",
                                   "jul", "aug", "sep", "oct", "nov", "dec"};

struct Word {
    std::string text;  // in small letters
    std::string written;
    size_t offset;
};

char small(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool isDigit(char c) {
    return c >= '0' && c <= '9';
}

// Words between blanks; what stands between quotes is one, and a comma another.
std::vector<Word> wordsOf(std::string_view text) {
    std::vector<Word> words;
    size_t at = 0;
    auto isBlank = [&](size_t place) { return text[place] == ' ' || text[place] == '\t' || text[place] == '\n'; };
    while (at < text.size()) {
        if (isBlank(at)) {
            at++;
            continue;
        }
        size_t end = at + 1;
        if (text[at] == '"' || text[at] == '\'')
            end = std::min(text.find(text[at], at + 1), text.size() - 1) + 1;
        else if (text[at] != ',')
            while (end < text.size() && !isBlank(end) && text[end] != ',')
                end++;
        Word word{"", std::string(text.substr(at, end - at)), at};
        for (char c : word.written)
            word.text += small(c);
        words.push_back(std::move(word));
        at = end;
    }
    return words;
}

// At most four digits.
std::optional<int> numberOf(std::string_view text) {
    if (text.empty() || text.size() > 4 || !std::all_of(text.begin(), text.end(), isDigit)) return std::nullopt;
    int number = 0;
    for (char c : text)
        number = number * 10 + (c - '0');
    return number;
}

class ScheduleReader {
public:
    ScheduleReader(std::string_view text, ScheduleProblem& problem)
        : words_(wordsOf(text)), end_(text.size()), problem_(problem) {}

    std::optional<Schedule> read() {
        bool good = takes("every") ? readEvery() : takes("cron") ? readCron() : fail("this is no schedule", forms);
        if (!good || !readZone() || (at_ < words_.size() && !fail("this does not belong to a schedule", forms)))
            return std::nullopt;
        if (!schedule_.comes()) {
            at_ = 0;
            fail("this day never comes");
            return std::nullopt;
        }
        return std::move(schedule_);
    }

private:
    bool takes(const char* word) {
        if (at_ >= words_.size() || words_[at_].text != word) return false;
        at_++;
        return true;
    }

    // At the next word.
    bool fail(std::string message, std::string hint = "") {
        problem_ = {at_ < words_.size() ? words_[at_].offset : end_, std::move(message), std::move(hint)};
        return false;
    }

    bool readEvery() {
        if (at_ >= words_.size()) return fail("every what?", forms);
        const bool counts = isDigit(words_[at_].text[0]);
        const int count = counts ? numberOf(words_[at_].text).value_or(0) : 1;
        if (counts && count == 0) return fail("this is no number of minutes or hours from 1 to 9999", forms);
        if (counts) at_++;
        for (auto [name, seconds] : {std::pair("second", 1), {"minute", 60}, {"hour", 3600}}) {
            if (!takes(name) && !(counts && takes((std::string(name) + "s").c_str()))) continue;
            schedule_.every = int64_t{count} * seconds;
            return true;
        }
        if (counts)
            return fail("a schedule counts seconds, minutes or hours",
                        "from when days, weeks or months count, a calendar must say: every day at 06:00, every monday, "
                        "cron \"0 6 1 * *\" for the first of each month");
        return readDays() && readTimes();
    }

    bool readDays() {
        if (takes("day")) return true;
        schedule_.weekdays.reset();
        schedule_.anyWeekday = false;
        do {
            size_t day = 0;
            if (takes("weekday")) {
                for (day = 1; day <= 5; day++)
                    schedule_.weekdays.set(day);
                continue;
            }
            while (day < weekdayNames.size() && !takes(weekdayNames[day]))
                day++;
            if (day == weekdayNames.size()) return failDay();
            schedule_.weekdays.set(day);
        } while (takes("and") || takes(","));
        return true;
    }

    bool failDay() {
        const std::string word = at_ < words_.size() ? words_[at_].text : "";
        if (word == "month")
            return fail("every month on which day?", "write cron \"0 6 1 * *\" for the first day at 06:00");
        if (word == "week") return fail("every week on which day?", "write every monday at 06:00");
        return fail("this is no day and no unit of time", forms);
    }

    bool readTimes() {
        if (!takes("at")) {
            schedule_.minutes.set(0);
            return true;
        }
        do {
            const std::string time = at_ < words_.size() ? words_[at_].text : "";
            const size_t colon = time.find(':');
            const std::optional<int> hour = numberOf(std::string_view(time).substr(0, colon));
            const std::optional<int> minute =
                colon == std::string::npos ? std::nullopt : numberOf(std::string_view(time).substr(colon + 1));
            if (!hour || !minute || *hour > 23 || *minute > 59 || time.size() - colon != 3)
                return fail("a time of day is written from 00:00 to 23:59");
            schedule_.minutes.set(static_cast<size_t>(*hour * hourMinutes + *minute));
            at_++;
        } while (takes("and") || takes(","));
        return true;
    }

    bool readZone() {
        if (!takes("in")) return true;
        if (at_ >= words_.size()) return fail("in which time zone?", "for example in Europe/Berlin");
        if (schedule_.every != 0) {
            at_--;
            return fail("this schedule is the same in all time zones", "leave out in …");
        }
        schedule_.zone = words_[at_++].written;
        return true;
    }

    bool readCron() {
        const std::string quoted = at_ < words_.size() ? words_[at_].text : "";
        if (quoted.size() < 2 || (quoted.front() != '"' && quoted.front() != '\'') || quoted.back() != quoted.front())
            return fail("cron's fields stand in quotes", cronHint);
        const std::vector<Word> fields = wordsOf(std::string_view(quoted).substr(1, quoted.size() - 2));
        // A comma is a word of its own there, and belongs to its field here.
        std::vector<std::string> texts;
        size_t reached = std::string::npos;
        for (const Word& word : fields) {
            if (word.offset != reached) texts.emplace_back();
            texts.back() += word.text;
            reached = word.offset + word.text.size();
        }
        if (texts.size() != 5)
            return fail("cron has five fields, and this has " + std::to_string(texts.size()), cronHint);
        std::bitset<60> minutes;
        std::bitset<24> hours;
        std::bitset<8> weekdays;  // both 0 and 7 are Sunday
        schedule_.days.reset();
        schedule_.months.reset();
        if (!readField(texts[0], "minute", 0, 59, minutes) || !readField(texts[1], "hour", 0, 23, hours) ||
            !readField(texts[2], "day of the month", 1, 31, schedule_.days) ||
            !readField(texts[3], "month", 1, 12, schedule_.months) || !readField(texts[4], "weekday", 0, 7, weekdays))
            return false;
        for (size_t hour = 0; hour < hours.size(); hour++)
            for (size_t minute = 0; minute < minutes.size(); minute++)
                if (hours[hour] && minutes[minute]) schedule_.minutes.set(hour * hourMinutes + minute);
        for (size_t day = 0; day < 7; day++)
            schedule_.weekdays[day] = weekdays[day] || (day == 0 && weekdays[7]);
        schedule_.anyDay = texts[2][0] == '*';
        schedule_.anyWeekday = texts[4][0] == '*';
        at_++;
        return true;
    }

    // "*", "*/15", "1-5", "1-9/2", "mon,fri"
    template <size_t size>
    bool readField(const std::string& text, const char* name, int least, int most, std::bitset<size>& into) {
        size_t from = 0;
        while (from <= text.size()) {
            const size_t to = std::min(text.find(',', from), text.size());
            std::string_view part = std::string_view(text).substr(from, to - from);
            const size_t slash = part.find('/'), dash = part.find('-');
            std::string_view range = part.substr(0, slash);
            const std::optional<int> step =
                slash == std::string_view::npos ? std::optional(1) : numberOf(part.substr(slash + 1));
            std::optional<int> first = least, last = most;
            if (range != "*") {
                first = valueOf(range.substr(0, dash), most);
                last = dash != std::string_view::npos    ? valueOf(range.substr(dash + 1), most)
                       : slash != std::string_view::npos ? last
                                                         : first;
            }
            if (!step || !first || !last || *step < 1 || *first < least || *last > most || *first > *last)
                return fail("the " + std::string(name) + " of a cron is not understood: " + std::string(part),
                            std::string(name) + "s are numbers from " + std::to_string(least) + " to " +
                                std::to_string(most) + ", ranges 1-5, lists 1,3 and steps */2");
            for (int value = *first; value <= *last; value += *step)
                into.set(static_cast<size_t>(value));
            from = to + 1;
        }
        return true;
    }

    // Months and weekdays go by their first three letters, too.
    std::optional<int> valueOf(std::string_view text, int most) {
        for (size_t i = 1; most == 12 && i < monthNames.size(); i++)
            if (text == monthNames[i]) return static_cast<int>(i);
        for (size_t i = 0; most == 7 && i < weekdayNames.size(); i++)
            if (text == std::string_view(weekdayNames[i]).substr(0, 3)) return static_cast<int>(i);
        return numberOf(text);
    }

    std::vector<Word> words_;
    size_t at_ = 0, end_;
    ScheduleProblem& problem_;
    Schedule schedule_;
};

}  // namespace

bool Schedule::comes() const {
    return every != 0 || nextShown(*this, 0);
}

bool isSchedule(std::string_view text) {
    const std::vector<Word> words = wordsOf(text);
    return !words.empty() && (words.front().text == "every" || words.front().text == "cron");
}

std::string scheduleText(std::string_view text) {
    std::string kept;
    bool isZone = false;
    for (const Word& word : wordsOf(text)) {
        kept += (kept.empty() || word.text == "," ? "" : " ") + (isZone ? word.written : word.text);
        isZone = word.text == "in";
    }
    return kept;
}

std::optional<Schedule> parseSchedule(std::string_view text, ScheduleProblem& problem) {
    return ScheduleReader(text, problem).read();
}

std::optional<int64_t> nextDue(const Schedule& schedule, int64_t after, const ZoneOffset& offset) {
    if (schedule.every != 0) return (floorDivide(after, schedule.every) + 1) * schedule.every;
    const bool everyHour = isDueInEveryHour(schedule);
    std::optional<int64_t> soonest;
    auto consider = [&](int64_t instant) {
        if (instant > after && (!soonest || instant < *soonest)) soonest = instant;
    };
    // Clocks that were set back show again what they have shown; none is set back by more than a day.
    const int64_t shownNow = floorDivide(after + offset(after), 60);
    std::optional<int64_t> shown = nextShown(schedule, shownNow - dayMinutes);
    for (; shown; shown = nextShown(schedule, *shown + 1)) {
        const Instants instants = instantsOf(*shown * 60, offset);
        const int64_t first = instants.first ? *instants.first : setForward(*shown * 60, offset);
        if (soonest && first > *soonest) break;
        if (instants.first || !everyHour) consider(first);
        if (instants.second && everyHour) consider(*instants.second);
    }
    return soonest;
}

}  // namespace specql::time
