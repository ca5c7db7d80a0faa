// Counts C++ objects that are alive, in debug builds (-DSPECQL_DEBUG). A longjmp that skipped a destructor shows as a
// count that does not return to zero; tests ask specql.live_objects() after every kind of error.
#pragma once

namespace specql {

#ifdef SPECQL_DEBUG

class Live {
public:
    Live() noexcept { ++count_; }
    Live(const Live&) noexcept { ++count_; }
    Live& operator=(const Live&) noexcept { return *this; }
    ~Live() { --count_; }
    static long count() noexcept { return count_; }

private:
    static long count_;
};

#else

// As a base class it takes no room and no time.
class Live {};

#endif

}  // namespace specql
