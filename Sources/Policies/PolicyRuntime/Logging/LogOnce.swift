/// Remembers what was logged, so that each subject is logged once.
///
/// Limits: remembers at most `limit` subjects.
struct LogOnce: Sendable {
    enum WhenFull: Sendable {
        /// Forgets all subjects and continues.
        case startOver
        /// Logs no further subjects.
        case stop
    }

    private var logged: Set<String> = []
    private let limit: Int
    private let whenFull: WhenFull

    init(limit: Int, whenFull: WhenFull) {
        self.limit = limit
        self.whenFull = whenFull
    }

    /// Returns whether the subject has to be logged now.
    mutating func isNew(_ subject: String) -> Bool {
        if logged.count >= limit {
            switch whenFull {
            case .startOver: logged = []
            case .stop: return false
            }
        }
        return logged.insert(subject).inserted
    }

    /// Forgets all subjects.
    mutating func reset() { logged = [] }
}
