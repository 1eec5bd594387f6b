import ServiceLifecycle

/// Reports to systemd that the daemon is ready, that it is alive, and its status line.
///
/// The watchdog message follows only after the daemon has responded. If an event loop hangs, the message is missing, and
/// systemd restarts the daemon after `WATCHDOG_USEC`.
/// It is one of the last services of its group, because services stop in reverse order: systemd then learns of a stop when
/// the stop begins.
struct StatusReporter: Service {
    private let notifier: SystemdNotifier
    private let listening: AsyncLatch
    private let status: @Sendable () async -> String

    /// The interval between status lines without a watchdog.
    private static let interval = Duration.seconds(5)

    /// - Parameters:
    ///   - listening: opens when all listeners are open.
    ///   - status: returns the status line after every part of the daemon has responded.
    init(_ notifier: SystemdNotifier, listening: AsyncLatch, status: @escaping @Sendable () async -> String) {
        self.notifier = notifier
        self.listening = listening
        self.status = status
    }

    func run() async {
        if notifier.isDisabled {
            try? await gracefulShutdown()
        } else {
            await report()
        }
        notifier.stopping()
    }

    private func report() async {
        notifier.status("Starting")
        await listening.wait()
        guard !isStopping else { return }
        var reported = await status()
        notifier.ready(status: reported)
        let interval = min(Self.interval, notifier.watchdog.map { $0 / 2 } ?? Self.interval)
        while !isStopping {
            let current = await status()
            if notifier.watchdog != nil { notifier.alive() }
            if notifier.isReadyPending {
                notifier.ready(status: current)
            } else if current != reported {
                notifier.status(current)
            }
            reported = current
            try? await cancelWhenGracefulShutdown { try await Task.sleep(for: interval) }
        }
    }

    private var isStopping: Bool { Task.isShuttingDownGracefully || Task.isCancelled }
}
