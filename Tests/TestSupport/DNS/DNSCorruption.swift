/// A way to make a response malformed. The id and, as far as the message reaches, the question stay right.
package enum DNSCorruption: String, CaseIterable, Sendable {
    /// The first record's name is a pointer to itself.
    case compressionLoop
    /// The first record's name is a pointer behind the message.
    case pointerBeyondEnd
    /// The header announces 40 answers.
    case wrongCount
    /// The first record's RDLENGTH reaches behind the message.
    case dataLengthTooLarge
    /// The first record's RDLENGTH is 0, and its data follows.
    case dataLengthTooSmall
    /// The message ends in the middle of its records.
    case cutInRecord
    /// The message ends in the middle of its question.
    case cutInQuestion
    /// An empty datagram.
    case empty
    /// 32 octets of 0xFF follow the message. A resolver may accept it.
    case trailingGarbage
    /// QR is 0: the message is a query.
    case notAResponse
    /// Only the header is left, with its counts.
    case headerOnly

    func apply(to message: [UInt8], for query: DNSQuery) -> [UInt8] {
        let end = query.questionEnd
        var message = message
        // A name as a pointer takes 2 octets; type, class and TTL 8.
        let lengthOffset = end + 10
        let hasRecord = message.count >= lengthOffset + 2
        switch self {
        case .compressionLoop where hasRecord:
            message.replaceSubrange(end..<(end + 2), with: [0xC0, UInt8(end & 0xff)])
        case .pointerBeyondEnd where hasRecord: message.replaceSubrange(end..<(end + 2), with: [0xFF, 0xFF])
        case .wrongCount: message.replaceSubrange(6..<8, with: [0, 40])
        case .dataLengthTooLarge where hasRecord:
            message.replaceSubrange(lengthOffset..<(lengthOffset + 2), with: [0xFF, 0xF0])
        case .dataLengthTooSmall where hasRecord:
            message.replaceSubrange(lengthOffset..<(lengthOffset + 2), with: [0, 0])
        case .cutInRecord where hasRecord: message.removeSubrange((lengthOffset + 1)...)
        case .cutInQuestion: message.removeSubrange((end - 4)...)
        case .empty: message = []
        case .trailingGarbage: message += [UInt8](repeating: 0xFF, count: 32)
        case .notAResponse: message[2] &= 0x7F
        case .headerOnly: message.removeSubrange(12...)
        case .compressionLoop, .pointerBeyondEnd, .dataLengthTooLarge, .dataLengthTooSmall, .cutInRecord:
            // A response without records: a lone octet behind the question stands for a broken one.
            message.replaceSubrange(6..<8, with: [0, 1])
            message.removeSubrange(end...)
            message.append(0xC0)
        }
        return message
    }
}

/// A response that is not the server's. It says NXDOMAIN.
package enum DNSForgery: Hashable, Sendable {
    case wrongID
    /// The question's name has another first octet.
    case wrongName
    case wrongType
    /// The right message from another port of the server's address.
    case otherPort
    /// The right message from another address and the server's port.
    case otherAddress
    /// The right response, malformed, from the server's address and port.
    case malformed(DNSCorruption)

    /// All with a wrong id, question or source.
    package static let impostors: [DNSForgery] = [.wrongID, .wrongName, .wrongType, .otherPort, .otherAddress]

    /// The message; `genuine` is the response that follows.
    func message(for query: DNSQuery, genuine: [UInt8]) -> [UInt8] {
        if case .malformed(let corruption) = self { return corruption.apply(to: genuine, for: query) }
        guard var message = query.response(.nameError) else { return [] }
        switch self {
        case .wrongID: message[1] ^= 0x55
        case .wrongName: message[13] = message[13] == UInt8(ascii: "x") ? UInt8(ascii: "y") : UInt8(ascii: "x")
        case .wrongType: message[query.questionEnd - 3] ^= 0x40
        case .otherPort, .otherAddress, .malformed: break
        }
        return message
    }
}
