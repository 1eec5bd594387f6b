import Testing
import TestSupport

/// One after the other, and in a process of their own: they measure time.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct ResolverFaultTests {
    // MARK: Delay

    @Test(arguments: ResolverUnderTest.all)
    func `a slow answer is used when it arrives`(resolver: ResolverUnderTest) async throws {
        expectNone(try await ResolverFaultContract(resolver).slowAnswers())
    }

    @Test(arguments: ResolverUnderTest.all)
    func `a retransmission does not discard the answer to an earlier transmission`(
        resolver: ResolverUnderTest
    ) async throws {
        expectNone(try await ResolverFaultContract(resolver).lateAnswerToFirstTransmission())
    }

    @Test(arguments: ResolverUnderTest.all)
    func `duplicated answers change nothing`(resolver: ResolverUnderTest) async throws {
        expectNone(try await ResolverFaultContract(resolver).duplicatedAnswers())
    }

    @Test(arguments: ResolverUnderTest.all)
    func `a silent name fails after the time-out, not sooner`(resolver: ResolverUnderTest) async throws {
        expectNone(try await ResolverFaultContract(resolver).silentName())
    }

    @Test(arguments: ResolverUnderTest.all)
    func `up to 100 silent names a second fail no good name`(resolver: ResolverUnderTest) async throws {
        // At the same time, each with its own server and resolver.
        let contract = ResolverFaultContract(resolver)
        async let one = contract.silentNames(perSecond: 1, goodPerSecond: 1)
        async let oneWithMore = contract.silentNames(perSecond: 1, goodPerSecond: 20)
        async let five = contract.silentNames(perSecond: 5, goodPerSecond: 1)
        async let fiveWithMore = contract.silentNames(perSecond: 5, goodPerSecond: 20)
        async let hundred = contract.silentNames(perSecond: 100, goodPerSecond: 1)
        async let hundredWithMore = contract.silentNames(perSecond: 100, goodPerSecond: 20)
        expectNone(try await one)
        expectNone(try await oneWithMore)
        expectNone(try await five)
        expectNone(try await fiveWithMore)
        expectNone(try await hundred)
        expectNone(try await hundredWithMore)
    }

    @Test(arguments: ResolverUnderTest.all, [1, 20])
    func `1,000 silent names a second fail no good name`(resolver: ResolverUnderTest, good: Int) async throws {
        expectNone(try await ResolverFaultContract(resolver).silentNames(perSecond: 1_000, goodPerSecond: good))
    }

    // MARK: Forgery

    @Test(arguments: ResolverUnderTest.all)
    func `a malformed answer hurts its own name only`(resolver: ResolverUnderTest) async throws {
        expectNone(try await ResolverFaultContract(resolver).malformedAnswers())
    }

    @Test(arguments: ResolverUnderTest.all)
    func `the answer that follows a malformed one is used`(resolver: ResolverUnderTest) async throws {
        expectNone(try await ResolverFaultContract(resolver).answersAfterMalformedOnes())
    }

    @Test(arguments: ResolverUnderTest.all)
    func `the answer that follows a forged one is used`(resolver: ResolverUnderTest) async throws {
        expectNone(try await ResolverFaultContract(resolver).answersAfterForgedOnes())
    }

    @Test(arguments: ResolverUnderTest.all)
    func `forged answers alone are as no answer`(resolver: ResolverUnderTest) async throws {
        expectNone(try await ResolverFaultContract(resolver).forgedAnswersAlone())
    }

    @Test(arguments: ResolverUnderTest.all)
    func `an error code hurts its own name only`(resolver: ResolverUnderTest) async throws {
        expectNone(try await ResolverFaultContract(resolver).errorCodes())
    }

    @Test(arguments: ResolverUnderTest.all)
    func `ids and source ports look random`(resolver: ResolverUnderTest) async throws {
        expectNone(try await ResolverFaultContract(resolver).unpredictableQueries())
    }

    // MARK: Loss and TCP

    @Test(arguments: ResolverUnderTest.all)
    func `with 30 % of datagrams lost each way 999 of 1,000 questions succeed`(
        resolver: ResolverUnderTest
    ) async throws {
        expectNone(try await ResolverFaultContract(resolver).loss(0.3, required: 999))
    }

    @Test(arguments: ResolverUnderTest.all)
    func `with 5 % of datagrams lost each way all questions succeed`(resolver: ResolverUnderTest) async throws {
        expectNone(try await ResolverFaultContract(resolver).loss(0.05, required: 1_000))
    }

    @Test(arguments: ResolverUnderTest.all)
    func `a truncated answer is asked for over TCP`(resolver: ResolverUnderTest) async throws {
        expectNone(try await ResolverFaultContract(resolver).truncation())
    }

    @Test(arguments: ResolverUnderTest.all)
    func `a stalled TCP connection fails its own question only`(resolver: ResolverUnderTest) async throws {
        expectNone(try await ResolverFaultContract(resolver).stalledTCP())
    }

    // MARK: Servers

    @Test(arguments: ResolverUnderTest.all, ResolverFaultContract.Death.allCases)
    func `with the first server dead the second answers soon`(
        resolver: ResolverUnderTest, death: ResolverFaultContract.Death
    ) async throws {
        expectNone(try await ResolverFaultContract(resolver).deadFirstServer(death))
    }

    @Test(arguments: ResolverUnderTest.all, ResolverFaultContract.Death.allCases)
    func `a first server that comes back is used again`(
        resolver: ResolverUnderTest, death: ResolverFaultContract.Death
    ) async throws {
        expectNone(try await ResolverFaultContract(resolver).firstServerReturns(death))
    }

    @Test(arguments: ResolverUnderTest.all, ResolverFaultContract.Death.allCases)
    func `with all servers dead each question fails after the time-out, and the first after their return succeeds`(
        resolver: ResolverUnderTest, death: ResolverFaultContract.Death
    ) async throws {
        expectNone(try await ResolverFaultContract(resolver).allServersDead(death))
    }

    @Test(arguments: ResolverUnderTest.all, [2, 5] as [UInt8])
    func `a server that answers SERVFAIL or REFUSED to everything is passed over`(
        resolver: ResolverUnderTest, code: UInt8
    ) async throws {
        expectNone(try await ResolverFaultContract(resolver).brokenFirstServer(code))
    }

    @Test(arguments: ResolverUnderTest.all)
    func `a server that starts after the resolver answers the next question`(resolver: ResolverUnderTest) async throws {
        expectNone(try await ResolverFaultContract(resolver).serverStartsLater())
    }

    @Test(arguments: ResolverUnderTest.all)
    func `a server that starts during a question answers it`(resolver: ResolverUnderTest) async throws {
        expectNone(try await ResolverFaultContract(resolver).serverStartsDuringQuestion())
    }

    // MARK: This host

    @Test(arguments: ResolverUnderTest.all)
    func `without a route a question fails with a local cause`(resolver: ResolverUnderTest) async throws {
        expectNone(try await ResolverFaultContract(resolver).noRoute())
    }

    @Test(arguments: ResolverUnderTest.all)
    func `without a route to the first server the second answers`(resolver: ResolverUnderTest) async throws {
        expectNone(try await ResolverFaultContract(resolver).noRouteToFirstServer())
    }

    @Test func `without descriptors a plain question fails with a local cause, and the next one succeeds`() async {
        await #expect(processExitsWith: .success) {
            expectNone(try await ResolverFaultContract(.plain).noDescriptors())
        }
    }

    @Test func `without descriptors a validated question fails with a local cause, and the next one succeeds`() async {
        await #expect(processExitsWith: .success) {
            expectNone(try await ResolverFaultContract(.validating).noDescriptors())
        }
    }
}

/// Records an issue for each violation.
private func expectNone(_ violations: [String], sourceLocation: SourceLocation = #_sourceLocation) {
    for violation in violations { Issue.record(Comment(rawValue: violation), sourceLocation: sourceLocation) }
}
