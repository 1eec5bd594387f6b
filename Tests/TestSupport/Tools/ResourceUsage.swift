import Foundation
import Synchronization

/// What this process uses, from the time this value was made.
package final class ResourceUsage: Sendable {
    private struct Maxima {
        var descriptors = 0
        var memory = 0
    }

    private let maxima = Mutex(Maxima())
    private let memoryAtStart = residentOctets()
    private let processorTimeAtStart = processorTime()

    package init() {}

    package var maximumDescriptors: Int { maxima.withLock(\.descriptors) }
    /// Resident octets.
    package var maximumMemory: Int { maxima.withLock(\.memory) }
    /// Resident octets now, less those at the start.
    package var memoryGrowth: Int { Self.residentOctets() - memoryAtStart }
    /// User and system time.
    package var processorTime: Duration { Self.processorTime() - processorTimeAtStart }

    /// Measures descriptors and memory ten times a second until the task is cancelled.
    package func sample() async {
        while !Task.isCancelled {
            let descriptors = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count) ?? 0
            let memory = Self.residentOctets()
            maxima.withLock { maxima in
                maxima.descriptors = max(maxima.descriptors, descriptors)
                maxima.memory = max(maxima.memory, memory)
            }
            try? await Task.sleep(for: .milliseconds(100))
        }
    }

    /// The second number of proc_pid_statm(5), in pages.
    private static func residentOctets() -> Int {
        guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) else { return 0 }
        let numbers = text.split(separator: " ")
        return numbers.count > 1 ? (Int(numbers[1]) ?? 0) * Int(getpagesize()) : 0
    }

    private static func processorTime() -> Duration {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return [usage.ru_utime, usage.ru_stime].reduce(.zero) {
            $0 + .seconds($1.tv_sec) + .microseconds($1.tv_usec)
        }
    }
}
