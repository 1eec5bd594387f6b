import Discovery
import Testing

@testable import CurlHTTPS

/// Ten thousand silent hosts and one healthy host, in virtual time.
@Suite(.timeLimit(.minutes(5)))
struct FetchFairnessTests {
    private let healthy: [IPAddress]

    init() throws { healthy = [try #require(IPAddress("192.0.2.1"))] }

    private func simulation(slots: Int, answers delay: Duration = .milliseconds(900)) -> FetchSimulation {
        FetchSimulation(slots: slots) { $0.isSilent ? .silent : .answers(after: delay) }
    }

    /// Submits a part of a flood of 10,000 domains.
    private func flood(_ simulation: inout FetchSimulation, with flood: SilentFlood, numbers: Range<Int> = 0..<10_000)
        throws
    {
        for number in numbers { simulation.submit(flood.domain(number), at: try flood.addresses(number)) }
    }

    @Test(arguments: SilentFlood.allCases, [16, 512])
    func `a first contact after a burst of 10,000 silent domains is answered within 2 s`(
        kind: SilentFlood, slots: Int
    ) throws {
        var simulation = simulation(slots: slots)
        try flood(&simulation, with: kind)
        let good = simulation.submit("good.test", at: healthy)
        simulation.run(for: .seconds(40))
        let ending = try #require(simulation.completions[good])
        #expect(ending.isAnswer)
        #expect(ending.after <= .seconds(2))
        #expect(simulation.completions.count == 10_001)
        #expect(simulation.errors == [])
    }

    @Test(arguments: SilentFlood.allCases, [0, 5_000])
    func `a first contact is answered within 2 s, also if the burst comes after it`(kind: SilentFlood, before: Int)
        throws
    {
        var simulation = simulation(slots: 512, answers: .milliseconds(200))
        try flood(&simulation, with: kind, numbers: 0..<before)
        let good = simulation.submit("good.test", at: healthy)
        try flood(&simulation, with: kind, numbers: before..<10_000)
        simulation.run(for: .seconds(3))
        let ending = try #require(simulation.completions[good])
        #expect(ending.isAnswer)
        // Each of the thousand addresses may have its first attempt before it, which takes two turns of 512.
        #expect(ending.after <= .seconds(2.2))
    }

    @Test(arguments: SilentFlood.allCases)
    func `of 1,000 new silent and 5 good domains a second for 15 s, all good ones are answered within 2 s`(
        kind: SilentFlood
    ) throws {
        var simulation = simulation(slots: 512, answers: .milliseconds(200))
        var good: [FetchID] = []
        for step in 0..<1_500 {
            try flood(&simulation, with: kind, numbers: step * 10..<step * 10 + 10)
            if step.isMultiple(of: 20) {
                let network = UInt8(step / 20 % 200)
                let address = try #require(IPAddress(octets: [192, 0, network, 1]))
                good.append(simulation.submit("good\(step).test", at: [address]))
            }
            simulation.run(for: .milliseconds(10))
        }
        simulation.run(for: .seconds(3))
        let late = good.filter { simulation.completions[$0].map { !$0.isAnswer || $0.after > .seconds(2) } ?? true }
        #expect(late == [])
        #expect(simulation.errors == [])
    }

    @Test(arguments: SilentFlood.allCases)
    func `refreshes of cached policies continue`(kind: SilentFlood) throws {
        var simulation = simulation(slots: 512, answers: .milliseconds(200))
        try flood(&simulation, with: kind)
        var refreshes: [FetchID] = []
        for number in 0..<100 {
            let address = try #require(IPAddress(octets: [192, 0, UInt8(number), 1]))
            refreshes.append(simulation.submit("cached\(number).test", at: [address], purpose: .cachedPolicy))
            simulation.run(for: .milliseconds(100))
        }
        simulation.run(for: .seconds(2))
        #expect(
            refreshes.allSatisfy { simulation.completions[$0].map { $0.isAnswer && $0.after <= .seconds(2) } ?? false })
    }

    @Test func `retries of silent hosts leave half of the slots to others`() throws {
        var simulation = simulation(slots: 64, answers: .milliseconds(200))
        for number in 0..<10_000 {
            let flood = SilentFlood.thousandAddresses
            simulation.submit(flood.domain(number), at: try flood.addresses(number), purpose: .retry)
        }
        simulation.run(for: .seconds(5))
        #expect(simulation.schedule.inFlight == 32)
        let good = simulation.submit("good.test", at: healthy)
        simulation.run(for: .seconds(1))
        #expect(simulation.completions[good]?.after == .milliseconds(200))
    }

    @Test func `a host that takes 3 s is answered during a flood, but later`() throws {
        var simulation = simulation(slots: 512, answers: .seconds(3))
        try flood(&simulation, with: .thousandAddresses, numbers: 0..<5_000)
        let slow = simulation.submit("slow.test", at: healthy)
        try flood(&simulation, with: .thousandAddresses, numbers: 5_000..<10_000)
        simulation.run(for: .seconds(30))
        #expect(simulation.completions[slow]?.isAnswer == true)
    }

    @Test func `the second address of a host is used if the first is silent`() throws {
        var simulation = simulation(slots: 64, answers: .milliseconds(200))
        try flood(&simulation, with: .thousandAddresses)
        let good = simulation.submit("good.test", at: try SilentFlood.oneAddress.addresses(5_000) + healthy)
        simulation.run(for: .seconds(30))
        #expect(simulation.completions[good]?.isAnswer == true)
    }

    @Test func `2,000 domains of one provider that answers in 100 ms are fetched in 10 s`() throws {
        var simulation = simulation(slots: 512, answers: .milliseconds(100))
        let all = (0..<2_000).map { simulation.submit("customer\($0).test", at: healthy) }
        simulation.run(for: .seconds(10))
        #expect(all.allSatisfy { simulation.completions[$0]?.isAnswer == true })
    }

    @Test(arguments: SilentFlood.allCases)
    func `no address, network or registrable domain has more than its share`(kind: SilentFlood) throws {
        var simulation = simulation(slots: 512)
        try flood(&simulation, with: kind)
        for _ in 0..<25 {
            let crowds = simulation.crowds
            #expect(crowds.address <= 4)
            #expect(crowds.network <= 32)
            #expect(crowds.domain <= 32)
            simulation.run(for: .milliseconds(100))
        }
    }

    @Test func `attempts of other domains at the address of a host do not delay that host`() throws {
        // The zones of the attackers have the address of the healthy host, which refuses their names at once.
        var simulation = simulation(slots: 64, answers: .milliseconds(50))
        for number in 0..<10_000 { simulation.submit("evil\(number).example", at: healthy) }
        let good = simulation.submit("good.test", at: healthy)
        simulation.run(for: .seconds(2))
        #expect(simulation.completions[good]?.isAnswer == true)
    }

    @Test func `the schedule does not remember finished fetches`() throws {
        var simulation = simulation(slots: 16, answers: .milliseconds(1))
        for number in 0..<20_000 {
            let address = try #require(
                IPAddress(octets: [11, UInt8(number >> 16), UInt8(number >> 8 & 255), UInt8(number & 255)]))
            simulation.submit("a\(number).example", at: [address])
            simulation.run(for: .milliseconds(1))
        }
        #expect(simulation.schedule.keys.count < 5_000)
    }

    @Test func `each of thousands of fetches finishes exactly once`() throws {
        var simulation = FetchSimulation(slots: 7, waiting: 200) { address in
            switch address.octets[3] % 3 {
            case 0: .silent
            case 1: .refuses
            default: .answers(after: .milliseconds(300))
            }
        }
        var numbers = SystemRandomNumberGenerator()
        var ids: [FetchID] = []
        for number in 0..<5_000 {
            let addresses = (0...Int.random(in: 0...2, using: &numbers)).compactMap { _ in
                IPAddress(octets: [
                    192, 0, UInt8.random(in: 0...3, using: &numbers), .random(in: 0...9, using: &numbers),
                ])
            }
            let purpose = [FetchPurpose.cachedPolicy, .firstContact, .retry].randomElement(using: &numbers)
            ids.append(
                simulation.submit("a\(number).b\(number % 50).example", at: addresses, purpose: purpose ?? .retry))
            if number.isMultiple(of: 3), let id = ids.randomElement(using: &numbers), simulation.completions[id] == nil
            {
                simulation.cancel(id)
            }
            simulation.run(for: .milliseconds(Int.random(in: 0...20, using: &numbers)))
        }
        simulation.run(for: .seconds(31))
        #expect(simulation.completions.count == 5_000)
        #expect(simulation.errors == [])
        #expect(simulation.schedule.keys.values.allSatisfy { $0.holders.isEmpty && $0.queue.isEmpty })
        #expect(simulation.schedule.inFlight == 0)
        #expect(simulation.schedule.retriesInFlight == 0)
    }

    @Test(arguments: SilentFlood.allCases)
    func `after a burst of 10,000 silent domains each new domain of one hoster is answered within 2 s`(
        kind: SilentFlood
    ) throws {
        var simulation = simulation(slots: 512, answers: .milliseconds(200))
        try flood(&simulation, with: kind)
        var good: [FetchID] = []
        for number in 0..<40 {
            good.append(simulation.submit("customer\(number).test", at: healthy))
            simulation.run(for: .milliseconds(500))
        }
        simulation.run(for: .seconds(20))
        let completions = good.compactMap { simulation.completions[$0] }
        #expect(completions.count == 40)
        #expect(completions.filter { !$0.isAnswer }.isEmpty)
        let longest = try #require(completions.map(\.after).max())
        #expect(longest <= .seconds(2))
        #expect(simulation.errors == [])
    }

    /// The queue of a relay is full of mail to one hoster. There are more lookups at once than slots for the hoster, and
    /// always new ones.
    @Test func `no fetch waits forever behind newer fetches of the same busy address`() throws {
        let hoster = try #require(IPAddress("192.0.2.1"))
        var simulation = FetchSimulation(slots: 512) { _ in .answers(after: .milliseconds(100)) }
        var number = 0
        for _ in 0..<3_000 {
            while simulation.completions.count + 100 > number {
                simulation.submit("customer\(number).example", at: [hoster])
                number += 1
            }
            simulation.run(for: .milliseconds(10))
        }
        let times = simulation.completions.values.map(\.after)
        #expect(times.count > 8_000)
        #expect(simulation.completions.values.filter { !$0.isAnswer }.isEmpty)
        let longest = try #require(times.max())
        #expect(longest < .seconds(2))
        // The fetches that still wait are new.
        #expect(simulation.longestWait < .seconds(2))
        #expect(simulation.errors.isEmpty)
    }
}
