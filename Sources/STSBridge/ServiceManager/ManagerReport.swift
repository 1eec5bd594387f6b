import ServiceLifecycle

/// Tells the service manager how the daemon is: ready, alive, and in a line of words.
///
/// It says that the daemon lives only after the daemon has answered: a loop that hangs is heard as silence, and after
/// `WATCHDOG_USEC` of that the manager starts the daemon anew.
/// As a service it has to be among the last of its group, so that the manager hears of the stop when it begins.
struct ManagerReport: Service {
    let voice: ManagerVoice
    /// When all listeners stand.
    let listening: Milestone
    /// Returns when everything that has to answer has answered, with one line for an administrator.
    let answers: @Sendable () async -> String

    /// How often the line is brought up to date where nobody watches.
    private static let pulse = Duration.seconds(5)

    func run() async {
        if voice.isMute {
            try? await gracefulShutdown()
        } else {
            await report()
        }
        voice.stopping()
    }

    private func report() async {
        voice.status("Starting")
        for await _ in listening.arrival.cancelOnGracefulShutdown() {}
        guard !isStopping else { return }
        var told = await answers()
        voice.ready(status: told)
        let pulse = min(Self.pulse, voice.watchdog.map { $0 / 2 } ?? Self.pulse)
        while !isStopping {
            let now = await answers()
            if voice.watchdog != nil { voice.alive() }
            if voice.owesReadiness {
                voice.ready(status: now)
            } else if now != told {
                voice.status(now)
            }
            told = now
            try? await cancelWhenGracefulShutdown { try await Task.sleep(for: pulse) }
        }
    }

    private var isStopping: Bool { Task.isShuttingDownGracefully || Task.isCancelled }
}
