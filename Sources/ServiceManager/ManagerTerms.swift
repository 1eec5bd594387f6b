import Glibc

/// What the service manager that started this process has told it: systemd, or any other that speaks the same words.
///
/// A process that nobody manages has none of it, and works as well.
package struct ManagerTerms: Sendable {
    /// `nil`: nobody wants to hear how it is.
    package let notifier: ServiceNotifier?
    /// How often it wants to hear that we live; `nil`: never.
    package let watchdog: Duration?
    package let sockets: PassedSockets
    /// What of it cannot be used, in words.
    package let troubles: [String]

    /// - Parameter process: our own process id.
    package init(environment: [String: String], process: Int32 = getpid()) {
        sockets = PassedSockets(environment: environment, process: process)
        watchdog = Self.watchdog(environment, process)
        var troubles = [sockets.trouble].compactMap(\.self)
        var notifier: ServiceNotifier?
        if let address = environment["NOTIFY_SOCKET"], !address.isEmpty {
            do throws(NotifyFailure) {
                notifier = try ServiceNotifier(address)
            } catch {
                troubles.append("\(error)")
            }
        }
        self.notifier = notifier
        self.troubles = troubles
    }

    /// `WATCHDOG_USEC`, where `WATCHDOG_PID` is ours or missing: sd_watchdog_enabled(3).
    private static func watchdog(_ environment: [String: String], _ process: Int32) -> Duration? {
        guard environment["WATCHDOG_PID"].map({ Int32($0) == process }) ?? true,
            let microseconds = environment["WATCHDOG_USEC"].flatMap(Int64.init), microseconds > 0
        else { return nil }
        return .microseconds(microseconds)
    }

    private static let variables = [
        "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES",
    ]

    /// The same of the process's own environment, which then says nothing of it: programs that we start are not managed.
    /// To be called once, before there are threads that read the environment.
    ///
    /// - Parameter environment: of this process.
    package static func take(from environment: [String: String]) -> ManagerTerms {
        for variable in variables { unsetenv(variable) }
        return ManagerTerms(environment: environment)
    }
}
