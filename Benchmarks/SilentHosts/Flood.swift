import Discovery

/// 10,000 domains whose policy hosts accept connections and stay silent: at one address, at a thousand, or in one zone.
enum Flood: CaseIterable {
    case oneAddress, thousandAddresses, wildcardZone

    func request(_ number: Int) -> PolicyRequest {
        let host = self == .oneAddress ? 0 : number % 1_000
        return Self.request(
            to: [127, UInt8(1 + host / 256), UInt8(host % 256), 1],
            domain: self == .wildcardZone ? "a\(number).evil.example" : "evil\(number).example")
    }

    var good: PolicyRequest { Self.request(to: [127, 0, 0, 1], domain: "good.test") }

    private static func request(to octets: [UInt8], domain: String) -> PolicyRequest {
        PolicyRequest(
            host: "mta-sts.example", url: "https://mta-sts.example/.well-known/mta-sts.txt",
            addresses: [IPAddress(octets: octets)].compactMap(\.self), domain: domain)
    }
}
