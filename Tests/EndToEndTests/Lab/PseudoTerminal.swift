import Foundation

/// A terminal of so many columns, as an administrator sits at one: Python's pty.
struct PseudoTerminal: Sendable {
    let columns: Int
    /// Variables besides `TERM=xterm`.
    var environment: [String: String] = [:]

    /// Runs a program on it to the end, and gives all that the screen got: output and errors, with the escape sequences.
    func run(
        _ program: String, _ arguments: [String], within deadline: Duration = .seconds(60)
    ) async throws -> (status: Int32, screen: String) {
        let script = """
            import fcntl, os, pty, struct, sys, termios
            size = struct.pack("HHHH", 50, int(sys.argv[1]), 0, 0)
            child, terminal = pty.fork()
            if child == 0:
                fcntl.ioctl(1, termios.TIOCSWINSZ, size)
                os.execv(sys.argv[2], sys.argv[2:])
            while True:
                try:
                    data = os.read(terminal, 65536)
                except OSError:
                    break
                if not data:
                    break
                sys.stdout.buffer.write(data)
            sys.stdout.flush()
            sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
            """
        let variables = environment.map { "\($0.key)=\($0.value)" }
        let (status, output) = try await ChildProcess.run(
            "/usr/bin/env",
            ["-u", "COLUMNS", "-u", "NO_COLOR", "TERM=xterm"] + variables
                + ["python3", "-c", script, "\(columns)", program] + arguments, within: deadline)
        return (status, output.replacing("\r\n", with: "\n"))
    }
}

extension String {
    /// Without colours and erased lines.
    var withoutEscapes: String {
        replacing(#/\u{1B}\[[0-9;]*[mK]/#, with: "")
    }
}
