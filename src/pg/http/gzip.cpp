#include "pg/http/gzip.hpp"

#include <zlib.h>
#include <new>

namespace specql::http {

std::string gzip(const std::string& bytes) {
    constexpr int asGzip = 15 + 16;  // the largest window, and gzip's frame
    z_stream stream = {};
    if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, asGzip, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        throw std::bad_alloc();
    // With as much room as it can need at most one step does it.
    std::string packed;
    try {
        packed.resize(deflateBound(&stream, bytes.size()));
    } catch (...) {
        deflateEnd(&stream);
        throw;
    }
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream.avail_in = static_cast<uInt>(bytes.size());
    stream.next_out = reinterpret_cast<Bytef*>(packed.data());
    stream.avail_out = static_cast<uInt>(packed.size());
    deflate(&stream, Z_FINISH);
    packed.resize(stream.total_out);
    deflateEnd(&stream);
    return packed;
}

}  // namespace specql::http
