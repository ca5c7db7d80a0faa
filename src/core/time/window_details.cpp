#include "time/window_details.hpp"

#include <charconv>

namespace specql::time {

namespace {

std::string timeText(Micros time) {
    return time == never ? "-" : std::to_string(time);
}

class DetailsReader {
public:
    explicit DetailsReader(std::string_view text) : text_(text) {}

    bool time(Micros& value) {
        if (take('-') && (at_ == text_.size() || text_[at_] == ' ' || text_[at_] == ';')) {
            value = never;
            return true;
        }
        if (at_ > 0 && text_[at_ - 1] == '-') at_--;
        return number(value);
    }
    bool take(char c) {
        while (at_ < text_.size() && text_[at_] == ' ')
            at_++;
        if (at_ == text_.size() || text_[at_] != c) return false;
        at_++;
        return true;
    }
    template <typename Number>
    bool number(Number& value) {
        while (at_ < text_.size() && text_[at_] == ' ')
            at_++;
        auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
        at_ = static_cast<size_t>(end - text_.data());
        return error == std::errc();
    }
    bool bytes(size_t count, std::string& value) {
        if (count > text_.size() - at_) return false;
        value.assign(text_.substr(at_, count));
        at_ += count;
        return true;
    }
    bool done() {
        while (at_ < text_.size() && text_[at_] == ' ')
            at_++;
        return at_ == text_.size();
    }

private:
    std::string_view text_;
    size_t at_ = 0;
};

}  // namespace

std::string writeDetails(const WindowKey& key) {
    std::string text;
    for (const TermState& state : key.terms) {
        if (!text.empty()) text += "; ";
        text += timeText(state.newest) + " " + timeText(state.below) + " " + timeText(state.equal) + " " +
                timeText(state.above);
        for (const auto& [value, time] : state.distinct)
            text += " " + timeText(time) + " " + std::to_string(value.size()) + ":" + value;
    }
    return text;
}

bool readDetails(std::string_view text, WindowKey& key) {
    DetailsReader reader(text);
    for (size_t i = 0; i < key.terms.size(); i++) {
        TermState& state = key.terms[i];
        if (i > 0 && !reader.take(';')) return false;
        for (Micros* time : {&state.newest, &state.below, &state.equal, &state.above})
            if (!reader.time(*time)) return false;
        while (!reader.done()) {
            DetailsReader ahead = reader;
            if (ahead.take(';')) break;
            Micros time = never;
            size_t length = 0;
            std::string value;
            if (!reader.time(time) || !reader.number(length) || !reader.take(':') || !reader.bytes(length, value))
                return false;
            state.distinct.emplace_back(std::move(value), time);
        }
    }
    return reader.done();
}

}  // namespace specql::time
