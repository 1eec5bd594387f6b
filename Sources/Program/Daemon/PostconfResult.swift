import Foundation
import PostfixConfig

/// The result of postconf(1) on this host, including the last successful one.
package struct PostconfResult: Equatable, Sendable {
    /// The last profile that postconf reported; `nil` if postconf is not installed or has never succeeded.
    let profile: PostfixProfile?
    /// The error of the last run; `nil` if it succeeded or if postconf is not installed.
    let error: PostconfError?

    /// There is no result.
    static let none = PostconfResult(profile: nil)

    init(profile: PostfixProfile?, error: PostconfError? = nil) {
        self.profile = profile
        self.error = error
    }

    /// Runs postconf. Blocks for some milliseconds, for five seconds at most.
    ///
    /// - Parameter previous: supplies the profile if postconf fails.
    package static func run(previous: PostconfResult = .none) -> PostconfResult {
        guard let path = postconf else { return .none }
        do throws(PostconfError) {
            return PostconfResult(profile: try Postconf(path: path).profile())
        } catch {
            return PostconfResult(profile: previous.profile, error: error)
        }
    }

    /// The path of postconf on this host; `nil` if it is not installed.
    package static var postconf: String? {
        Postconf.find(searchPath: ProcessInfo.processInfo.environment["PATH"] ?? "")
    }
}
