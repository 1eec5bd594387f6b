import Foundation

/// A path of the API and its query.
package struct Target: Sendable {
    package let text: String

    /// - Parameter names: put into the path after it, each as one part, whatever characters are in it.
    /// - Parameter query: by name; `nil` is left out.
    package init(_ path: String, _ names: [String] = [], query: [(name: String, value: String?)] = []) {
        let parts = names.map { "/" + Self.encoded($0) }.joined()
        let pairs = query.compactMap { pair in pair.value.map { "\(pair.name)=\(Self.encoded($0))" } }
        text = path + parts + (pairs.isEmpty ? "" : "?" + pairs.joined(separator: "&"))
    }

    /// The unreserved characters of RFC 3986 §2.3 stay.
    private static let plain = CharacterSet(
        charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")

    private static func encoded(_ text: String) -> String {
        text.addingPercentEncoding(withAllowedCharacters: plain) ?? ""
    }

    // MARK: The routes

    package static let status = Target("/v1/status")
    package static let observe = Target("/v1/observe")
    package static let reload = Target("/v1/reload")
    package static let exemptions = Target("/v1/exemptions")
    package static let pins = Target("/v1/pins")

    package static func entry(_ domain: String) -> Target { Target("/v1/entries", [domain]) }
    package static func refresh(_ domain: String) -> Target { Target("/v1/entries", [domain, "refresh"]) }
    package static func exemption(_ domain: String) -> Target { Target("/v1/exemptions", [domain]) }
    package static func pin(_ domain: String) -> Target { Target("/v1/pins", [domain]) }

    package static func explain(_ key: String, live: Bool) -> Target {
        Target("/v1/explain", [key], query: [("live", live ? "true" : nil)])
    }
}
