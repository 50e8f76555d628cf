extension ClusterZone {
    /// What the zone says to a question.
    public enum Answer: Sendable, Hashable {
        case records([DNSRecord], additional: [DNSRecord] = [])
        /// The name exists, but has nothing of this type.
        case noData
        case noSuchName
        /// The name stands for another one, which is to be asked for.
        case alias(DNSRecord, target: DNSName)
        /// The name is not one of the cluster's.
        case notOurs
        /// Not known yet.
        case unavailable
    }

    /// - Parameter rotation: any number; it turns the order of addresses, so that clients that take the first spread.
    public func answer(_ question: DNSMessage.Question, rotation: Int = 0) -> Answer {
        let query = Query(name: question.name, type: question.type, rotation: rotation)
        guard let labels = question.name.labels(before: domain) else { return reverseAnswer(query) }
        let words = labels.map { String(decoding: $0.map(DNSName.lower), as: UTF8.self) }
        switch words.last {
        case nil: return apex(query)
        case "svc":
            guard isComplete else { return .unavailable }
            return serviceAnswer(Array(words.dropLast()), query)
        case "pod": return podAnswer(Array(words.dropLast()), query)
        case "dns" where words == ["dns"]: return .noData
        case "dns" where words == ["ns", "dns"]: return addresses(serverAddresses, query)
        case "dns-version" where words.count == 1:
            guard query.wants(.txt) else { return .noData }
            return .records([DNSRecord(query.name, ttl: Self.ttl, .txt([Array(Self.version.utf8)]))])
        default: return .noSuchName
        }
    }

    struct Query {
        var name: DNSName
        var type: DNSType
        var rotation: Int

        func wants(_ type: DNSType) -> Bool { self.type == type || self.type == .any }
    }

    private func apex(_ query: Query) -> Answer {
        let server = name("ns", "dns") ?? domain
        switch query.type {
        case .soa: return .records([authority])
        case .ns: return .records([DNSRecord(query.name, ttl: Self.ttl, .ns(server))], additional: records(server, serverAddresses))
        default: return .noData
        }
    }

    // MARK: Services

    private func serviceAnswer(_ words: [String], _ query: Query) -> Answer {
        guard let namespace = words.last else { return .noData }
        guard namespaces[namespace] != nil else { return .noSuchName }
        guard words.count > 1 else { return .noData }
        let key = ObjectKey(namespace: namespace, name: words[words.count - 2])
        guard let service = names[key] else { return .noSuchName }
        if case .external(let target) = service.kind {
            guard words.count == 2 else { return .noSuchName }
            let record = DNSRecord(query.name, ttl: Self.ttl, .cname(target))
            return query.type == .cname ? .records([record]) : .alias(record, target: target)
        }
        guard service.exists else { return .noSuchName }
        switch words.count {
        case 2:
            if query.type == .srv { return serviceRecords(service, key, service.allPorts, query) }
            return addresses(service.addresses, query)
        case 3:
            if words[0].hasPrefix("_") {
                return service.allPorts.contains { !$0.name.isEmpty && "_" + $0.transport == words[0] } ? .noData : .noSuchName
            }
            guard let host = service.hosts[words[0]] else { return .noSuchName }
            return addresses(host.addresses, query)
        case 4:
            let ports = service.allPorts.filter { !$0.name.isEmpty && "_" + $0.name == words[0] && "_" + $0.transport == words[1] }
            guard !ports.isEmpty else { return .noSuchName }
            return query.wants(.srv) ? serviceRecords(service, key, ports, query) : .noData
        default: return .noSuchName
        }
    }

    /// SRV records for these ports, and the addresses of what they point to.
    private func serviceRecords(_ service: ServiceNames, _ key: ObjectKey, _ ports: [NamedPort], _ query: Query) -> Answer {
        guard let base = name(key.name, key.namespace, "svc") else { return .noData }
        let wanted = Set(ports)
        var targets: [(name: DNSName, addresses: [[UInt8]], ports: [NamedPort])] = []
        if case .headless = service.kind {
            for host in service.hosts.values.sorted(by: { $0.label < $1.label }) {
                guard let name = name(host.label, key.name, key.namespace, "svc") else { continue }
                targets.append((name, host.addresses, host.ports.filter(wanted.contains)))
            }
        } else {
            targets = [(base, service.addresses, ports)]
        }
        let pairs = rotate(targets, query.rotation).flatMap { target in target.ports.map { (target, $0) } }
        guard !pairs.isEmpty else { return .noData }
        let weight = UInt16(max(1, 100 / pairs.count))
        return .records(
            pairs.map { target, port in DNSRecord(query.name, ttl: Self.ttl, .srv(priority: 0, weight: weight, port: port.number, target: target.name)) },
            additional: targets.flatMap { records($0.name, $0.addresses) })
    }

    // MARK: Pods and addresses

    /// Any address has such a name, whether there is a pod or not, as the specification wants it.
    private func podAnswer(_ words: [String], _ query: Query) -> Answer {
        guard words.count <= 2 else { return .noSuchName }
        guard words.count == 2 else { return .noData }
        guard let address = IPBytes.parse(label: words[0]) else { return .noSuchName }
        return addresses([address], query)
    }

    private func addresses(_ addresses: [[UInt8]], _ query: Query) -> Answer {
        let found = records(query.name, addresses).filter { query.wants($0.data.type) }
        return found.isEmpty ? .noData : .records(rotate(found, query.rotation))
    }

    private func reverseAnswer(_ query: Query) -> Answer {
        guard let address = IPBytes.parse(reverse: query.name.words), let names = reverse[address] else { return .notOurs }
        guard query.wants(.ptr) else { return .noData }
        return .records(names.sorted { $0.description < $1.description }.map { DNSRecord(query.name, ttl: Self.ttl, .ptr($0)) })
    }

    private func records(_ name: DNSName, _ addresses: [[UInt8]]) -> [DNSRecord] {
        addresses.map { DNSRecord(name, ttl: Self.ttl, $0.count == 4 ? .a($0) : .aaaa($0)) }
    }

    private func rotate<Element>(_ list: [Element], _ rotation: Int) -> [Element] {
        guard list.count > 1 else { return list }
        let start = Int(rotation.magnitude % UInt(list.count))
        return Array(list[start...] + list[..<start])
    }
}
