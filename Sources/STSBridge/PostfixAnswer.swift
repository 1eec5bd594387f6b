import Foundation
import PostfixSettings

/// What postconf(1) on this host returned, now or the last time that it worked.
struct PostfixAnswer: Equatable, Sendable {
    /// `nil` if there is no postconf, or if it has never worked.
    let local: LocalPostfix?
    /// Why postconf did not work this time; `nil` if it did, or if there is none.
    let failure: PostconfFailure?

    /// Nobody was asked.
    static let none = PostfixAnswer(local: nil)

    init(local: LocalPostfix?, failure: PostconfFailure? = nil) {
        self.local = local
        self.failure = failure
    }

    /// Runs postconf. Blocks for milliseconds, five seconds at most.
    ///
    /// - Parameter before: the answer to keep if postconf does not work now.
    static func ask(before: PostfixAnswer = .none) -> PostfixAnswer {
        guard let path = postconf else { return .none }
        do throws(PostconfFailure) {
            return PostfixAnswer(local: try Postconf(path: path).ask())
        } catch {
            return PostfixAnswer(local: before.local, failure: error)
        }
    }

    /// The path of this host's postconf; `nil` if there is none.
    static var postconf: String? {
        Postconf.find(searchPath: ProcessInfo.processInfo.environment["PATH"] ?? "")
    }
}
