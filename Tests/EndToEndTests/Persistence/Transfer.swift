import Foundation

/// A file for `cache import`: many enforced policies, as if another daemon had fetched them.
struct Transfer: Sendable {
    let names: [String]
    let text: String

    init(
        count: Int, zone: String, fetchedAt: Date = Date(timeIntervalSinceNow: -60), mx: String = MXHost.good.name
    ) {
        self.init((0..<count).map { "d\($0).\(zone)" }, fetchedAt: fetchedAt, mx: mx)
    }

    init(_ names: [String], fetchedAt: Date, mx: String = MXHost.good.name) {
        self.names = names
        let time = fetchedAt.formatted(.iso8601.year().month().day().time(includingFractionalSeconds: true)) + "Z"
        let policy = Policy.enforce(mx).replacing("\r\n", with: "\\n")
        let rows = names.map {
            "{\"domain\":\"\($0)\",\"fetched-at\":\"\(time)\",\"id\":\"1\",\"policy\":\"\(policy)\"}"
        }
        let first = "{\"exported-at\":\"\(time)\",\"format\":\"sts-bridge-policies\",\"version\":1}"
        text = ([first] + rows + ["{\"policies\":\(rows.count)}"]).map { $0 + "\n" }.joined()
    }
}
