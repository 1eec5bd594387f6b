import CLinux
import Glibc

/// What a short-lived program wrote, and how it ended.
struct ChildOutput {
    var output: [UInt8] = []
    var errors: [UInt8] = []
    /// As a shell has it: a signal counts as 128 and its number.
    var status: Int32 = 0

    /// Runs a program to its end. Nothing of it is left when this returns or throws: past its time it is killed with all
    /// that it started.
    ///
    /// - Parameters:
    ///   - directory: the working directory of the program; `nil`: this process's own.
    ///   - limit: octets of its output, and of its errors.
    static func of(
        _ path: String, _ arguments: [String], in directory: String? = nil, within timeLimit: Duration,
        atMost limit: Int
    ) throws(PostconfFailure) -> ChildOutput {
        let deadline = ContinuousClock.now + timeLimit
        let output = try Pipe()
        let errors = try Pipe()
        let process = try start(
            path, arguments, in: directory, output: output.writing, errors: errors.writing)
        output.writing.close()
        errors.writing.close()
        var result = ChildOutput()
        do throws(PostconfFailure) {
            try result.read(output.reading, errors.reading, until: deadline, limit)
            result.status = try wait(for: process, until: deadline)
        } catch {
            kill(-process, SIGKILL)
            _ = try? wait(for: process, until: nil)
            throw error
        }
        return result
    }

    // MARK: Start

    private static func start(
        _ path: String, _ arguments: [String], in directory: String?, output: Descriptor, errors: Descriptor
    ) throws(PostconfFailure) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        defer {
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
        }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, output.number, 1)
        posix_spawn_file_actions_adddup2(&actions, errors.number, 2)
        if let directory { sts_spawn_in_directory(&actions, directory) }
        // A daemon ignores and blocks signals; its child is to end by them. A group of its own, to be killed whole.
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))
        var process = pid_t()
        let words = arguments.map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        let code = posix_spawn(&process, path, &actions, &attributes, words, environ)
        guard code == 0 else { throw .system(code) }
        return process
    }

    // MARK: Read

    private mutating func read(
        _ output: Descriptor, _ errors: Descriptor, until deadline: ContinuousClock.Instant, _ limit: Int
    ) throws(PostconfFailure) {
        var polls = [output, errors].map { pollfd(fd: $0.number, events: Int16(POLLIN), revents: 0) }
        while polls.contains(where: { $0.fd >= 0 }) {
            let rest = deadline - .now
            guard rest > .zero else { throw .timeIsUp }
            let milliseconds = rest.components.seconds * 1_000 + rest.components.attoseconds / 1_000_000_000_000_000
            guard poll(&polls, 2, Int32(clamping: milliseconds + 1)) >= 0 || errno == EINTR else {
                throw .system(errno)
            }
            for index in polls.indices where polls[index].revents != 0 {
                let path: WritableKeyPath<ChildOutput, [UInt8]> = index == 0 ? \.output : \.errors
                // Descriptor -1 is passed over by poll(2).
                if try !take(from: polls[index].fd, into: path, limit) { polls[index].fd = -1 }
                polls[index].revents = 0
            }
        }
    }

    /// - Returns: `false` at the end.
    private mutating func take(
        from descriptor: Int32, into path: WritableKeyPath<ChildOutput, [UInt8]>, _ limit: Int
    ) throws(PostconfFailure) -> Bool {
        var chunk = [UInt8](repeating: 0, count: 4_096)
        let count = Glibc.read(descriptor, &chunk, chunk.count)
        if count < 0 {
            guard errno == EINTR else { throw .system(errno) }
            return true
        }
        self[keyPath: path] += chunk[..<count]
        guard self[keyPath: path].count <= limit else { throw .tooMuchOutput }
        return count > 0
    }

    // MARK: End

    /// - Parameter deadline: `nil` for a child that has been killed.
    private static func wait(
        for process: pid_t, until deadline: ContinuousClock.Instant?
    ) throws(PostconfFailure) -> Int32 {
        var status: Int32 = 0
        while true {
            let ended = waitpid(process, &status, deadline == nil ? 0 : WNOHANG)
            if ended == process { break }
            if ended < 0, errno != EINTR { throw .system(errno) }
            if let deadline {
                guard ContinuousClock.now < deadline else { throw .timeIsUp }
                // Its output has ended, so it is about to.
                usleep(1_000)
            }
        }
        let signal = status & 0x7F
        return signal == 0 ? (status >> 8) & 0xFF : 128 + signal
    }
}

/// Closed when it is let go, or before.
private final class Descriptor {
    private(set) var number: Int32

    init(_ number: Int32) { self.number = number }
    deinit { close() }

    func close() {
        guard number >= 0 else { return }
        Glibc.close(number)
        number = -1
    }
}

private struct Pipe {
    let reading: Descriptor
    let writing: Descriptor

    init() throws(PostconfFailure) {
        var numbers: [Int32] = [-1, -1]
        guard pipe(&numbers) == 0 else { throw .system(errno) }
        reading = Descriptor(numbers[0])
        writing = Descriptor(numbers[1])
        for number in numbers { _ = fcntl(number, F_SETFD, FD_CLOEXEC) }
    }
}
