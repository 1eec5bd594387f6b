import Foundation

/// A path and query of the API.
package struct AdminEndpoint: Sendable {
    package let text: String

    /// - Parameters:
    ///   - names: path segments after `path`. Reserved characters are percent-encoded.
    ///   - query: by name; `nil` values are left out.
    package init(_ path: String, names: [String] = [], query: [(name: String, value: String?)] = []) {
        let segments = names.map { "/" + Self.encoded($0) }.joined()
        let pairs = query.compactMap { pair in pair.value.map { "\(pair.name)=\(Self.encoded($0))" } }
        text = path + segments + (pairs.isEmpty ? "" : "?" + pairs.joined(separator: "&"))
    }

    /// The unreserved characters of RFC 3986 §2.3.
    private static let unreserved = CharacterSet(
        charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")

    private static func encoded(_ text: String) -> String {
        text.addingPercentEncoding(withAllowedCharacters: unreserved) ?? ""
    }

    // MARK: The routes

    package static let status = AdminEndpoint("/v1/status")
    package static let observe = AdminEndpoint("/v1/observe")
    package static let reload = AdminEndpoint("/v1/reload")
    package static let exemptions = AdminEndpoint("/v1/exemptions")
    package static let pins = AdminEndpoint("/v1/pins")

    package static func entries(query: [(name: String, value: String?)] = []) -> AdminEndpoint {
        AdminEndpoint("/v1/entries", query: query)
    }

    package static func entry(_ domain: String) -> AdminEndpoint { AdminEndpoint("/v1/entries", names: [domain]) }
    package static func refresh(_ domain: String) -> AdminEndpoint {
        AdminEndpoint("/v1/entries", names: [domain, "refresh"])
    }
    package static func exemption(_ domain: String) -> AdminEndpoint {
        AdminEndpoint("/v1/exemptions", names: [domain])
    }
    package static func pin(_ domain: String) -> AdminEndpoint { AdminEndpoint("/v1/pins", names: [domain]) }

    package static func explain(_ key: String, live: Bool) -> AdminEndpoint {
        AdminEndpoint("/v1/explain", names: [key], query: [("live", live ? "true" : nil)])
    }
}
