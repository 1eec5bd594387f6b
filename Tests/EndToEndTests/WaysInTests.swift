import Testing

extension EndToEnd {
    /// The same answers by every way into the bridge, and none at all while it is away.
    @Suite struct WaysIn {
        static let badPolicy = Policy.enforce(MXHost.selfSigned.name)

        @Test(arguments: [Route.tcp, .jail])
        func `tcp_table, and a unix socket inside a chroot, say what TCP says`(route: Route) async throws {
            let lab = try Lab.running
            let name = { (what: String) in "\(what).\(route).example" }
            try await lab.publish(
                LabDomain(name("good"), policy: Policy.enforce()),
                LabDomain(name("bad"), mx: [.selfSigned], policy: Self.badPolicy),
                .plain(name("plain"), mx: [.selfSigned]))
            let good = try await lab.sender.send(to: "u@\(name("good"))", by: route)
            try await lab.expectVerified(good, at: .good)
            #expect(good.first.lines.contains { $0.contains("postfix/\(route)/smtp[") }, "it went by that transport")
            lab.expectDeferred(
                try await lab.sender.send(to: "u@\(name("bad"))", by: route), because: ": self-signed certificate")
            try await lab.expectDelivered(
                try await lab.sender.send(to: "u@\(name("plain"))", by: route), at: .selfSigned, session: "Untrusted")
        }

        @Test(arguments: [Route.socketmap, .jail, .tcp])
        func `without the bridge mail waits, and goes when it is back`(route: Route) async throws {
            let lab = try Lab.running
            let name = "away.\(route).example"
            try await lab.publish(LabDomain(name, policy: Policy.enforce()))
            #expect(try await lab.bridge.stop() == 0)
            let delivery = try await lab.sender.send(to: "u@\(name)", by: route)
            try await lab.bridge.start()
            lab.expectDeferred(delivery, because: "client TLS configuration problem")
            lab.expectSent(try await lab.sender.retry(delivery), at: .good, session: "Verified")
            _ = try await eventually("the mail host logs it") { lab.mx.hasReceived(delivery.message) ? true : nil }
        }

        @Test func `a message to many domains meets each domain's own policy`() async throws {
            let lab = try Lab.running
            let names = (0..<8).map { "crowd\($0).example" }
            try await lab.publish(
                names.enumerated().map {
                    $0.offset.isMultiple(of: 2)
                        ? LabDomain($0.element, policy: Policy.enforce())
                        : LabDomain($0.element, mx: [.selfSigned], policy: Self.badPolicy)
                })
            try await withThrowingTaskGroup(of: (Int, Delivery).self) { group in
                for (index, name) in names.enumerated() {
                    group.addTask { (index, try await lab.sender.send(to: "u@\(name)")) }
                }
                for try await (index, delivery) in group {
                    #expect(delivery.first.status == (index.isMultiple(of: 2) ? "sent" : "deferred"), "\(names[index])")
                    #expect(lab.mx.hasReceived(delivery.message) == index.isMultiple(of: 2), "\(names[index])")
                }
            }
        }
    }
}
