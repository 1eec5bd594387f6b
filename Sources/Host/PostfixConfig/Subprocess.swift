import CLinux
import Glibc
import TextFormats

/// The output and exit status of a short program, such as postconf(1).
///
/// swift-subprocess is not used: it is asynchronous only, while the configuration is read by synchronous code before the
/// event loops exist; and this must kill the program's whole process group at the deadline.
///
/// Concurrency: blocks its thread until the program ends or `timeLimit` has passed.
/// Limits: output and errors have `limit` octets each.
/// Errors: `PostconfError`.
struct Subprocess {
    var output: [UInt8] = []
    var errors: [UInt8] = []
    /// As in a shell: a signal counts as 128 plus its number.
    var status: Int32 = 0

    /// Runs a program until it ends. At the deadline it is killed together with all processes it started, so nothing of it
    /// runs when this returns or throws.
    ///
    /// - Parameters:
    ///   - arguments: the first is the program's name.
    ///   - directory: the working directory of the program; `nil`: that of this process.
    ///   - limit: octets of its output, and of its errors.
    static func run(
        _ path: String, arguments: [String], directory: String? = nil, timeLimit: Duration, limit: Int
    ) throws(PostconfError) -> Subprocess {
        let deadline = ContinuousClock.now + timeLimit
        let output = try Pipe()
        let errors = try Pipe()
        let process = try start(
            path, arguments: arguments, directory: directory, output: output.writing, errors: errors.writing)
        output.writing.close()
        errors.writing.close()
        var result = Subprocess()
        do throws(PostconfError) {
            try result.read(output: output.reading, errors: errors.reading, until: deadline, limit: limit)
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
        _ path: String, arguments: [String], directory: String?, output: Descriptor, errors: Descriptor
    ) throws(PostconfError) -> pid_t {
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
        // A daemon ignores and blocks signals, but they must end its child. The child leads a process group, so that one
        // signal ends all its processes.
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))
        var process = pid_t()
        let argumentPointers = arguments.map { strdup($0) } + [nil]
        defer { for pointer in argumentPointers { free(pointer) } }
        let code = posix_spawn(&process, path, &actions, &attributes, argumentPointers, environ)
        guard code == 0 else { throw .system(code) }
        return process
    }

    // MARK: Read

    private mutating func read(
        output: Descriptor, errors: Descriptor, until deadline: ContinuousClock.Instant, limit: Int
    ) throws(PostconfError) {
        var polls = [output, errors].map { pollfd(fd: $0.number, events: Int16(POLLIN), revents: 0) }
        while polls.contains(where: { $0.fd >= 0 }) {
            let rest = deadline - .now
            guard rest > .zero else { throw .timedOut }
            guard poll(&polls, 2, rest.millisecondsRoundedUp) >= 0 || errno == EINTR else {
                throw .system(errno)
            }
            for index in polls.indices where polls[index].revents != 0 {
                let path: WritableKeyPath<Subprocess, [UInt8]> = index == 0 ? \.output : \.errors
                // poll(2) ignores descriptor -1.
                if try !readChunk(from: polls[index].fd, into: path, limit: limit) { polls[index].fd = -1 }
                polls[index].revents = 0
            }
        }
    }

    /// - Returns: `false` at the end of the output.
    private mutating func readChunk(
        from descriptor: Int32, into path: WritableKeyPath<Subprocess, [UInt8]>, limit: Int
    ) throws(PostconfError) -> Bool {
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

    /// - Parameter deadline: `nil` for a killed child.
    private static func wait(
        for process: pid_t, until deadline: ContinuousClock.Instant?
    ) throws(PostconfError) -> Int32 {
        var status: Int32 = 0
        while true {
            let ended = waitpid(process, &status, deadline == nil ? 0 : WNOHANG)
            if ended == process { break }
            if ended < 0, errno != EINTR { throw .system(errno) }
            if let deadline {
                guard ContinuousClock.now < deadline else { throw .timedOut }
                // Its output has ended, so the program ends soon.
                usleep(1_000)
            }
        }
        let signal = status & 0x7F
        return signal == 0 ? (status >> 8) & 0xFF : 128 + signal
    }
}

/// A file descriptor that is closed at the latest when its last reference goes.
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

    init() throws(PostconfError) {
        var numbers: [Int32] = [-1, -1]
        guard pipe(&numbers) == 0 else { throw .system(errno) }
        reading = Descriptor(numbers[0])
        writing = Descriptor(numbers[1])
        for number in numbers { _ = fcntl(number, F_SETFD, FD_CLOEXEC) }
    }
}
