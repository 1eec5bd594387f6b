import Testing

extension EndToEnd {
    /// The same answers over every kind of connection to the bridge, and no answer while it does not run.
    @Suite struct ConnectionTests {
        static let badPolicy = Policy.enforce(MXHost.selfSigned.name)

        @Test(arguments: [Route.tcp, .chroot])
        func `tcp_table and a unix socket in a chroot answer like socketmap over TCP`(route: Route) async throws {
            let network = try TestNetwork.running
            let name = { (label: String) in "\(label).\(route).example" }
            try await network.publish(
                TestDomain(name("good"), policy: Policy.enforce()),
                TestDomain(name("bad"), mx: [.selfSigned], policy: Self.badPolicy),
                .plain(name("plain"), mx: [.selfSigned]))
            let good = try await network.sender.send(to: "u@\(name("good"))", by: route)
            try await network.expectVerified(good, at: .good)
            #expect(good.first.lines.contains { $0.contains("postfix/\(route)/smtp[") }, "over that transport")
            network.expectDeferred(
                try await network.sender.send(to: "u@\(name("bad"))", by: route), because: ": self-signed certificate")
            try await network.expectDelivered(
                try await network.sender.send(to: "u@\(name("plain"))", by: route), at: .selfSigned,
                session: "Untrusted")
        }

        @Test(arguments: [Route.socketmap, .chroot, .tcp])
        func `without the bridge mail waits, and is sent when the bridge runs again`(route: Route) async throws {
            let network = try TestNetwork.running
            let name = "away.\(route).example"
            try await network.publish(TestDomain(name, policy: Policy.enforce()))
            #expect(try await network.bridge.stop() == 0)
            let delivery = try await network.sender.send(to: "u@\(name)", by: route)
            try await network.bridge.start()
            network.expectDeferred(delivery, because: "client TLS configuration problem")
            network.expectSent(try await network.sender.retry(delivery), at: .good, session: "Verified")
            _ = try await eventually("the mail host logs it") { network.mx.hasReceived(delivery.message) ? true : nil }
        }

        @Test func `a message to many domains is sent by each domain's own policy`() async throws {
            let network = try TestNetwork.running
            let names = (0..<8).map { "crowd\($0).example" }
            try await network.publish(
                names.enumerated().map {
                    $0.offset.isMultiple(of: 2)
                        ? TestDomain($0.element, policy: Policy.enforce())
                        : TestDomain($0.element, mx: [.selfSigned], policy: Self.badPolicy)
                })
            try await withThrowingTaskGroup(of: (Int, Delivery).self) { group in
                for (index, name) in names.enumerated() {
                    group.addTask { (index, try await network.sender.send(to: "u@\(name)")) }
                }
                for try await (index, delivery) in group {
                    #expect(delivery.first.status == (index.isMultiple(of: 2) ? "sent" : "deferred"), "\(names[index])")
                    #expect(network.mx.hasReceived(delivery.message) == index.isMultiple(of: 2), "\(names[index])")
                }
            }
        }
    }
}
