import Glibc

/// The code of this program and of its libraries in memory.
///
/// A start runs a lot of code once: the dynamic linker, the configuration, the schema of the cache file. Its pages stay
/// resident after that.
package enum ProgramCode {
    /// Releases the pages. The kernel maps those that are used again from its page cache, some microseconds each.
    ///
    /// Concurrency: any thread; others may run the code meanwhile.
    /// Errors: none. Without /proc nothing is released.
    package static func releasePages() {
        guard let maps = try? SmallFile.read("/proc/self/maps", limit: 1 << 20) else { return }
        for range in ranges(maps: maps) {
            guard let start = UnsafeMutableRawPointer(bitPattern: range.lowerBound) else { continue }
            madvise(start, range.count, MADV_DONTNEED)
        }
    }

    /// The address ranges of code in the text of /proc/PID/maps (proc_pid_maps(5)).
    ///
    /// Only mappings of files that can be executed but not written: no page of them differs from the file, so that the kernel
    /// can read it again. Read-only data is not among them, because the dynamic linker has changed some of its pages.
    static func ranges(maps: [UInt8]) -> [Range<UInt>] {
        maps.split(separator: UInt8(ascii: "\n")).compactMap { line in
            let fields = line.split(separator: UInt8(ascii: " "))
            guard fields.count >= 6, fields[1].elementsEqual("r-xp".utf8), fields[5].first == UInt8(ascii: "/")
            else { return nil }
            let ends = fields[0].split(separator: UInt8(ascii: "-")).compactMap {
                UInt(String(decoding: $0, as: UTF8.self), radix: 16)
            }
            guard ends.count == 2, ends[0] < ends[1] else { return nil }
            return ends[0]..<ends[1]
        }
    }
}
