import Foundation

/// A terminal with a number of columns, made by Python's pty.
struct PseudoTerminal: Sendable {
    let columns: Int
    /// Variables in addition to `TERM=xterm`.
    var environment: [String: String] = [:]

    /// Runs a program to its end and returns its output and errors with the escape sequences.
    func run(
        _ program: String, arguments: [String], within deadline: Duration = .seconds(60)
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
            arguments: ["-u", "COLUMNS", "-u", "NO_COLOR", "TERM=xterm"] + variables
                + ["python3", "-c", script, "\(columns)", program] + arguments, within: deadline)
        return (status, output.replacing("\r\n", with: "\n"))
    }
}

extension String {
    /// The text without the escape sequences for colours and for erasing lines.
    var withoutEscapes: String {
        replacing(#/\u{1B}\[[0-9;]*[mK]/#, with: "")
    }
}
