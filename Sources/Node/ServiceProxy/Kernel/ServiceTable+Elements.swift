internal import Netlink

extension ServiceTable {
    /// The set and the bytes of an element.
    static func encoded(_ element: TableElement) -> CollectionOfOne<(set: String, element: NFTablesElement)> {
        func one(_ name: SetName, _ family: IPAddress.Family, _ key: [UInt8], _ data: NFTablesElement.Data = .none) -> CollectionOfOne<(set: String, element: NFTablesElement)> {
            CollectionOfOne((names[name, default: [:]][family] ?? name.named(family), NFTablesElement(key, data: data)))
        }
        switch element {
        case .front(let frontend, let balancer): return one(.front, frontend.address.family, bytes(frontend), .value(bytes(balancer.number)))
        case .inside(let frontend, let balancer): return one(.inside, frontend.address.family, bytes(frontend), .value(bytes(balancer.number)))
        case .pick(let scope, let frontend, let index, let backend):
            return one(scope == .cluster ? .pick : .picklocal, frontend.address.family, bytes(frontend, index), .value(bytes(backend)))
        case .choose(let scope, let frontend, let index, let token):
            return one(scope == .cluster ? .choose : .chooselocal, frontend.address.family, bytes(frontend, index), .value(bytes(token)))
        case .live(let scope, let frontend, let token, let backend):
            return one(scope == .cluster ? .live : .livelocal, frontend.address.family, bytes(frontend, token), .value(bytes(backend)))
        case .masquerade(let frontend): return one(.masquerade, frontend.address.family, bytes(frontend))
        case .masqueradeOwn(let frontend): return one(.masqueradeown, frontend.address.family, bytes(frontend))
        case .reject(let frontend): return one(.reject, frontend.address.family, bytes(frontend))
        case .drop(let frontend): return one(.drop, frontend.address.family, bytes(frontend))
        case .guarded(let frontend): return one(.guarded, frontend.address.family, bytes(frontend))
        case .allowed(let frontend, let range):
            let key = bytes(frontend)
            let element = NFTablesElement(key + range.network.bytes, through: key + range.last.bytes)
            return CollectionOfOne((SetName.allowed.named(frontend.address.family), element))
        case .hairpin(let address): return one(.hairpin, address.family, address.bytes + address.bytes)
        case .balancer(let family, let balancer): return one(.balance, family, bytes(balancer.number), .verdict(.goto(chain(balancer, family))))
        }
    }

    /// Made once: ten thousand elements need no ten thousand names.
    private static let names: [SetName: [IPAddress.Family: String]] = Dictionary(
        uniqueKeysWithValues: SetName.allCases.map { set in (set, Dictionary(uniqueKeysWithValues: families.map { ($0, set.named($0)) })) })

    /// address . protocol . port, each part padded to registers, and a number behind them.
    static func bytes(_ frontend: Frontend, _ number: UInt32? = nil) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(28)
        bytes.append(frontend.address)
        bytes.append(frontend.transport.rawValue)
        bytes.append(0)
        bytes.append(0)
        bytes.append(0)
        bytes.append(port: frontend.port)
        if let number { bytes.append(native: number) }
        return bytes
    }

    static func bytes(_ backend: Backend) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(20)
        bytes.append(backend.address)
        bytes.append(port: backend.port)
        return bytes
    }

    static func bytes(_ number: UInt32) -> [UInt8] { Swift.withUnsafeBytes(of: number) { Array($0) } }
}

extension [UInt8] {
    fileprivate mutating func append(_ address: IPAddress) {
        switch address {
        case .v4(let value): Swift.withUnsafeBytes(of: value.bigEndian) { append(contentsOf: $0) }
        case .v6(let high, let low):
            Swift.withUnsafeBytes(of: high.bigEndian) { append(contentsOf: $0) }
            Swift.withUnsafeBytes(of: low.bigEndian) { append(contentsOf: $0) }
        }
    }

    fileprivate mutating func append(port: UInt16) {
        append(UInt8(port >> 8))
        append(UInt8(port & 0xff))
        append(0)
        append(0)
    }

    /// As numgen and the packet's priority are: in the machine's byte order.
    fileprivate mutating func append(native value: UInt32) { Swift.withUnsafeBytes(of: value) { append(contentsOf: $0) } }
}
