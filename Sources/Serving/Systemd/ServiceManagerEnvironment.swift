import Glibc

/// The variables by which systemd, or a compatible service manager, talks to this process: `NOTIFY_SOCKET`,
/// `WATCHDOG_USEC`, `LISTEN_FDS`.
///
/// A process without a service manager has none of them, and works as well.
///
/// Errors: variables that cannot be used are ignored; `errors` says why.
package struct ServiceManagerEnvironment: Sendable {
    /// `nil`: the service manager takes no messages.
    package let notifier: ServiceNotifier?
    /// The service manager ends the process if it receives no watchdog message for this time; `nil`: it does not.
    package let watchdog: Duration?
    package let sockets: ActivationSockets
    /// Why variables are not used, one text for each error.
    package let errors: [String]

    /// - Parameter process: the id of this process.
    package init(environment: [String: String], process: Int32 = getpid()) {
        sockets = ActivationSockets(environment: environment, process: process)
        watchdog = Self.watchdog(environment, process: process)
        var errors = [sockets.error].compactMap(\.self)
        var notifier: ServiceNotifier?
        if let address = environment["NOTIFY_SOCKET"], !address.isEmpty {
            do throws(NotifyError) {
                notifier = try ServiceNotifier(address)
            } catch {
                errors.append("\(error)")
            }
        }
        self.notifier = notifier
        self.errors = errors
    }

    /// `WATCHDOG_USEC`, if `WATCHDOG_PID` is this process or missing: sd_watchdog_enabled(3).
    private static func watchdog(_ environment: [String: String], process: Int32) -> Duration? {
        guard environment["WATCHDOG_PID"].map({ Int32($0) == process }) ?? true,
            let microseconds = environment["WATCHDOG_USEC"].flatMap(Int64.init), microseconds > 0
        else { return nil }
        return .microseconds(microseconds)
    }

    private static let variables = [
        "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES",
    ]

    /// Reads the variables and removes them from the environment of this process, so that child processes do not use them.
    /// Call it once, before other threads read the environment.
    ///
    /// - Parameter environment: the environment of this process.
    package static func take(from environment: [String: String]) -> ServiceManagerEnvironment {
        for variable in variables { unsetenv(variable) }
        return ServiceManagerEnvironment(environment: environment)
    }
}
